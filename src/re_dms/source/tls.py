"""Whether and how the connection to the source is encrypted: verified by default, everywhere but on this machine.

Source: https://www.postgresql.org/docs/current/libpq-ssl.html
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from re_dms.errors import ConfigurationError

VERIFIED: Final = "verify-full"
# The libpq of psycopg's wheels looks for `sslrootcert=system` in a directory of its own that is not there,
# so the system's bundle is given by its path. First found counts.
_SYSTEM_BUNDLES: Final = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Ubuntu, Alpine, Arch
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Fedora, RHEL, Amazon Linux
    Path("/etc/ssl/ca-bundle.pem"),  # SUSE
    Path("/etc/ssl/cert.pem"),  # macOS, BSD
)


def tls_parameters(
    parameters: Mapping[str, Any],
    defaults: Mapping[str, str],
    *,
    ca_file: str | None,
    insecure: bool,
) -> dict[str, str]:
    """The TLS keywords to add to `parameters` (libpq keywords of the DSN).

    `defaults` are libpq's own, with the environment applied. Raises ConfigurationError when the DSN asks for less
    than verification of another machine's certificate and name, unless `insecure`.
    """
    added: dict[str, str] = {}
    if ca_file is not None:
        added["sslrootcert"] = ca_file
    if insecure or is_local(parameters, defaults):
        return added
    wanted = parameters.get("sslmode", VERIFIED)
    if wanted != VERIFIED:
        raise ConfigurationError(
            f"the source's DSN asks for sslmode={wanted}, which does not verify whom it talks to",
            remedy="remove sslmode from the DSN (and give the authority with `ca_file`), or set `insecure_tls`",
        )
    added["sslmode"] = VERIFIED
    if ca_file is None and "sslrootcert" not in parameters and not defaults.get("sslrootcert"):
        authority = _authority()
        if authority is not None:
            added["sslrootcert"] = authority
    return added


def is_local(parameters: Mapping[str, Any], defaults: Mapping[str, str]) -> bool:
    """Whether every host that `parameters` name is this machine: a unix socket or a loopback address.

    A service file may name any host: unless the DSN names one too, it counts as another machine.
    """
    hosts = hosts_of(parameters, defaults)
    if not hosts:
        return not (parameters.get("service") or defaults.get("service"))
    return all(_is_local(host) for host in hosts)


def is_socket(parameters: Mapping[str, Any], defaults: Mapping[str, str]) -> bool:
    """Whether the connection certainly goes over a unix socket."""
    hosts = hosts_of(parameters, defaults)
    if not hosts:
        return is_local(parameters, defaults)
    return all(_is_path(host) for host in hosts)


def hosts_of(parameters: Mapping[str, Any], defaults: Mapping[str, str]) -> list[str]:
    """The addresses that libpq would connect to; empty: its default, a unix socket."""
    for key in ("hostaddr", "host"):
        named = parameters.get(key) or defaults.get(key)
        if named:
            return str(named).split(",")
    return []


def _is_path(host: str) -> bool:
    return host == "" or host.startswith(("/", "@"))


def _is_local(host: str) -> bool:
    if _is_path(host) or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _authority() -> str | None:
    """Whose signature counts when nobody says: libpq's own file, else the system's bundle, else what OpenSSL knows."""
    if (Path.home() / ".postgresql" / "root.crt").exists():
        return None
    return next((str(bundle) for bundle in _SYSTEM_BUNDLES if bundle.exists()), "system")
