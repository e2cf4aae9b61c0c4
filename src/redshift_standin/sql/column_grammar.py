"""A column's definition and a table's constraints, as CREATE TABLE and ALTER TABLE ADD write them.

Source: AWS Database Developer Guide, "CREATE TABLE" (r_CREATE_TABLE_NEW) and "Compression encodings".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from redshift_standin.errors import RedshiftError, not_yet, refused, unknown
from redshift_standin.names import TableName
from redshift_standin.sql.ddl import ColumnDef, TableConstraint
from redshift_standin.sql.expressions import read_constant
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.typenames import read_type
from redshift_standin.types import RsType

BIGINT_MAX: Final = 2**63 - 1
Fields = dict[str, Any]

_INTEGERS = frozenset(("smallint", "integer", "bigint"))
_EXACT = _INTEGERS | {"numeric"}
_FLOATS = frozenset(("real", "double precision"))
_TEXTS = frozenset(("character", "character varying"))
_DATES = frozenset(("date", "timestamp without time zone"))
_MOMENTS = _DATES | {"timestamp with time zone"}
_CLASSIC = _EXACT | _FLOATS | _TEXTS | _MOMENTS | {"boolean"}
_ANY = _CLASSIC | {"super", "varbyte", "time without time zone", "time with time zone"}
# Encoding -> the types that its page names. Of the newer types (TIME, SUPER, …) the pages do not say enough.
ENCODINGS: Final[dict[str, frozenset[str]]] = {
    "raw": _ANY,
    "auto": _ANY,
    "az64": _EXACT | _MOMENTS,
    "bytedict": _EXACT | _FLOATS | _TEXTS | _MOMENTS,
    "delta": _EXACT | _DATES,
    "delta32k": frozenset(("integer", "bigint", "numeric")) | _DATES,
    "lzo": _EXACT | _TEXTS | _MOMENTS | {"super", "varbyte"},
    "mostly8": _EXACT,
    "mostly16": frozenset(("integer", "bigint", "numeric")),
    "mostly32": frozenset(("bigint", "numeric")),
    "runlength": _CLASSIC,
    "text255": frozenset(("character varying",)),
    "text32k": frozenset(("character varying",)),
    "zstd": _CLASSIC | {"super"},
}


def read_column(reader: Reader, table: TableName) -> ColumnDef:
    """name type [attributes and constraints in any order, each once]."""
    name = reader.expect_new_column()
    of = read_type(reader, column=f"{table.name}.{name}")
    fields: Fields = {}
    while reader.is_word(*_ATTRIBUTES):
        word = reader.token.value
        new = _ATTRIBUTES[word](reader)
        if fields.keys() & new.keys():
            raise RedshiftError("42601", f'multiple or conflicting {word.upper()} specified for column "{name}"')
        fields |= new
    column = ColumnDef(name=name, type=of, **fields)
    _check(column, said_null=fields.get("not_null") is False)
    return column if column.identity is None else ColumnDef(name=name, type=of, **(fields | {"not_null": True}))


def read_encoding(reader: Reader) -> str:
    """The name of a compression encoding."""
    at = reader.token
    word = reader.accept_any(*ENCODINGS)
    if not word:
        raise RedshiftError("42601", f'invalid encoding type specified: "{at.text}"', position=at.start + 1)
    return word


def check_encoding(encode: str, of: RsType) -> None:
    """Raises RedshiftError 0A000 for a type that the encoding's page does not name."""
    if of.name not in ENCODINGS[encode]:
        if of.name in _CLASSIC:
            raise refused(f"encoding {encode} is not supported for type {of}")
        raise unknown(f"encoding {encode} of a column of type {of.name}")


def read_constraint(reader: Reader) -> TableConstraint | None:
    """[CONSTRAINT name] PRIMARY KEY | UNIQUE | FOREIGN KEY (…); None if there is none here."""
    name = reader.expect_name() if (named := reader.accept("constraint")) else ""
    after = reader.peek().text.lower()
    if (reader.is_word("check") and after == "(") or (reader.is_word("exclude") and after in ("using", "(")):
        raise refused(f"{reader.token.value.upper()} constraints are not supported")
    if reader.accept("primary", "key"):
        return _trailed(reader, TableConstraint(kind="primary key", columns=reader.expect_columns(), name=name))
    if reader.accept("unique"):
        return _trailed(reader, TableConstraint(kind="unique", columns=reader.expect_columns(), name=name))
    if reader.accept("foreign", "key"):
        return _foreign_key(reader, name)
    if named:
        reader.fail()
    return None


def _foreign_key(reader: Reader, name: str) -> TableConstraint:
    columns = reader.expect_columns()
    reader.expect("references")
    table = reader.expect_table()
    referenced = reader.expect_columns() if reader.is_operator("(") else ()
    if referenced and len(referenced) != len(columns):
        raise RedshiftError("42830", "number of referencing and referenced columns for foreign key disagree")
    found = TableConstraint(
        kind="foreign key", columns=columns, references=table, referenced_columns=referenced, name=name
    )
    return _trailed(reader, found)


def _trailed(reader: Reader, constraint: TableConstraint) -> TableConstraint:
    """What Postgres lets follow a constraint is refused by name: keys are informational here."""
    for words in (
        ("on", "delete"),
        ("on", "update"),
        ("match",),
        ("deferrable",),
        ("initially",),
        ("not", "deferrable"),
    ):
        if reader.are_words(*words):
            raise refused(f"{' '.join(words).upper()} of a constraint is not supported")
    return constraint


# ---------------------------------------------------------------- attributes


def _default(reader: Reader) -> Fields:
    reader.expect("default")
    return {"default": read_constant(reader)}


def _not_null(reader: Reader) -> Fields:
    reader.expect("not")
    if reader.is_word("deferrable"):
        raise refused("DEFERRABLE of a constraint is not supported")
    reader.expect("null")
    return {"not_null": True}


def _null(reader: Reader) -> Fields:
    reader.expect("null")
    return {"not_null": False}


def _identity(reader: Reader) -> Fields:
    reader.expect("identity")
    return {"identity": _seed_and_step(reader)}


def _generated(reader: Reader) -> Fields:
    reader.expect("generated")
    if reader.is_word("always"):
        raise refused("GENERATED ALWAYS is not supported")
    reader.expect("by", "default", "as", "identity")
    return {"identity": _seed_and_step(reader), "identity_by_default": True}


def _seed_and_step(reader: Reader) -> tuple[int, int]:
    reader.expect_operator("(")
    seed = _signed(reader)
    reader.expect_operator(",")
    step = _signed(reader)
    reader.expect_operator(")")
    if step == 0:
        raise unknown("an IDENTITY whose step is 0")
    return seed, step


def _signed(reader: Reader) -> int:
    sign = -1 if reader.accept_operator("-") else 1
    number = reader.expect_integer()
    if number > BIGINT_MAX:
        raise RedshiftError("22003", "integer out of range")
    return sign * number


def _encode(reader: Reader) -> Fields:
    reader.expect("encode")
    return {"encode": read_encoding(reader)}


def _flag(word: str, field: str) -> Callable[[Reader], Fields]:
    def read(reader: Reader) -> Fields:
        reader.expect(*word.split())
        return {field: True}

    return read


def _references(reader: Reader) -> Fields:
    reader.expect("references")
    table = reader.expect_table()
    columns = reader.expect_columns() if reader.is_operator("(") else ()
    if len(columns) > 1:
        raise RedshiftError("42830", "number of referencing and referenced columns for foreign key disagree")
    _trailed(reader, TableConstraint(kind="foreign key", columns=(), references=table))
    return {"references": table, "referenced_columns": columns}


def _collate(_reader: Reader) -> Fields:
    raise not_yet("COLLATE")


def _refuse(reader: Reader) -> Fields:
    raise refused(f"{reader.token.value.upper()} in a column's definition is not supported")


_ATTRIBUTES: Final[dict[str, Callable[[Reader], Fields]]] = {
    "default": _default,
    "not": _not_null,
    "null": _null,
    "identity": _identity,
    "generated": _generated,
    "encode": _encode,
    "distkey": _flag("distkey", "distkey"),
    "sortkey": _flag("sortkey", "sortkey"),
    "primary": _flag("primary key", "primary_key"),
    "unique": _flag("unique", "unique"),
    "references": _references,
    "collate": _collate,
    "check": _refuse,
    "storage": _refuse,
    "compression": _refuse,
    "deferrable": _refuse,
    "initially": _refuse,
}


def _check(column: ColumnDef, *, said_null: bool) -> None:
    """What a column's parts mean to one another."""
    if column.identity is not None:
        if column.type.name not in ("integer", "bigint"):
            raise refused(f'identity column "{column.name}" must be of type integer or bigint')
        if column.default is not None:
            raise RedshiftError("42601", f'both default and identity specified for column "{column.name}"')
    if column.primary_key and column.unique:
        raise unknown("UNIQUE beside PRIMARY KEY")
    if said_null and (column.identity is not None or column.primary_key):
        raise RedshiftError("42601", f'conflicting NULL/NOT NULL declarations for column "{column.name}"')
    if column.encode:
        check_encoding(column.encode, column.type)
