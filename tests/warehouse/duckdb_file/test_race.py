"""Two loads of one batch at the same moment."""

import contextlib
import dataclasses
import threading
from pathlib import Path
from types import SimpleNamespace

from re_dms.errors import WarehouseUnavailable
from re_dms.manifest import DataFile
from re_dms.schema import KeyKind
from warehouse.building import ORDERS, Bench, table

APPEND = dataclasses.replace(ORDERS, key_kind=KeyKind.APPEND, key=(), identity="n")


def test_of_two_loads_of_one_batch_exactly_one_wins(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "one", "1"])
    insert = bench.journal.changes(APPEND, {"op": "I", "c1": "7"})
    bench.load(table(APPEND, bench.journal.copy(APPEND)))
    manifest = bench.journal.batch(3, table(APPEND, insert, inserts=1))
    meet, outcomes = threading.Barrier(2), []
    files = bench.journal.files(3, bench.owner)

    def race() -> None:
        fetched = False

        def fetch(file: DataFile) -> Path:
            # Both are inside their transactions when the first of them reaches its files.
            nonlocal fetched
            if not fetched:
                fetched = True
                with contextlib.suppress(threading.BrokenBarrierError):
                    meet.wait(timeout=2)
            return files.fetch(file)

        try:
            report = bench.warehouse.load(
                manifest,
                journal_id="journal-1",
                pipeline="shop",
                epoch=bench.epoch,
                owner=bench.owner,
                files=SimpleNamespace(fetch=fetch),
            )
            outcomes.append("already done" if report.already_done else "won")
        except WarehouseUnavailable:
            outcomes.append("lost")
            meet.abort()

    threads = [threading.Thread(target=race) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) in (["already done", "won"], ["lost", "won"])
    assert bench.rows() == [(7, None, None)]
    assert bench.load_manifest(manifest).already_done
