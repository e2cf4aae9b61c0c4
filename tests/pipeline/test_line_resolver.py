"""Whose rows lines are: by the catalog of now, by the names of then, and by name where nobody can tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fix_postgres import Database
from re_dms.decode.decoded import Commits, Decoded, TableEvents
from re_dms.decode.lines import LineColumn, LineTable
from re_dms.errors import RelationChanged
from re_dms.lsn import LSN
from re_dms.manifest import TableState, Watched
from re_dms.pipeline.line_resolver import LineCatalog, LineResolver
from re_dms.pipeline.relations import Relations, TablesChanged, is_of_unknown_version, of_unknown_version
from re_dms.schema import Relation
from re_dms.settings import SourceSettings
from re_dms.source.candidates import SourceTable, SourceTables
from re_dms.source.catalog import CatalogTable, describe
from re_dms.source.connection import connect
from re_dms.source.relations import relation_from_catalog

NOTHING: dict[int, CatalogTable] = {}
COPIED = LSN(0x500)


def table(oid: int, name: str, parent: int | None = None, kind: str = "r") -> SourceTable:
    return SourceTable(oid=oid, schema="public", name=name, kind=kind, persistence="p", parent=parent)


def state(oid: int, name: str, leaves: dict[int, str] | None = None) -> TableState:
    relation = Relation(oid=oid, schema="public", name=name, identity="d", key_kind="keyed", key=(1,), columns=())  # type: ignore[arg-type]
    names = {leaf: ("public", text) for leaf, text in (leaves or {}).items()}
    return TableState(
        relation=relation,
        copied_at=COPIED,
        watched=Watched(name=f"public.{name}", identity="d", filenode=1, leaf_names=names),
    )


def resolver(carried: Iterable[TableState], now: Iterable[SourceTable], wanted: Sequence[int] = ()) -> LineResolver:
    source = SourceSettings(dsn="", slot="s", publication="", plugin="test_decoding")
    relations = Relations(None, source, "p", {each.relation.oid: each for each in carried})  # type: ignore[arg-type]
    tables = SourceTables(now)
    return LineResolver(
        relations, LineCatalog(tables=lambda: tables, describe=lambda _: NOTHING, wanted=lambda: set(wanted))
    )


def located(of: LineResolver, *names: str) -> list[int | None]:
    return of.locate([("public", name) for name in names])


PARTED = state(1, "parted", {2: "p1", 3: "p2"})


def test_partitions_fill_the_carried_table_above_them() -> None:
    now = [
        table(1, "parted", kind="p"),
        table(2, "p1", 1),
        table(4, "between", 1, "p"),
        table(5, "deep", 4),
        table(9, "x"),
    ]
    assert located(resolver([PARTED], now), "parted", "p1", "deep", "x") == [1, 1, 1, None]


def test_names_of_then_are_followed() -> None:
    renamed = [table(1, "parted_now", kind="p"), table(2, "p_one", 1), table(3, "p2", 1)]
    assert located(resolver([PARTED], renamed), "parted", "p1", "p_one", "p2") == [1, 1, 1, 1]


def test_two_tables_that_swapped_names_keep_their_lines_until_the_watcher_sees_it() -> None:
    swapped = [table(7, "b"), table(8, "a")]
    assert located(resolver([state(7, "a"), state(8, "b")], swapped), "a", "b") == [7, 8]


def test_lines_of_a_partition_that_is_gone_and_of_tables_nobody_knows_are_passed_over() -> None:
    of = resolver([PARTED], [table(1, "parted", kind="p"), table(3, "p2", 1)])
    assert located(of, "p1", "never_seen") == [None, None]
    assert of.relations.passed_over == {("public", "p1"), ("public", "never_seen")}


def test_a_partitions_name_that_another_table_has_now_cannot_be_told() -> None:
    now = [table(1, "parted", kind="p"), table(2, "p1_old", 1), table(6, "p1")]
    with pytest.raises(RelationChanged, match=r"was a partition of public\.parted") as caught:
        located(resolver([PARTED], now), "p1")
    assert "reset --table public.parted" in caught.value.remedy


def test_a_partition_that_was_made_anew_is_the_same_tables() -> None:
    now = [table(1, "parted", kind="p"), table(2, "p1_old"), table(6, "p1", 1)]
    assert located(resolver([PARTED], now), "p1") == [1]


def test_a_table_that_is_to_be_carried_too_starts_the_plan_again() -> None:
    now = [table(1, "parted", kind="p"), table(6, "root", kind="p"), table(7, "leaf", 6)]
    with pytest.raises(TablesChanged, match=r"public\.leaf"):
        located(resolver([PARTED], now, (1, 6)), "leaf")


def commits(count: int) -> Commits:
    return Commits(
        end_lsn=np.arange(count, dtype=np.uint64), xid=np.arange(count, dtype=np.uint32), time_us=np.arange(count)
    )


@pytest.fixture
def known(database: Database) -> Any:
    """A resolver over a real catalog: a table that was copied, and has lost a column since."""
    database.execute("create table t (id int primary key, a text, gone int); alter table t drop column gone")
    source = SourceSettings(dsn=database.dsn, slot="s", publication="", plugin="test_decoding")
    with connect(source, purpose="test") as session:
        [(oid,)] = session.execute("select 'public.t'::regclass::oid::int8").fetchall()
        relation = relation_from_catalog(describe(session, [oid])[oid])
        relations = Relations(session, source, "p", {oid: TableState(relation=relation, copied_at=COPIED)})
        tables = SourceTables([replace(table(oid, "t"))])
        catalog = LineCatalog(tables=lambda: tables, describe=lambda oids: describe(session, oids), wanted=set)
        yield LineResolver(relations, catalog), oid


def line(lsn: int, *columns: tuple[str, str], whole: bool = True) -> LineTable:
    listed = tuple(LineColumn(name=name, type=type_, header=f" {name}[{type_}]:".encode()) for name, type_ in columns)
    return LineTable(schema="public", name="t", columns=listed, whole=whole, lsn=LSN(lsn))


def test_rows_of_a_version_that_nobody_knows_are_a_divergence_unless_they_are_in_the_copy(known: Any) -> None:
    of, oid = known
    assert located(of, "t") == [oid]
    before = line(0x400, ("id", "integer"), ("a", "text"), ("gone", "integer"))
    [now, old] = of.resolve([line(0x600, ("id", "integer"), ("a", "text")), before])
    copied = of.relations.tables[oid].relation
    assert now.relation == copied
    assert is_of_unknown_version(old.relation)
    assert [column.attnum for column in old.columns] == [None, None, None]

    lost = TableEvents(relation=old.relation, frame=None, truncate=True, tentative=True)
    kept = TableEvents(relation=now.relation, frame=None, truncate=True, tentative=True)
    decoded = Decoded(tables=((oid, (lost, lost, kept)),), commits=commits(0), messages=1)
    [(_, (told, after))] = of.relations.follow(decoded).tables
    assert (told.relation, told.truncate, told.tentative) == (copied, False, True)
    assert "changed again before it was read" in (told.diverged or "")
    assert after == kept
    assert of.relations.tables[oid].relation == copied

    of.relations.tables[oid] = of.relations.tables[oid].model_copy(update={"copied_at": None})
    with pytest.raises(RelationChanged, match="column 'gone'"):
        of.resolve([before])


def test_a_version_is_known_once_its_rows_are_kept_and_forgotten_when_they_are_retracted(known: Any) -> None:
    of, oid = known
    copied = of.relations.tables[oid].relation
    narrower = replace(copied, columns=copied.columns[:1])
    events = (TableEvents(relation=narrower, frame=None, truncate=True, tentative=True),)
    decoded = Decoded(tables=((oid, events),), commits=commits(0), messages=1)
    of.relations.follow(decoded)
    assert of.relations.tables[oid].relation == narrower
    assert of.relations.changed
    of.relations.follow(Decoded(tables=(), commits=commits(1), messages=1, retracted=frozenset({oid})))
    assert of.relations.tables[oid].relation == copied


def test_a_table_that_was_dropped_is_looked_at_again(known: Any, database: Database) -> None:
    of, _ = known
    located(of, "t")
    database.execute("drop table t")
    with pytest.raises(TablesChanged, match=r"public\.t was dropped"):
        of.resolve([line(0x600, ("id", "integer"), whole=False)])


def test_a_real_table_is_never_taken_for_an_unknown_version_of_it() -> None:
    relation = state(1, "t").relation
    assert not is_of_unknown_version(relation)
    assert is_of_unknown_version(of_unknown_version(relation))
