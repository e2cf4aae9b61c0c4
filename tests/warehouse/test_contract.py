"""The warehouse contract: what every warehouse promises about batches, watermark and fence."""

import dataclasses

import pytest

from re_dms.errors import (
    ChangesMissing,
    InvariantError,
    PipelineHeld,
    TargetNotOurs,
    ValueDoesNotFit,
    WarehouseError,
)
from re_dms.lsn import LSN
from re_dms.manifest import Truncate
from re_dms.schema import KeyKind
from warehouse.building import ORDERS, Bench, Journal, column, relation, table

COUNTED = dataclasses.replace(ORDERS, key_kind=KeyKind.COUNTED, key=(), identity="f")
APPEND = dataclasses.replace(ORDERS, key_kind=KeyKind.APPEND, key=(), identity="n")


def test_a_copy_then_changes_give_the_sources_rows(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "one", "10"], ["2", None, None], ["3", "", "30"])
    report = bench.changed(
        ORDERS,
        {"op": "U", "c1": "2", "c2": "two", "c3": "20"},
        {"op": "U", "c1": "4", "c2": "four"},
        {"op": "D", "c1": "1"},
    )
    assert bench.rows() == [(2, "two", 20), (3, "", 30), (4, "four", None)]
    assert (report.tables, report.rows, report.inserted, report.already_done) == (1, 3, 2, False)


def test_replaying_a_batch_changes_nothing(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "one", "10"])
    manifest = bench.journal.batch(2, table(ORDERS, bench.journal.changes(ORDERS, {"op": "U", "c1": "2"}), inserts=1))
    bench.load_manifest(manifest)
    once = bench.everything()
    assert bench.load_manifest(manifest).already_done
    assert bench.everything() == once
    bench.number = 2
    bench.changed(ORDERS, {"op": "D", "c1": "2"})
    assert bench.load_manifest(manifest).already_done
    assert bench.rows() == [(1, "one", 10)]


def test_the_watermark_tells_the_last_batch(bench: Bench) -> None:
    assert bench.warehouse.watermark("journal-1") is None
    bench.copied(ORDERS, ["1", "one", "10"])
    mark = bench.warehouse.watermark("journal-1")
    assert mark is not None
    assert (mark.pipeline, mark.batch, mark.lsn, mark.xid) == ("shop", 1, LSN(512), 701)
    assert mark.commit_time is not None
    assert mark.commit_time.isoformat() == "2023-11-14T22:13:20.123456+00:00"
    assert bench.query(f"select lsn from {bench.watermark} w") == [("0/200",)]
    assert bench.warehouse.pipelines() == (mark,)
    bench.load(last_commit=None)
    mark = bench.warehouse.watermark("journal-1")
    assert mark is not None
    assert (mark.batch, mark.xid, mark.commit_time) == (2, None, None)


def test_a_gap_is_refused(bench: Bench) -> None:
    bench.copied(ORDERS)
    with pytest.raises(ChangesMissing, match="batches 2 to 2 are missing"):
        bench.load_manifest(bench.journal.batch(3))
    mark = bench.warehouse.watermark("journal-1")
    assert mark is not None
    assert mark.batch == 1


def test_a_stale_epoch_is_refused(bench: Bench) -> None:
    bench.copied(ORDERS)
    stale = dataclasses.replace(bench)
    bench.owner = "owner-2"
    bench.claim()
    assert bench.epoch == stale.epoch + 1
    with pytest.raises(PipelineHeld, match="took over"):
        stale.load()
    bench.load()


def test_a_claim_refuses_another_journal_of_the_pipeline(bench: Bench) -> None:
    bench.copied(ORDERS)
    other = Journal(bench.journal.store, journal_id="journal-2")
    with pytest.raises(ChangesMissing, match="another journal") as caught:
        bench.warehouse.claim(other.root, True, "o")
    assert "re-dms reset" in caught.value.remedy


def test_a_claim_refuses_an_empty_journal_beside_a_watermark(bench: Bench) -> None:
    bench.copied(ORDERS)
    with pytest.raises(ChangesMissing, match="journal is empty"):
        bench.warehouse.claim(bench.journal.root, False, "o")


def test_two_pipelines_share_a_file_and_no_row(bench: Bench) -> None:
    other = bench.other("crm")
    other.claim()
    bench.copied(ORDERS, ["1", "one", "1"])
    people = dataclasses.replace(ORDERS, name="people")
    other.copied(people, ["9", "nine", "9"])
    with pytest.raises(TargetNotOurs, match=r"public\.orders is filled by another pipeline"):
        other.copied(ORDERS, ["2", "two", "2"])
    assert bench.rows() == [(1, "one", 1)]
    assert other.rows("public.people") == [(9, "nine", 9)]
    assert bench.warehouse.identity() == other.warehouse.identity()


def test_keyed_changes_of_every_kind(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"], ["2", "b", "2"], ["3", "c", "3"], ["4", "d", "4"])
    bench.changed(
        ORDERS,
        {"op": "P", "mask": "2", "f1": "1", "c1": "1", "c3": "11"},
        {"op": "P", "mask": "2,3", "f1": "2", "c1": "22"},
        {"op": "D", "c1": "2"},
        {"op": "U", "c1": "3", "c2": "", "c3": None},
        {"op": "D", "c1": "99"},
    )
    assert bench.rows() == [(1, "a", 11), (3, "", None), (4, "d", 4), (22, "b", 2)]


def test_keys_can_be_swapped_while_their_large_values_stay_unsent(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"], ["2", "b", "2"])
    bench.changed(
        ORDERS,
        {"op": "P", "mask": "2", "f1": "1", "c1": "2", "c3": "1"},
        {"op": "P", "mask": "2", "f1": "2", "c1": "1", "c3": "2"},
    )
    assert bench.rows() == [(1, "b", 2), (2, "a", 1)]


def test_composite_keys_match_on_all_their_columns(bench: Bench) -> None:
    pairs = relation(column(1, "a"), column(2, "b"), column(3, "c"), key=(2, 1), name="pairs")
    bench.copied(pairs, ["1", "x", "p"], ["1", "y", "q"], ["2", "x", "r"], ["1 ", "x", "s"])
    bench.changed(
        pairs,
        {"op": "P", "mask": "3", "f1": "1", "f2": "y", "c1": "9", "c2": "y"},
        {"op": "D", "c1": "1", "c2": "y"},
        {"op": "U", "c1": "1", "c2": "x", "c3": "new"},
    )
    assert bench.rows("public.pairs") == [("1", "x", "new"), ("1 ", "x", "s"), ("2", "x", "r"), ("9", "y", "q")]


def test_a_partial_row_without_its_target_row_stops_and_changes_nothing(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    before = bench.everything()
    with pytest.raises(WarehouseError, match=r"public\.orders: a partial row whose target row is missing") as caught:
        bench.changed(
            ORDERS,
            {"op": "P", "mask": "2", "f1": "1", "c1": "1", "c3": "5"},
            {"op": "P", "mask": "2", "f1": "8", "c1": "8", "c3": "5"},
        )
    assert "--table public.orders" in caught.value.remedy
    assert bench.everything() == before


def test_counted_inserts_add_as_many_copies_as_they_say(bench: Bench) -> None:
    bench.copied(COUNTED, ["1", None, "1"], ["1", None, "1"])
    bench.changed(COUNTED, {"op": "I", "n": "3", "c1": "5", "c2": "e"}, {"op": "I", "n": "1", "c1": "1", "c3": "1"})
    assert bench.rows() == [*[(1, None, 1)] * 3, *[(5, "e", None)] * 3]


def test_appended_rows_are_added_and_nothing_else(bench: Bench) -> None:
    bench.copied(APPEND, ["1", "a", "1"])
    bench.changed(APPEND, {"op": "I", "c1": "1", "c2": "a", "c3": "1"}, {"op": "I"})
    assert bench.rows() == [(1, "a", 1), (1, "a", 1), (None, None, None)]


def test_a_truncate_between_changes_empties_the_table_there(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    bench.load(
        table(
            ORDERS,
            bench.journal.changes(ORDERS, {"op": "U", "c1": "2"}),
            Truncate(relation=0),
            bench.journal.changes(ORDERS, {"op": "U", "c1": "3"}, {"op": "D", "c1": "1"}),
        )
    )
    assert bench.rows() == [(3, None, None)]


def test_tables_of_one_batch_become_visible_together_or_not_at_all(bench: Bench) -> None:
    other = dataclasses.replace(ORDERS, oid=101, name="other")
    bench.load(table(ORDERS, bench.journal.copy(ORDERS)), table(other, bench.journal.copy(other)))
    before = bench.everything()
    good = table(ORDERS, bench.journal.changes(ORDERS, {"op": "U", "c1": "1"}), inserts=1)
    bad = bench.journal.changes(other, {"op": "U", "c1": "2147483648"})
    with pytest.raises(ValueDoesNotFit):
        bench.load(good, table(other, bad))
    assert bench.everything() == before
    bench.load(good, table(other, bench.journal.changes(other, {"op": "U", "c1": "5"})))
    assert (bench.rows(), bench.rows("public.other")) == ([(1, None, None)], [(5, None, None)])


def test_a_file_with_other_rows_than_its_manifest_says_is_refused(bench: Bench) -> None:
    bench.copied(ORDERS)
    before = bench.everything()
    step = bench.journal.changes(ORDERS, {"op": "U", "c1": "1"}, {"op": "D", "c1": "2"})
    fewer = step.model_copy(update={"files": (step.files[0].model_copy(update={"rows": 3}),)})
    with pytest.raises(WarehouseError, match="2 instead of 3"):
        bench.load(table(ORDERS, fewer))
    with pytest.raises(InvariantError, match="ops"):
        bench.load(table(ORDERS, step.model_copy(update={"ops": {"U": 2}})))
    with pytest.raises(InvariantError, match="ops"):
        bench.changed(ORDERS, {"op": "I", "c1": "1"})
    file = step.files[0]
    bench.journal.replace(file, bench.journal.store.get(file.key)[:-9])
    with pytest.raises((WarehouseError, ChangesMissing)):
        bench.load(table(ORDERS, step))
    assert bench.everything() == before


def test_a_value_that_does_not_fit_is_named_by_table_column_key_and_lsn_but_not_told(bench: Bench) -> None:
    small = relation(column(1, "id"), column(2, "n", dataclasses.replace(ORDERS.columns[0].type)), name="small")
    bench.copied(small)
    with pytest.raises(ValueDoesNotFit) as caught:
        bench.changed(small, {"op": "U", "c1": "k" * 150, "c2": "7"}, {"op": "U", "c1": "a\nb", "c2": "99999999999"})
    message = caught.value.message
    assert "public.small: column 'n' (integer) of the row with key (id)=(a?b)" in message
    assert "batch 2, LSN 0/200 to 0/300" in message
    assert "99999999999" not in message
    with pytest.raises(ValueDoesNotFit) as caught:
        bench.load(table(small, bench.journal.copy(small, ["k" * 150, "99999999999"])))
    assert f"({'k' * 100})" in caught.value.message


def test_counts_of_the_source_are_summed_per_table(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    for _ in range(2):
        step = bench.journal.changes(ORDERS, {"op": "U", "c1": "1"})
        bench.load(table(ORDERS, step, inserts=1, updates=2, deletes=3, truncates=4))
    bench.load()
    (status,) = bench.warehouse.status("journal-1").tables
    assert (status.schema, status.name, status.oid, status.copied_at) == ("public", "orders", 100, LSN(1))
    assert (status.inserts, status.updates, status.deletes, status.truncates, status.copied) == (2, 4, 6, 8, 1)
    assert status.last_change_at is not None
    assert not status.awaiting_copy


def test_changes_of_a_table_that_awaits_a_copy_are_left_out_until_the_copy(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    bench.warehouse.await_copy("journal-1", 100)
    renamed = dataclasses.replace(ORDERS, columns=(*ORDERS.columns[:2], column(3, "total")))
    report = bench.load(table(renamed, bench.journal.changes(renamed, {"op": "D", "c1": "1"}), deletes=1))
    assert report.skipped == ("public.orders",)
    assert bench.rows() == [(1, "a", 1)]
    assert bench.warehouse.status("journal-1").tables[0].deletes == 0
    after = {"op": "U", "c1": "8", "c3": "x"}
    before_copy = bench.journal.changes(renamed, {"op": "U", "c1": "5"})
    bench.load(
        table(
            renamed, before_copy, bench.journal.copy(renamed, ["7", None, "y"]), bench.journal.changes(renamed, after)
        )
    )
    assert bench.rows() == [(7, None, "y"), (8, None, "x")]
    assert not bench.warehouse.status("journal-1").tables[0].awaiting_copy


def test_changes_without_a_copy_stop(bench: Bench) -> None:
    with pytest.raises(ChangesMissing, match=r"public\.orders.*no copy"):
        bench.changed(ORDERS, {"op": "U", "c1": "1"})


def test_a_batch_costs_nothing_for_tables_that_it_does_not_touch(bench: Bench) -> None:
    others = [dataclasses.replace(ORDERS, oid=200 + i, name=f"t{i}") for i in range(20)]
    bench.load(*(table(rel, bench.journal.copy(rel)) for rel in [ORDERS, *others]))
    bench.execute(*(f"drop table public.t{i}" for i in range(20)))
    bench.changed(ORDERS, {"op": "U", "c1": "1"})
    assert bench.rows() == [(1, None, None)]


def test_reset_empties_the_targets_and_lets_the_next_copies_replace_them(bench: Bench) -> None:
    other = dataclasses.replace(ORDERS, oid=101, name="other")
    bench.load(*(table(rel, bench.journal.copy(rel, ["1", "a", "1"])) for rel in (ORDERS, other)))
    bench.execute("create table public.mine as select 1 as a")
    assert bench.warehouse.reset_all("another pipeline") == ()
    assert bench.warehouse.reset_all("shop") == ("public.orders", "public.other")
    assert (bench.rows(), bench.rows("public.other"), bench.rows("public.mine")) == ([], [], [(1,)])
    assert bench.warehouse.pipelines() == ()
    assert bench.warehouse.status("journal-1").tables == ()
    with pytest.raises(PipelineHeld):
        bench.load()
    fresh = bench.other()
    fresh.claim()
    wider = relation(column(1, "id"), column(4, "new"))
    fresh.copied(wider, ["x", "y"])
    assert fresh.query('select id, "new" from public.orders') == [("x", "y")]


def test_a_forgotten_journal_leaves_its_targets_which_are_then_not_ours(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    bench.warehouse.forget("journal-1")
    assert bench.rows() == [(1, "a", 1)]
    bench.number = 0
    bench.claim()
    with pytest.raises(TargetNotOurs):
        bench.copied(ORDERS, ["2", "b", "2"])


def test_a_dropped_table_is_forgotten_and_stays_as_it_is(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    bench.load(dropped=(100,))
    assert bench.rows() == [(1, "a", 1)]
    assert bench.warehouse.status("journal-1").tables == ()
