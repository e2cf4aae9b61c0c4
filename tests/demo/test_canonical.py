"""Postgres's canonical text of hstores and composites is, character by character, the JSON that the journal writes."""

from __future__ import annotations

import json
from dataclasses import replace

from fix_postgres import Database
from re_dms.demo.canonical import quote, source_value, target_value
from re_dms.journal.dialect import encode_missing
from re_dms.pgtypes import Kind
from re_dms.schema import Relation
from re_dms.source.catalog import describe
from re_dms.source.connection import connect
from re_dms.source.relations import relation_from_catalog
from source.given import settings_for

HOSTILE = [
    "",
    " ",
    "NULL",
    "null",
    '"',
    "\\",
    "\\n",
    "\n\t\x08\x0c\r\x01\x7f",
    "=>",
    '"=>"',
    "(,)",
    "é😀",
    "{}",
    "{0}",
    "a'b",
]
SETUP = """
create extension hstore;
create type inner_ as (x int, y text);
create domain amount as numeric;
create type pair as (n amount, "t {0} 't" text, b bool, f real, a text[], r inner_, h hstore, w timestamptz);
create type empty as ();
create table t (h hstore, p pair, e empty)
"""


def test_hstores_and_composites_are_compared_as_the_journal_writes_them(database: Database) -> None:
    database.execute(SETUP)
    with database.connect() as session:
        session.execute(
            "insert into t values (null, null, null), ('', row(null, null, null, null, null, null, null, null), row())"
        )
        for text in HOSTILE:
            session.execute(
                "insert into t values (hstore(array[%(t)s, 'k'], array[%(t)s, null]), row('NaN', %(t)s, true, '-Infinity',"
                " array[%(t)s, null], row(1, %(t)s), hstore('k', %(t)s), '2024-07-01 12:00+02'), row())",
                {"t": text},
            )
        session.execute("insert into t (p) values (row(1.50, 'x', false, 0.1, '{}', null, '', 'infinity'))")
    with connect(settings_for(database), purpose="test") as session:
        oid = session.execute("select 'public.t'::regclass::oid::int8").fetchall()[0][0]
        relation = relation_from_catalog(describe(session, [oid])[oid])
        kinds = [column.type.kind for column in relation.columns]
        assert kinds == [Kind.HSTORE, Kind.COMPOSITE, Kind.COMPOSITE]
        for column in relation.columns:
            name = quote(column.name)
            rows = session.execute(
                f"select case when {name} is distinct from null then concat({name}) end, {source_value(column)} from public.t".encode()
            ).fetchall()
            assert len(rows) == len(HOSTILE) + 3
            for stored, canonical in rows:
                assert canonical == in_the_journal(relation, column.attnum, stored)
                assert canonical is None or json.loads(canonical) is not None
            assert target_value(column) == f"cast({name} as varchar)"


def in_the_journal(relation: Relation, attnum: int, text: str | None) -> str | None:
    if text is None:
        return None
    column = replace(relation.column(attnum), missing=text)
    return encode_missing(replace(relation, columns=(column,))).columns[0].missing
