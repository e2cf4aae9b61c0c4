"""GRANT and REVOKE on tables and schemas, rendered for the backend, where users and groups are roles of the same name.

Source: AWS Database Developer Guide, "GRANT" (r_GRANT) and "REVOKE" (r_REVOKE).
"""

from __future__ import annotations

from typing import Final, Literal

from redshift_standin.errors import RedshiftError, not_yet, refused
from redshift_standin.names import quote
from redshift_standin.sql.lexer import RESERVED, Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.statements import Grant

_TABLE_PRIVILEGES: Final = ("select", "insert", "update", "delete", "references", "truncate")
_SCHEMA_PRIVILEGES: Final = ("create", "usage")
# Redshift has these; the backend has no privilege to put in their place.
_LATER: Final = (
    "drop", "alter", "execute", "assumerole", "temp", "temporary", "role", "share", "explain", "ignore", "access",
    "system", "catalog",
)  # fmt: skip
_REFUSED: Final = ("rule", "trigger", "maintain", "connect")
_LATER_OBJECTS: Final = (
    "database", "function", "procedure", "language", "datashare", "model", "copy", "external", "rls", "lakeformation",
    "column", "role", "warehouse", "template", "library",
)  # fmt: skip
_REFUSED_OBJECTS: Final = ("sequence", "domain", "type", "tablespace", "foreign", "large", "parameter", "routine")


def read_grant(reader: Reader) -> Grant:
    """From the statement's first word on."""
    tag: Literal["GRANT", "REVOKE"] = "GRANT" if reader.accept("grant") else "REVOKE"
    option = False
    if tag == "REVOKE":
        reader.expect("revoke")
        option = reader.accept("grant", "option", "for")
    privileges = _privileges(reader)
    reader.expect("on")
    target = _target(reader, privileges)
    reader.expect("to" if tag == "GRANT" else "from")
    receivers = reader.separated(lambda: _receiver(reader, with_option=tag == "GRANT"))
    options = {with_option for _, with_option in receivers}
    if len(options) > 1:
        raise not_yet("GRANT with the grant option for some only")
    if True in options and any(name == "public" for name, _ in receivers):
        raise refused("grant options cannot be granted to PUBLIC")
    head = f"{tag.lower()} {'grant option for ' if option else ''}{', '.join(privileges)} on {target}"
    names = ", ".join(name for name, _ in receivers)
    if tag == "GRANT":
        return Grant(sql=f"{head} to {names}{' with grant option' if True in options else ''}", tag=tag)
    behaviour = reader.accept_any("cascade", "restrict")
    return Grant(sql=f"{head} from {names}{' ' + behaviour if behaviour else ''}", tag=tag)


def _privileges(reader: Reader) -> list[str]:
    if reader.accept("all"):
        reader.accept("privileges")
        if reader.is_operator("("):
            raise not_yet("privileges of columns")
        return ["all"]
    return reader.separated(lambda: _privilege(reader))


def _privilege(reader: Reader) -> str:
    if reader.is_word(*_LATER):
        raise not_yet(f"privilege {reader.token.value.upper()}")
    if reader.is_word(*_REFUSED):
        raise refused(f"privilege {reader.token.value.upper()} is not supported")
    word = reader.accept_any(*_TABLE_PRIVILEGES, *_SCHEMA_PRIVILEGES)
    if not word:
        reader.fail()
    if reader.is_operator("("):
        raise not_yet("privileges of columns")
    return word


def _target(reader: Reader, privileges: list[str]) -> str:
    """What follows ON; the kind of object has to fit the privileges."""
    if reader.accept("schema"):
        _check(privileges, _SCHEMA_PRIVILEGES, "a schema")
        return "schema " + ", ".join(quote(name) for name in reader.separated(reader.expect_name))
    if reader.is_word("all"):
        if not reader.are_words("all", "tables"):
            raise not_yet(f"privileges on ALL {reader.peek().text.upper()}")
        reader.expect("all", "tables", "in", "schema")
        _check(privileges, _TABLE_PRIVILEGES, "tables")
        return "all tables in schema " + ", ".join(quote(name) for name in reader.separated(reader.expect_name))
    if reader.is_word(*_LATER_OBJECTS) and _a_name_follows(reader):
        raise not_yet(f"privileges on a {reader.token.value.upper()}")
    if reader.is_word(*_REFUSED_OBJECTS) and _a_name_follows(reader):
        raise refused(f"{reader.token.value.upper()} is not supported")
    reader.accept("table")
    _check(privileges, _TABLE_PRIVILEGES, "a table")
    return "table " + ", ".join(table.quoted for table in reader.separated(reader.expect_table))


def _a_name_follows(reader: Reader) -> bool:
    """Else the word is itself the name: none of these is reserved."""
    token = reader.peek()
    return token.kind is Kind.QUOTED or (token.kind is Kind.WORD and token.value not in RESERVED)


def _check(privileges: list[str], allowed: tuple[str, ...], what: str) -> None:
    for privilege in privileges:
        if privilege != "all" and privilege not in allowed:
            raise RedshiftError("0LP01", f"invalid privilege type {privilege.upper()} for {what}")


def _receiver(reader: Reader, *, with_option: bool) -> tuple[str, bool]:
    """(for the backend, whether WITH GRANT OPTION was said)."""
    if reader.is_word("role") and _a_name_follows(reader) and reader.peek().value not in ("cascade", "restrict"):
        raise not_yet("privileges of a ROLE")
    if reader.accept("group"):
        name = quote(reader.expect_name())
        if reader.is_word("with"):
            raise refused("grant options cannot be granted to a group")
        return name, False
    token = reader.token
    name = reader.expect_name()
    rendered = "public" if token.kind is Kind.WORD and name == "public" else quote(name)
    return rendered, with_option and reader.accept("with", "grant", "option")
