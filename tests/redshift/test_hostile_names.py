"""Names of tables and columns may be anything that Postgres allows; every statement runs with them for real.

Every name is that of a table with a key; by day every third one, every ninth also of one without; at night each, of both.
"""

import dataclasses

import psycopg

from fix_redshift import Benches
from nightly import NIGHTLY
from re_dms.manifest import TableChanges, Truncate
from re_dms.schema import KeyKind, Relation
from re_dms.warehouse.redshift.names import column_names, fitting, folded, quote
from warehouse.building import INT4, RedshiftBench, Row, column, relation, table

NAMES = [
    *("select", "from", "table", "order", "tag", "user", "timestamp", "snapshot", "percent", "null", "true", "column"),
    *("staged", "staged_rows", "leaving", "op", "mask", "c1", "f1", "oid", "ctid", "re_dms_old", "temp", "#tmp", "##"),
    *("a b", " ", "  lead", "trail ", "a.b", "a,b", "a;b", "a--b", "a/*b", "*", "(", ")", "[x]", "{x}", "%s", "%", "?"),
    *('"', '""', 'a"b', "'", "a'b", "\\", "a\\", "\\'", "`", "$$", "$1", "@", "#", "\n", "a\r\nb", "\t", "\x01"),
    *("\u00a0", "\u200b", "é", "É", "ß", "İ", "日本語", "😀", "\u202e", "e\u0301", "0", "1a", "-", "A", "Where"),
    *("x" * 63, "é" * 31, "ẞ" * 21, "drop table public.orders; --", '"; drop table x; --', "x'); drop table x; --"),
]
if not NIGHTLY:
    NAMES = NAMES[::3]
APPENDED = set(NAMES if NIGHTLY else NAMES[::3])


def shaped(name: str, kind: KeyKind, oid: int) -> Relation:
    """A table, its schema and its columns by this name."""
    columns = (column(1, name, INT4), column(2, f"{name[:50]}2"), column(3, "other"))
    return relation(*columns, kind=kind, oid=oid, schema=name, name=f"{name[:40]}{kind.value[:1]}")


def copies(bench: RedshiftBench, name: str, oid: int) -> list[TableChanges]:
    keyed, append = shaped(name, KeyKind.KEYED, oid), shaped(name, KeyKind.APPEND, oid + 1)
    copied = [table(keyed, bench.journal.copy(keyed, ["1", "a", "x"], ["2", "b", "y"]))]
    return copied + ([table(append, bench.journal.copy(append))] if name in APPENDED else [])


def changes(bench: RedshiftBench, name: str, oid: int) -> list[TableChanges]:
    """Every step and every statement that the merge knows."""
    keyed, append = shaped(name, KeyKind.KEYED, oid), shaped(name, KeyKind.APPEND, oid + 1)
    wider = dataclasses.replace(keyed, columns=(*keyed.columns[:2], column(4, f"{name[:50]}4", missing="it's \\")))
    rows: list[Row] = [{"op": "P", "mask": "2,4", "f1": "1", "c1": "5"}, {"op": "D", "c1": "1"}, {"op": "U", "c1": "6"}]
    changed = [table(wider, bench.journal.changes(wider, *rows))]
    if name in APPENDED:
        inserts = bench.journal.changes(append, {"op": "I", "c1": "3"})
        changed.append(table(append, inserts, Truncate(relation=0)))
    return changed


def test_every_statement_runs_with_hostile_names(redshift_benches: Benches) -> None:
    bench = redshift_benches()
    oids = {name: 1000 + 10 * i for i, name in enumerate(NAMES)}
    bench.load(*(part for name, oid in oids.items() for part in copies(bench, name, oid)))
    bench.load(*(part for name, oid in oids.items() for part in changes(bench, name, oid)))
    targets = {status.oid: status for status in bench.warehouse.status("journal-1").tables}
    with psycopg.connect(bench.server.dsn, autocommit=True, prepare_threshold=None) as connection:
        for name, oid in oids.items():
            names = column_names([(1, name), (2, f"{name[:50]}2"), (4, f"{name[:50]}4")], {})
            listed = ", ".join(map(quote, names.values()))
            target = f"{quote(targets[oid].schema)}.{quote(targets[oid].name)}"
            rows = connection.execute(f"select {listed} from {target} order by 1".encode()).fetchall()
            assert rows == [(2, "b", "it's \\"), (5, "a", "it's \\"), (6, None, None)], name
    assert len(bench.warehouse.reset_all("shop")) == len(NAMES) + len(APPENDED)
    bench.warehouse.forget("journal-1")


def test_names_are_folded_cut_at_a_characters_end_and_numbered() -> None:
    assert folded("Ärger ÉTÉ") == "ärger été"
    assert folded("é" * 100) == "é" * 63
    assert fitting("Id", {"id", "id_2"}) == "id_3"
    assert fitting("x" * 200, {"x" * 127}) == "x" * 125 + "_2"
    assert fitting("#tmp", set()) == "_#tmp"
    assert column_names([(1, "Id"), (2, "id"), (3, "ctid")], {2: "id"}) == {1: "id_2", 2: "id", 3: "ctid_2"}
