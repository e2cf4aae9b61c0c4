"""Files that several slices read at once: how many there are, and that together they are the rows as they came."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from compact.source import relation
from re_dms.decode.decoded import Commits, Decoded, TableEvents
from re_dms.journal.csv import new_null_token, write_csv
from re_dms.journal.journal import Journal
from re_dms.journal.memory import MemoryStore
from re_dms.lsn import LSN
from re_dms.manifest import Changes, Copy, DataFile, Manifest
from re_dms.pipeline.batch import Batch
from re_dms.pipeline.parts import PART_BYTES_MAX, PART_BYTES_MIN, Parts

TABLE = relation(3, (1,))


def rows(count: int, text: str = "x") -> pl.DataFrame:
    return pl.select(op=pl.lit("I").repeat_by(count).explode(), c1=pl.int_range(count).cast(pl.String)).with_columns(
        c3=pl.lit(text), c4=pl.lit(None, dtype=pl.String)
    )


def noise(count: int) -> pl.DataFrame:
    """Rows of some 90 bytes that compress to about the half."""
    digits = [(pl.col("c1") + str(salt)).hash(salt).cast(pl.String) for salt in range(4)]
    return rows(count).with_columns(c3=pl.concat_str(digits))


def file_of(frame: pl.DataFrame) -> DataFile:
    _, stats = write_csv(frame, null=new_null_token(), compression="zstd")
    return stats.data_file(key="k", odd={})


@pytest.mark.parametrize(
    ("slices", "compressed", "count"),
    [
        (1, 0, 1),
        (1, PART_BYTES_MAX, 1),
        (1, PART_BYTES_MAX + 1, 2),
        (4, 4 * PART_BYTES_MIN - 1, 1),
        (4, 4 * PART_BYTES_MIN, 4),
        (4, 4 * PART_BYTES_MAX, 4),
        (4, 4 * PART_BYTES_MAX + 1, 8),
        (6, 1000 * PART_BYTES_MIN, 18),
    ],
)
def test_parts_are_a_multiple_of_the_slices_of_1_to_64_mb_each(slices: int, compressed: int, count: int) -> None:
    parts = Parts(slices)
    assert parts.count(int(compressed * parts.ratio)) == count
    if count > 1:
        assert PART_BYTES_MIN <= compressed / count <= PART_BYTES_MAX


def test_what_is_small_stays_one_file() -> None:
    written: list[pl.DataFrame] = []

    def write(frame: pl.DataFrame) -> DataFile:
        written.append(frame)
        return file_of(frame)

    frame = rows(1000)
    assert len(Parts(8).write(frame, write)) == 1
    assert len(Parts(8).write(frame.clear(), write)) == 1
    assert written[0].equals(frame)


def test_parts_hold_the_rows_in_order_and_about_the_same_bytes() -> None:
    written: list[pl.DataFrame] = []

    def write(frame: pl.DataFrame) -> DataFile:
        written.append(frame)
        return file_of(frame)

    # The last tenth of the rows is as long as all others together.
    frame = rows(90_000, "x" * 100).vstack(rows(10_000, "y" * 1000))
    files = Parts(4).write(frame, write)
    assert len(files) == 4
    assert pl.concat(written).equals(frame)
    sizes = [part.select(pl.sum_horizontal(pl.all().str.len_bytes().fill_null(0)).sum()).item() for part in written]
    assert max(sizes) < 1.2 * min(sizes)


def test_the_ratio_is_learned_from_the_last_file_that_was_large_enough() -> None:
    parts = Parts(2)
    parts.write(rows(100), file_of)
    assert parts.ratio == 4.0
    frame = rows(200_000, "the same text again and again, which compresses well")
    text_bytes = frame.select(pl.sum_horizontal(pl.all().str.len_bytes().fill_null(0)).sum()).item()
    compressed = sum(file.bytes for file in parts.write(frame, file_of))
    assert parts.ratio == pytest.approx(text_bytes / compressed, rel=0.5)
    assert parts.ratio > 10
    before = parts.ratio
    parts.write(rows(100), file_of)
    assert parts.ratio == before


def batch_of(journal: Journal, slices: int) -> Batch:
    return Batch(journal, journal_id="j", writer="w", number=1, compression="zstd", parts=Parts(slices))


def sealed(batch: Batch) -> Manifest:
    relations: Any = SimpleNamespace(changed=True, tables={}, publication=None, sealed=lambda: None)
    return batch.seal(kind="stream", start=LSN(1), end=LSN(2), last_commit=None, relations=relations, registry=None)


def decoded(count: int) -> Decoded:
    """Inserts, as the decoder tells them."""
    number = pl.int_range(pl.len())
    op, old = (pl.lit(byte, dtype=pl.UInt8) for byte in (ord("I"), 0))
    frame = noise(count).select("c1", "c3", "c4", seq=number, op=op, old=old)
    none = np.empty(0, dtype=np.int64)
    commits = Commits(end_lsn=none.astype(np.uint64), xid=none.astype(np.uint32), time_us=none)
    events = (TableEvents(relation=TABLE, truncate=False, frame=frame),)
    return Decoded(tables=((TABLE.oid, events),), commits=commits, messages=count)


@pytest.mark.parametrize(("slices", "count"), [(1, 1), (3, 3)])
def test_a_large_step_of_a_batch_is_written_in_parts(slices: int, count: int) -> None:
    journal = Journal(MemoryStore())
    batch = batch_of(journal, slices)
    inserts = decoded(200_000)
    batch.add(inserts)
    [table] = sealed(batch).tables
    [step] = table.steps
    assert isinstance(step, Changes)
    assert len(step.files) == count
    assert step.ops == {"U": 200_000}
    assert table.counts.inserts == 200_000
    with journal.files(1, "owner") as files:
        whole = pl.concat([files.read(file) for file in step.files])
    [(_, (events,))] = inserts.tables
    assert events.frame is not None
    assert whole.select("c1", "c3", "c4").equals(events.frame.select("c1", "c3", "c4"))


@pytest.mark.parametrize(("slices", "count"), [(1, 2), (3, 6)])
def test_every_part_of_a_copy_is_split(slices: int, count: int) -> None:
    journal = Journal(MemoryStore())
    batch = batch_of(journal, slices)
    for _ in range(2):
        batch.add_copy(TABLE, noise(200_000).drop("op"))
    batch.end_copy(TABLE, LSN(1))
    [table] = sealed(batch).tables
    [step] = table.steps
    assert isinstance(step, Copy)
    assert len(step.files) == count
    assert len({file.key for file in step.files}) == count
    assert sum(file.rows for file in step.files) == table.counts.copied == 400_000
