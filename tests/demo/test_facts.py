"""The verdict: good only when every row is equal and every change arrived exactly once."""

import io
import json
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from re_dms.demo.compare import Comparison
from re_dms.demo.customers import Done
from re_dms.demo.duckdb_place import DuckDBSide
from re_dms.demo.facts import Facts, Kill, TableFacts, gather
from re_dms.demo.screen import Screen

EQUAL = Comparison(table="public.orders", source_rows=7, target_rows=7)


def table(comparison: Comparison = EQUAL, arrived: tuple[int, ...] = (1, 2, 3, 0)) -> TableFacts:
    return TableFacts(comparison=comparison, copied=5, arrived=arrived, committed=(1, 2, 3, 0))


def facts(*tables: TableFacts, watermark: int = 4) -> Facts:
    return Facts(
        tables=tables,
        kills=(Kill(batch=5, watermark=watermark, seconds_until_streaming=1.5),),
        batches=9,
        transactions=100,
        lag_p50_ms=500.0,
        lag_p99_ms=1234.56,
        postgres="15.1",
        warehouse="duckdb",
        warehouse_name="DuckDB",
        seconds=44.0,
        kept=None,
    )


def shown(found: Facts) -> str:
    console = Console(file=io.StringIO(), force_terminal=False)
    Screen(console).findings(found)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_equal_rows_and_equal_counts_are_good() -> None:
    assert facts(table()).good
    assert "Exactly once: 6 changes committed, 6 arrived." in shown(facts(table()))


@pytest.mark.parametrize(
    "comparison",
    [
        Comparison(table="public.orders", source_rows=7, target_rows=7, missing=1, surplus=1),
        Comparison(table="public.orders", source_rows=7, target_rows=8, surplus=1),
        Comparison(table="public.orders", source_rows=0, target_rows=0, problem="its columns differ"),
    ],
)
def test_rows_that_differ_are_not_good_and_named(comparison: Comparison) -> None:
    found = facts(table(comparison))
    assert not found.good
    assert "NOT as it must be: public.orders." in shown(found)
    assert found.as_json()["differing"] == ["public.orders"]


@pytest.mark.parametrize("arrived", [(1, 2, 3, 1), (0, 2, 3, 0), (2, 4, 6, 0)])
def test_changes_that_arrived_twice_or_not_at_all_are_not_good(arrived: tuple[int, ...]) -> None:
    found = facts(table(arrived=arrived))
    assert not found.good
    assert "counts differ" in shown(found)


def test_no_table_at_all_is_not_good() -> None:
    assert not facts().good


def test_the_crash_is_told_as_it_was() -> None:
    assert "while batch 5 was being loaded" in shown(facts(table()))
    assert "while batches 3 to 5 were being loaded" in shown(facts(table(), watermark=2))
    assert "had just been committed" in shown(facts(table(), watermark=5))


def test_the_facts_are_one_line_of_json() -> None:
    text = json.dumps(facts(table()).as_json())
    assert json.loads(text)["lag_ms"] == {"p50": 500.0, "p99": 1234.6}
    assert json.loads(text)["warehouse"] == "duckdb"
    assert json.loads(text)["kills"][0]["inside_a_batch"] is True


def test_counts_are_those_that_the_warehouse_recorded(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as target:
        target.execute(
            "create schema re_dms; create table re_dms.tables as select 'public' schema_name, 'orders' table_name,"
            " 5 copied, 1 inserts, 2 updates, 3 deletes, 0 truncates"
        )
    never = Comparison(table="public.never", source_rows=0, target_rows=0, problem="the warehouse does not have it")
    committed = Done({("orders", "inserts"): 1, ("orders", "updates"): 2, ("orders", "deletes"): 3})
    with duckdb.connect(str(path), read_only=True) as target:
        found = gather(DuckDBSide(target).counts(), [EQUAL, never], committed)
    assert found == (
        table(),
        TableFacts(comparison=never, copied=0, arrived=(0, 0, 0, 0), committed=(0, 0, 0, 0)),
    )
