"""SET, RESET and SHOW.

Source: AWS Database Developer Guide, "SET" (r_SET), "RESET", "SHOW" (r_SHOW), "timezone" (r_timezone_config).
"""

from __future__ import annotations

from typing import Final

from redshift_standin.errors import not_yet, refused, unknown
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.statements import Reset, Set, Show

# SHOW of objects, not of parameters.
_SHOW_LATER: Final = (
    "table", "view", "external", "model", "datashares", "procedure", "databases", "schemas", "tables", "columns",
    "grants", "functions", "parameters", "constraints", "column", "policies", "template", "templates", "procedures",
    "create",
)  # fmt: skip


def read_set(reader: Reader) -> Set:
    """SET [SESSION | LOCAL] name {TO | =} value, … | DEFAULT; of DEFAULT the only value is "default"."""
    reader.expect("set")
    if reader.accept("session", "authorization"):
        # psycopg2 says it before a connection is used again; another user than the session's own cannot have been set.
        if not reader.accept("default"):
            raise not_yet("SET SESSION AUTHORIZATION")
        return Set(name="session_authorization", values=("default",))
    if reader.is_word("session") and reader.peek().value == "characteristics":
        raise unknown("SET SESSION CHARACTERISTICS")
    local = reader.accept_any("session", "local") == "local"
    if reader.is_word("transaction", "constraints", "role", "names") and not _assigns(reader.peek().text):
        raise refused(f"SET {reader.token.value.upper()} is not supported")
    if reader.accept("time", "zone"):
        return Set(name="timezone", values=(_value(reader),), local=local)
    name = _name(reader)
    if not (reader.accept("to") or reader.accept_operator("=")):
        reader.fail()
    if reader.accept("default"):
        return Set(name=name, values=("default",), local=local)
    return Set(name=name, values=tuple(reader.separated(lambda: _value(reader))), local=local)


def read_reset(reader: Reader) -> Reset:
    """RESET name | ALL."""
    reader.expect("reset")
    if reader.are_words("session", "authorization"):
        raise not_yet("RESET SESSION AUTHORIZATION")
    return Reset(name="all" if reader.accept("all") else _name(reader))


def read_show(reader: Reader) -> Show:
    """SHOW name | ALL."""
    reader.expect("show")
    if reader.is_word(*_SHOW_LATER):
        raise not_yet(f"SHOW {reader.token.value.upper()}")
    if reader.are_words("session", "authorization"):
        raise not_yet("SHOW SESSION AUTHORIZATION")
    # Clients that know Postgres ask in these words when they connect.
    if reader.accept("transaction", "isolation", "level"):
        return Show(name="transaction_isolation")
    if reader.accept("time", "zone"):
        return Show(name="timezone")
    return Show(name="all" if reader.accept("all") else _name(reader))


def _assigns(text: str) -> bool:
    """A parameter may bear the name of a form that Postgres has."""
    return text.lower() in ("to", "=", ".")


def _name(reader: Reader) -> str:
    """A parameter's name, which may have dots."""
    parts = [reader.expect_name()]
    while reader.accept_operator("."):
        parts.append(reader.expect_label())
    return ".".join(parts)


def _value(reader: Reader) -> str:
    """A word in lower case, a quoted name folded as all names are, a literal's text, or a number."""
    sign = reader.accept_operator("-")
    if sign and reader.token.kind is not Kind.NUMBER:
        reader.fail()
    if reader.token.kind is Kind.QUOTED:
        return reader.expect_name()
    if reader.token.kind not in (Kind.WORD, Kind.STRING, Kind.NUMBER):
        reader.fail()
    return sign + reader.advance().value
