"""Tables without a key whose old rows come whole (REPLICA IDENTITY FULL): rows are found by all their columns."""

import dataclasses

import pytest

from re_dms.errors import WarehouseError
from re_dms.schema import KeyKind
from warehouse.building import ORDERS, Bench

COUNTED = dataclasses.replace(ORDERS, key_kind=KeyKind.COUNTED, key=(), identity="f")


def test_counted_changes_add_and_take_copies_of_whole_rows(bench: Bench) -> None:
    bench.copied(COUNTED, ["1", None, "1"], ["1", None, "1"], ["1", None, "1"], ["1", "", "1"], ["2", "b", None])
    bench.changed(
        COUNTED,
        {"op": "X", "n": "2", "c1": "1", "c3": "1"},
        {"op": "X", "n": "1", "c1": "2", "c2": "b"},
        {"op": "I", "n": "3", "c1": "5", "c2": "e"},
    )
    assert bench.rows() == [(1, "", 1), (1, None, 1), *[(5, "e", None)] * 3]


def test_a_counted_delete_of_more_rows_than_there_are_stops_and_changes_nothing(bench: Bench) -> None:
    bench.copied(COUNTED, ["1", None, "1"])
    before = bench.everything()
    for missing in ({"op": "X", "n": "2", "c1": "1", "c3": "1"}, {"op": "X", "n": "1", "c1": "1", "c2": "", "c3": "1"}):
        with pytest.raises(WarehouseError, match="rows to delete are missing"):
            bench.changed(COUNTED, missing)
    assert bench.everything() == before
