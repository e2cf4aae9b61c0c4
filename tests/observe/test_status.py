"""The status for people and for machines, and the line that is said every ten seconds."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from re_dms.lsn import LSN
from re_dms.observe.heartbeat import Heartbeat, bytes_text, seconds_text
from re_dms.observe.status import (
    JournalStatus,
    SourceStatus,
    Status,
    TableStatus,
    WarehouseStatus,
    consistency,
)
from re_dms.observe.status_table import show

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATUS = Status(
    pipeline="shop",
    taken_at=NOW,
    source=SourceStatus(
        slot="shop",
        exists=True,
        active=True,
        state="extended",
        server=LSN(0x2000),
        confirmed=LSN(0x1000),
        restart=LSN(0x800),
        retained_bytes=64_000_000,
        lag_bytes=4096,
    ),
    journal=JournalStatus(
        url="file:///j", exists=True, journal_id="1", tail_batch=17, tail_lsn=LSN(0x1000), batches_waiting=2
    ),
    warehouse=WarehouseStatus(
        url="duckdb:///w.duckdb",
        exists=True,
        batch=15,
        lsn=LSN(0x900),
        applied_at=NOW - timedelta(seconds=3),
        lag_seconds=1.25,
    ),
    tables=(
        TableStatus(name="public.[red]odd[/]", rows=12345, inserts=10, updates=2, deletes=1, last_change=NOW),
        TableStatus(name="public.documents", awaiting_copy=True),
    ),
    consistency="copying: 1 table",
    lag_bytes=5888,
    lag_seconds=1.25,
    problems=("source: cannot be reached",),
)


def shown(status, **console):
    stream = io.StringIO()
    show(status, Console(file=stream, highlight=False, **console))
    return stream.getvalue()


def test_people_read_every_part():
    text = " ".join(shown(STATUS).split())
    for words in (
        "shop: lag 1.2 s, 5.9 kB; consistency copying: 1 table",
        "slot shop (in use, extended), confirmed 0/1000 of 0/2000, 4.1 kB behind, 64.0 MB of WAL retained",
        "file:///j: batch 17 up to 0/1000, 2 waiting",
        "duckdb:///w.duckdb: batch 15 up to 0/900, applied 3.0 s ago",
        "public.[red]odd[/] 12,345 10 2 1 0.0 s ago",
        "public.documents ? 0 0 0 awaiting its copy",
        "problem source: cannot be reached",
    ):
        assert words in text, text


def test_without_a_terminal_no_line_is_broken_or_coloured():
    text = shown(STATUS)
    assert "\x1b" not in text
    assert "4.1 kB behind, 64.0 MB of WAL retained\n" in text


def test_a_status_that_knows_nothing_is_shown_too():
    text = shown(Status(pipeline="shop", taken_at=NOW, problems=("a", "b")))
    assert text.count("not known here") == 3
    assert text.count("problem") == 2
    absent = Status(
        pipeline="shop",
        taken_at=NOW,
        source=SourceStatus(slot="shop", exists=False),
        journal=JournalStatus(url="file:///j", exists=False),
        warehouse=WarehouseStatus(url="duckdb:///w.duckdb", exists=False),
    )
    assert "slot shop does not exist" in shown(absent)


def test_json_is_one_line_with_positions_as_postgres_prints_them():
    text = STATUS.to_json()
    assert "\n" not in text
    values = json.loads(text)
    assert values["source"]["confirmed"] == "0/1000"
    assert values["warehouse"]["applied_at"] == "2026-01-02T03:04:02+00:00"
    assert values["tables"][1]["awaiting_copy"] is True
    assert set(values) == {
        "pipeline", "taken_at", "source", "journal", "warehouse", "tables", "consistency", "lag_bytes", "lag_seconds",
        "problems",
    }  # fmt: skip


def test_consistency_counts_tables_that_wait():
    assert [consistency(n) for n in (0, 1, 5)] == ["transaction", "copying: 1 table", "copying: 5 tables"]


def test_the_heartbeat_says_what_is_known():
    beat = Heartbeat(
        lag_seconds=1.23456, lag_bytes=34_000_000, batch=17, rows_per_second=12_300.4, retained_wal_bytes=64_000_000
    )
    assert str(beat) == "lag 1.2 s, 34.0 MB · batch 17 · 12,300 rows/s · 64.0 MB of WAL retained"
    assert beat.fields() == {
        "lag_seconds": 1.235,
        "lag_bytes": 34_000_000,
        "batch": 17,
        "rows_per_second": 12_300,
        "retained_wal_bytes": 64_000_000,
    }
    assert str(Heartbeat(batch=1)) == "batch 1"
    assert Heartbeat().fields() == {}


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (10**18, "1000 PB")],
)
def test_sizes_read_well(size, text):
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 1 s"), (3_660, "1 h 1 min"), (90_000, "1 d 1 h")],
)
def test_durations_read_well(seconds, text):
    assert seconds_text(seconds) == text
