"""The columns of a table as Redshift would describe them, and what the backend gets for them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from redshift_standin.copy.load import TargetColumn
from redshift_standin.errors import not_yet
from redshift_standin.names import backend_name, full_name, literal, quote
from redshift_standin.session.context import Context, Relation
from redshift_standin.sql.ddl import ColumnDef
from redshift_standin.types import ALIASES, RsType, checked

_OIDS: Final = {
    16: "boolean", 20: "bigint", 21: "smallint", 23: "integer", 700: "real", 701: "double precision", 1082: "date",
    1083: "time without time zone", 1114: "timestamp without time zone", 1184: "timestamp with time zone",
    1266: "time with time zone", 3802: "super",
}  # fmt: skip
_PRINTED = re.compile(r"([a-z ]+)(?:\((\d+)(?:,(\d+))?\))?(.*)")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is there. `identity`: "" | "a" (always) | "d" (by default)."""

    number: int
    name: str
    type: RsType
    not_null: bool
    default: str | None
    identity: str
    encode: str

    @property
    def target(self) -> TargetColumn:
        return TargetColumn(
            name=self.name,
            type=self.type,
            not_null=self.not_null,
            default=self.default,
            identity=self.identity == "a",
            identity_by_default=self.identity == "d",
        )


def columns_of(context: Context, table: Relation) -> list[Column]:
    """All columns, in order. Takes the snapshot if the backend's transaction has begun."""
    rows = context.backend.fetch(
        "select attnum, attname, type, attnotnull, column_default, attidentity, encode from redshift_standin.user_column"
        " where oid = $1 order by attnum",
        str(table.oid),
    )
    return [
        Column(
            number=int(number or 0),
            name=full_name(name or ""),
            type=printed_type(kind or ""),
            not_null=not_null == "t",
            default=default,
            identity=identity or "",
            encode=encode or "",
        )
        for number, name, kind, not_null, default, identity, encode in rows
    ]


def printed_type(text: str) -> RsType:
    """A type as str(RsType) and format_type print it."""
    match = _PRINTED.fullmatch(text)
    if match is None:
        raise not_yet(f"a column of type {text}")
    name = (match[1].strip() + " " + match[4].strip()).strip()
    name = {"binary varying": "varbyte", "text": "character varying"}.get(name, name)
    numbers = tuple(int(each) for each in (match[2], match[3]) if each is not None)
    if name not in ALIASES.values():
        raise not_yet(f"a column of type {text}")
    return checked(name, numbers)


def result_type(oid: int, modifier: int) -> RsType:
    """The type that CREATE TABLE AS gives a column of a query. Raises 0A000 for a result without a length of its own."""
    if oid in _OIDS:
        return RsType(_OIDS[oid])
    if oid in (1043, 25, 19, 705):
        return checked("character varying", (modifier - 4,) if oid == 1043 and modifier >= 5 else (65_535,))
    if oid == 1042:
        return checked("character", (modifier - 4,)) if modifier >= 5 else checked("character varying", (65_535,))
    if oid == 1700 and modifier >= 4:
        return checked("numeric", ((modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF))
    if oid == 17:
        return checked("varbyte", ())
    raise not_yet(
        "a column whose type follows from an expression (cast it)" if oid == 1700 else f"a column of type oid {oid}"
    )


def definition(column: ColumnDef) -> str:
    """The backend's column definition with the checks that make Postgres's type as narrow as Redshift's."""
    parts = [quote(column.name), column.type.postgres]
    if column.identity is not None:
        seed, step = column.identity
        kind = "by default" if column.identity_by_default else "always"
        parts.append(
            f"generated {kind} as identity (start with {seed} increment by {step} {_bounds(column.type, step)})"
        )
    if column.default is not None:
        parts.append(f"default {column.default}")
    if column.not_null:
        parts.append("not null")
    return " ".join(
        [*parts, *(f"constraint {quote(name)} check ({check})" for name, check in checks(column.name, column.type))]
    )


def _bounds(kind: RsType, step: int) -> str:
    """Identities may start below one."""
    low, high = (-(2**31), 2**31 - 1) if kind.name == "integer" else (-(2**63), 2**63 - 1)
    return f"minvalue {low} maxvalue {high}" if step else ""


def checks(name: str, kind: RsType) -> list[tuple[str, str]]:
    """Names and conditions; a name says what a violation means (see backend.relabelled) and ends in random digits."""
    column, tail = quote(name), secrets.token_hex(4)
    finite = f"{column} not in ('NaN'::numeric, 'Infinity', '-Infinity')"
    match kind.name:
        case "character varying":
            return [(f"rs_len_{kind.length}_{tail}", f"octet_length({column}) <= {kind.length}")]
        case "character":
            return [(f"rs_ascii_{tail}", f"octet_length({column}::text) = char_length({column}::text)")]
        case "varbyte":
            return [(f"rs_bytes_{kind.length}_{tail}", f"octet_length({column}) <= {kind.length}")]
        case "numeric" if kind.precision <= 19:
            most = f"{2**63 - 1}::numeric / 10::numeric ^ {kind.scale}"
            return [(f"rs_num_{tail}", f"abs({column}) <= {most}"), (f"rs_nan_{tail}", finite)]
        case "numeric":
            return [(f"rs_nan_{tail}", finite)]
        case "date" | "timestamp without time zone" | "timestamp with time zone":
            # BC and years beyond four digits are Redshift's as well, yet nobody here knows how it reads them.
            return [(f"rs_finite_{tail}", f"{column} >= '0001-01-01' and {column} < '10000-01-01'")]
        case _:
            return []


def record_columns(context: Context, table: int, columns: Iterable[tuple[str, RsType, str]]) -> None:
    """Note declared types and encodings beside the backend's columns."""
    values = ", ".join(
        f"({literal(backend_name(name))}, {literal(str(kind))}, {literal(encode)})" for name, kind, encode in columns
    )
    context.run_as_superuser(
        "insert into redshift_standin.column_info (oid, attnum, type, encode) select attrelid, attnum, given.type, given.encode"
        f" from (values {values}) as given (name, type, encode) join pg_catalog.pg_attribute on attrelid = {table}"
        " and attname = given.name::pg_catalog.name and not attisdropped and attnum > 0"
        " on conflict (oid, attnum) do update set type = excluded.type, encode = excluded.encode"
    )
