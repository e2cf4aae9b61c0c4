"""A table with values of every type in Postgres, as the comparison's tests need it on both sides."""

from __future__ import annotations

import polars as pl
import psycopg

from fix_postgres import Database
from re_dms.demo.canonical import quote
from re_dms.pgtypes import KIND_BY_OID, Kind, PgType
from re_dms.schema import Column, KeyKind, Relation

# Per type: literals that are all different values.
LITERALS: dict[str, tuple[str, ...]] = {
    "boolean": ("true", "false"),
    "smallint": ("0", "1", "-32768"),
    "integer": ("0", "2147483647", "-1"),
    "bigint": ("0", "9223372036854775807", "-9223372036854775808"),
    "real": ("0", "'-0'", "1.1", "1e20", "'NaN'", "'-Infinity'", "1e-45"),
    "double precision": ("0", "'-0'", "0.1", "0.30000000000000004", "1e300", "'NaN'", "'Infinity'", "5e-324"),
    "numeric(12,2)": ("0", "0.01", "-0.5", "1234567890.12"),
    "numeric(38,0)": ("0", "1", "-99999999999999999999999999999999999999"),
    "numeric": ("0", "0.0", "1e40", "'NaN'", "'Infinity'"),
    "text": ("''", "' '", "'NULL'", "'~'", "'a'", "'a '", "'é'", "e'line\\nline'", "e'line\\rline'", "'\\N'", "'\"'"),
    "varchar(20)": ("''", "'a'", "'a '"),
    "char(5)": ("''", "'a'", "'ab'"),
    "bytea": ("''", "'\\x00'", "'\\xff'", "'\\x5c78'"),
    "date": ("'1970-01-01'", "'0001-01-01 BC'", "'infinity'", "'-infinity'", "'9999-12-31'"),
    "time": ("'00:00'", "'24:00'", "'12:34:56.000001'"),
    "timestamp": ("'1970-01-01'", "'1970-01-01 00:00:00.000001'", "'0044-03-15 BC'", "'infinity'"),
    "timestamptz": ("'2024-03-31 02:30:00+02'", "'2024-03-31 02:30:00+01'", "'0044-03-15 12:00 BC'", "'-infinity'"),
    "interval": ("'1 mon'", "'30 days'", "'720:00:00'"),
    "uuid": ("'00000000-0000-0000-0000-000000000000'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    "inet": ("'10.0.0.1'", "'10.0.0.1/8'"),
    "json": ("'{\"a\":1}'", "'{\"a\": 1}'", "'null'"),
    "jsonb": ("'{\"a\":1}'", "'{\"a\":1.0}'", "'null'", "'[]'", "'\"\\u00e9\"'"),
    "text[]": (
        "'{}'",
        "'{NULL}'",
        "'{\"NULL\"}'",
        "'{\"\"}'",
        "array[e'\\n']",
        "array['\\n']",
        "array['\\\\n']",
        "array[e'\\b\\f\\r\\t\\x0b\\x1f\\x7f']",
        "array['a,b']",
        "array['a','b']",
        "array[['a'],['b']]",
        "array['\"x\"', '{é}']",
    ),
    "integer[]": ("'{}'", "'{1,NULL}'", "'{{1,2},{3,4}}'", "'{1,2,3,4}'"),
    "numeric[]": ("'{1.0}'", "'{1.00}'", "'{NaN}'"),
    "double precision[]": ("'{0.1}'", "'{-Infinity}'", "'{1e20}'"),
    "boolean[]": ("'{t}'", "'{f}'", "'{t,NULL}'"),
    "bytea[]": ("array['\\x00'::bytea]", "array['\\xff'::bytea]"),
    "timestamptz[]": ("array['2024-01-01 00:00:00+00'::timestamptz]", "array['2024-01-01 00:00:01+00'::timestamptz]"),
    "uuid[]": ("array['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid]",),
}


class Source:
    """A table `t` in Postgres."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def create(self, columns: dict[str, str], rows: list[str]) -> None:
        """`columns`: name to type. `rows`: VALUES lists."""
        definition = ", ".join(f"{quote(name)} {type_}" for name, type_ in columns.items())
        self.database.execute(f"create table t ({definition})")
        for row in rows:
            self.database.execute(f"insert into t values ({row})")

    def relation(self) -> Relation:
        rows = self.database.fetch(
            "select attnum, attname, atttypid, atttypmod, format_type(atttypid, atttypmod), typelem from pg_attribute"
            " join pg_type on pg_type.oid = atttypid where attrelid = 't'::regclass and attnum > 0 order by attnum"
        )
        columns = tuple(
            Column(
                attnum=attnum,
                name=name,
                type=PgType(
                    oid=oid,
                    typmod=typmod,
                    name=type_,
                    kind=Kind.ARRAY if type_.endswith("[]") else KIND_BY_OID.get(oid, Kind.OTHER),
                    element=KIND_BY_OID.get(element, Kind.OTHER) if type_.endswith("[]") else None,
                ),
            )
            for attnum, name, oid, typmod, type_, element in rows
        )
        return Relation(
            oid=1, schema="public", name="t", identity="d", key_kind=KeyKind.APPEND, key=(), columns=columns
        )

    def texts(self, relation: Relation) -> pl.DataFrame:
        """The values as Postgres prints them on the wire."""
        options = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c bytea_output=hex"
        with psycopg.connect(self.database.dsn, options=options) as connection:
            cursor = connection.execute("select * from t")
            result = cursor.pgresult
            assert result is not None
            cells: list[list[str | None]] = []
            for row in range(result.ntuples):
                found = [result.get_value(row, column) for column in range(result.nfields)]
                cells.append([None if cell is None else bytes(cell).decode() for cell in found])
        schema = {f"c{column.attnum}": pl.String for column in relation.columns}
        return pl.DataFrame(cells, schema=schema, orient="row")
