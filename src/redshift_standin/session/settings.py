"""SET, SHOW and RESET: Redshift's parameters and their defaults.

Source: AWS Database Developer Guide, "Configuration reference" (cm_chap_ConfigurationRef).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from redshift_standin.errors import RedshiftError, unknown

DEFAULTS: Final = {
    "analyze_threshold_percent": "10",
    "application_name": "",
    "cast_super_null_on_error": "on",
    "client_encoding": "UNICODE",
    "datestyle": "ISO, MDY",
    "default_geometry_encoding": "1",
    "describe_field_name_in_uppercase": "off",
    "downcase_delimited_identifier": "on",
    "enable_case_sensitive_identifier": "off",
    "enable_case_sensitive_super_attribute": "off",
    "enable_numeric_rounding": "on",
    "enable_result_cache_for_session": "on",
    "enable_vacuum_boost": "off",
    "error_on_nondeterministic_update": "off",
    "extra_float_digits": "0",
    "interval_forbid_composite_literals": "on",
    "json_parse_dedup_attributes": "off",
    "json_parse_truncate_strings": "off",
    "json_serialization_enable": "off",
    "json_serialization_parse_nested_strings": "off",
    "max_cursor_result_set_size": "0",
    "mv_enable_aqmv_for_session": "on",
    "navigate_super_null_on_error": "on",
    "parse_super_null_on_error": "off",
    "pg_federation_repeatable_read": "on",
    "query_group": "unset",
    "search_path": '$user, public',
    "spectrum_enable_pseudo_columns": "on",
    "spectrum_query_maxerror": "-1",
    "statement_timeout": "0",
    "stored_proc_log_min_messages": "info",
    "timezone": "UTC",
    "transaction_isolation": "serializable",
    "transaction_read_only": "off",
    "use_fips_ssl": "off",
    "wlm_query_slot_count": "1",
}  # fmt: skip
READ_ONLY: Final = {
    "server_version": "8.0.2",
    "is_superuser": "",
    "session_authorization": "",
    "server_encoding": "UTF8",
}
OWN: Final = "redshift_standin."
_SWITCHES: Final = {
    "on": "on",
    "true": "on",
    "1": "on",
    "yes": "on",
    "off": "off",
    "false": "off",
    "0": "off",
    "no": "off",
}
_OWN_NAMES: Final = {f"{OWN}fault": "", f"{OWN}nondeterministic_update": "off"}
# What changes the meaning of values in ways that the stand-in does not copy.
_FIXED: Final = {
    "datestyle": ("iso", "iso, mdy"),
    "client_encoding": ("unicode", "utf8", "utf-8", "'utf8'", "unicode_utf8"),
}


class Settings:
    """The parameters of one session. They roll back with the transaction that set them."""

    def __init__(self, user: str, given: Iterable[tuple[str, str]] = (), *, superuser: bool = False) -> None:
        """`given`: from the start-up packet. Raises RedshiftError 42704 or 22023 as SET does."""
        self._read_only = READ_ONLY | {"is_superuser": "on" if superuser else "off", "session_authorization": user}
        self._values = DEFAULTS | _OWN_NAMES
        self._saved: dict[str, str] | None = None
        self._local: dict[str, str] = {}
        for name, value in given:
            self.set(name, (value,))
        self._start = dict(self._values)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def is_on(self, name: str) -> bool:
        return self._values[name] == "on"

    def show(self, name: str) -> str:
        """Raises 42704 for a name that Redshift does not have."""
        found = (self._values | self._read_only).get(_canonical(name))
        if found is None:
            raise _unrecognized(name)
        return found

    def all(self) -> list[tuple[str, str]]:
        return sorted((self._values | self._read_only).items())

    def set(self, name: str, values: tuple[str, ...], *, local: bool = False) -> None:
        """`local`: until the block's end. Raises RedshiftError: 42704 unknown, 55P02 read-only, 22023 a wrong value,
        0A000 an unknown effect."""
        name = _canonical(name)
        if name == "session_authorization" and values == ("default",):
            return
        if name in self._read_only:
            raise RedshiftError("55P02", f'parameter "{name}" cannot be changed')
        if name not in self._values:
            raise _unrecognized(name)
        value = ", ".join(values)
        if values == ("default",):
            value = (DEFAULTS | _OWN_NAMES)[name]
        elif (DEFAULTS | _OWN_NAMES)[name] in ("on", "off"):
            if value.lower() not in _SWITCHES:
                raise RedshiftError("22023", f'parameter "{name}" requires a Boolean value')
            value = _SWITCHES[value.lower()]
        elif name in _FIXED:
            if value.lower() not in _FIXED[name]:
                raise unknown(f"{name} = {value} (the stand-in keeps to {DEFAULTS[name]})")
            value = DEFAULTS[name]
        elif name == "statement_timeout" and not value.isdigit():
            raise RedshiftError("22023", f'parameter "{name}" requires an integer value')
        if local:
            self._local.setdefault(name, self._values[name])
        else:
            self._local.pop(name, None)
        self._values[name] = value

    def reset(self, name: str) -> None:
        """To what the session began with; "all" resets everything."""
        if name == "all":
            self._values = dict(self._start)
        else:
            self.show(name)
            self._values[_canonical(name)] = self._start[_canonical(name)]

    def begin(self) -> None:
        """A transaction block begins."""
        self._saved = dict(self._values)

    def end(self, *, committed: bool) -> None:
        """It ends."""
        if committed:
            self._values |= self._local
        elif self._saved is not None:
            self._values = self._saved
        self._saved, self._local = None, {}

    @property
    def search_path(self) -> list[str]:
        """The schemas as written; "$user" is left in place."""
        return [each.strip().strip('"').strip("'") for each in self._values["search_path"].split(",") if each.strip()]


def _canonical(name: str) -> str:
    return {"time zone": "timezone"}.get(name.lower(), name.lower())


def _unrecognized(name: str) -> RedshiftError:
    return RedshiftError("42704", f'unrecognized configuration parameter "{name}"')
