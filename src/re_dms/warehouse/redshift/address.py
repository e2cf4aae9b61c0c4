"""Where a Redshift warehouse is: `redshift://user@host:5439/database`, with `?driver=psycopg` for libpq in place of AWS's driver.

No message repeats the URL: somebody may have written a password into it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Literal, Self
from urllib.parse import quote, unquote

from re_dms.errors import ConfigurationError
from re_dms.settings import WarehouseSettings

SCHEME: Final = "redshift://"
EXAMPLE: Final = "redshift://re_dms@cluster.example.eu-central-1.redshift.amazonaws.com:5439/shop"
PORT: Final = 5439  # Redshift's own default
NAME_BYTES_MAX: Final = 127

Driver = Literal["redshift_connector", "psycopg"]
DRIVERS: Final[tuple[Driver, ...]] = ("redshift_connector", "psycopg")

_URL: Final = re.compile(
    r"redshift://(?:(?P<user>[^@/?#:]*)(?P<password>:[^@/?#]*)?@)?(?P<host>\[[^\]]*\]|[^@/?#:\[\]]*)"
    r"(?::(?P<port>[^@/?#:]*))?/(?P<database>[^@/?#]*)(?:\?(?P<query>[^#]*))?"
)
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One warehouse, without secrets. `user` is empty where AWS says who we are (a serverless workgroup)."""

    host: str
    port: int = PORT
    user: str
    database: str
    driver: Driver = DRIVERS[0]

    @classmethod
    def parse(cls, url: str) -> Self:
        """The address in a URL. Raises ValueError, whose message completes "warehouse.url: …" and repeats nothing."""
        found = _URL.fullmatch(url)
        if found is None:
            raise ValueError(f"must be like {EXAMPLE}; what is unusual in a name is written as %XX")
        if found["password"] is not None:
            raise ValueError(
                "must not hold a password: give it as RE_DMS_WAREHOUSE__PASSWORD or warehouse.password_file"
            )
        return cls(
            host=_host(found["host"]),
            port=_port(found["port"]),
            user=_name(found["user"] or "", "user") if found["user"] else "",
            database=_name(found["database"], "database"),
            driver=_driver(found["query"] or ""),
        )

    @classmethod
    def of(cls, settings: WarehouseSettings) -> Self:
        """The address of a warehouse. Raises ConfigurationError for a URL that is none, or that lacks the user."""
        try:
            address = cls.parse(settings.url)
        except ValueError as mistake:
            raise ConfigurationError(f"warehouse.url: {mistake}", remedy="correct the warehouse's URL") from None
        if not address.user and settings.workgroup is None:
            raise ConfigurationError(f"warehouse.url: {USER_NEEDED}", remedy=f"write it like {EXAMPLE}")
        return address

    @property
    def safe_url(self) -> str:
        """The URL for messages, records and logs."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        query = "" if self.driver == DRIVERS[0] else f"?driver={self.driver}"
        return f"{SCHEME}{user}{self.host}:{self.port}/{quote(self.database, safe='')}{query}"

    @property
    def is_local(self) -> bool:
        """Whether the host is this machine."""
        try:
            return self.host.lower() == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


USER_NEEDED: Final = "names no user; only a serverless workgroup (warehouse.workgroup) does without one"


def _host(text: str) -> str:
    if text.startswith("["):
        raise ValueError("must name the host, or its IPv4 address: AWS's driver takes no IPv6 address")
    if _HOST.fullmatch(text) is None:
        raise ValueError(f"must name a host, as in {EXAMPLE}")
    return text


def _port(text: str | None) -> int:
    if text is None:
        return PORT
    if _PORT.fullmatch(text) is None or int(text) > _PORT_MAX:
        raise ValueError(f"must have a port from 1 to {_PORT_MAX}, or none: {PORT}")
    return int(text)


def _name(text: str, what: str) -> str:
    try:
        name = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"names a {what} that is not UTF-8") from None
    if not name or not name.isprintable() or len(name.encode("utf-8", "replace")) > NAME_BYTES_MAX:
        raise ValueError(f"must name a {what} of 1 to {NAME_BYTES_MAX} printable bytes")
    return name


def _driver(query: str) -> Driver:
    if not query:
        return DRIVERS[0]
    key, _, value = query.partition("=")
    if key != "driver" or value not in DRIVERS:
        raise ValueError(f"takes no options but ?driver={' or ?driver='.join(DRIVERS)}")
    return value
