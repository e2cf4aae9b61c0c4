"""The fence: one apply at a time loads a pipeline, and pipelines do not get in each other's way.

RE_DMS_NIGHTLY=1 loads hundreds of batches side by side; `-rP` shows how many conflicts there were.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from fix_redshift import Benches
from nightly import NIGHTLY, nightly
from re_dms.errors import PipelineHeld
from re_dms.warehouse.opening import open_warehouse
from redshift.steps import POLICIES, Spy, load_once, loads, records_of, rows_of, spying, staged
from warehouse.building import FLOAT8, INT4, RedshiftBench, column, redshift_settings, relation, table

LOADS = 300 if NIGHTLY else 8
CLAIMS = 60 if NIGHTLY else 8
OVERTAKEN = ["copy copy stage"] + ["main begin", "main lock own", "copy create stage", "copy commit"] * NIGHTLY
"""The steps of a stale apply before which another one claims the fence."""
_BLOCKED_SECONDS = 0.3


Another = Callable[..., RedshiftBench]


@pytest.fixture
def another() -> Iterator[Another]:
    """Make an apply of its own over the warehouse of a bench, and over its journal, or that of another pipeline."""
    with ExitStack() as stack:

        def make(bench: RedshiftBench, pipeline: str | None = None) -> RedshiftBench:
            made = dataclasses.replace(bench, owner="owner-2") if pipeline is None else bench.other(pipeline)
            made.owner, made.server = "owner-2", bench.server
            made.warehouse = open_warehouse(redshift_settings(bench.server, "redshift_connector", policies=POLICIES))
            stack.callback(made.warehouse.close)
            return made

        yield make


def state(bench: RedshiftBench) -> tuple[Any, Any]:
    return rows_of(bench), records_of(bench)


@pytest.mark.parametrize("step", OVERTAKEN)
def test_a_stale_apply_is_refused_wherever_the_claim_overtakes_it(
    redshift_benches: Benches, another: Another, step: str
) -> None:
    stale = redshift_benches(policies=POLICIES)
    other = another(stale)
    first, second, *rest = loads(stale.journal)
    load_once(stale, first)
    other.number = 1
    before = state(stale)
    claimed = threading.Event()

    def overtake(met: str, statement: str) -> None:
        if met == step and threading.current_thread() is not claimer and not claimed.is_set():
            claimed.set()
            claimer.start()
            claimer.join()

    claimer = threading.Thread(target=other.claim, name="claimer")
    with spying(Spy(before=overtake)), pytest.raises(PipelineHeld, match="took over"):
        load_once(stale, second)
    assert state(stale) == before
    with pytest.raises(PipelineHeld, match="took over"):
        load_once(stale, second)
    for batches in (second, *rest):
        assert not load_once(other, batches).already_done
    assert staged(other) == []


def test_a_claim_waits_for_the_load_that_holds_the_fence_and_the_load_stands(
    redshift_benches: Benches, another: Another
) -> None:
    stale = redshift_benches(policies=POLICIES)
    other = another(stale)
    first, second, third, *_ = loads(stale.journal)
    load_once(stale, first)
    other.number = 1
    claimer = threading.Thread(target=other.claim)

    def overtake(step: str, statement: str) -> None:
        if step == "apply select own" and not claimer.ident:
            claimer.start()
            claimer.join(_BLOCKED_SECONDS)
            assert claimer.is_alive()

    with spying(Spy(before=overtake)):
        assert not load_once(stale, second).already_done
    claimer.join()
    assert other.epoch == stale.epoch + 1
    assert load_once(other, second).already_done
    with pytest.raises(PipelineHeld, match="took over"):
        load_once(stale, third)
    assert not load_once(other, third).already_done


def test_claims_at_the_same_time_get_epochs_of_their_own_and_the_last_one_loads(
    redshift_benches: Benches, another: Another
) -> None:
    one = redshift_benches(policies=POLICIES)
    two = another(one)
    first = loads(one.journal)[0]
    load_once(one, first)
    one.number = two.number = 1
    with ThreadPoolExecutor(2) as pool:
        for _ in range(CLAIMS):
            together = threading.Barrier(2)

            def claim(each: RedshiftBench) -> int:
                together.wait()  # noqa: B023
                each.claim()
                return each.epoch

            last = max(one.epoch, two.epoch)
            assert sorted(pool.map(claim, (one, two))) == [last + 1, last + 2]
    winner, loser = sorted((one, two), key=lambda each: -each.epoch)
    with pytest.raises(PipelineHeld):
        load_once(loser, [one.journal.batch(2)])
    assert not load_once(winner, [one.journal.batch(2)]).already_done


@pytest.mark.parametrize("ratio", ["1.5", pytest.param("NaN", marks=nightly("by day a number"))])
def test_two_pipelines_load_side_by_side_without_a_conflict(
    redshift_benches: Benches, another: Another, ratio: str
) -> None:
    """Isolation is serializable: transactions that meet on a table would be refused with 1023. With NaN both of them
    record altered values, in the one table that they share."""
    shop = redshift_benches(policies=POLICIES)
    crm = another(shop, "crm")
    crm.claim()
    here = relation(column(1, "id", INT4), column(2, "note"), column(3, "ratio", FLOAT8))
    there = dataclasses.replace(here, schema="people")
    for bench, rel in ((shop, here), (crm, there)):
        bench.copied(rel, ["0", "copied", ratio])

    def load(bench: RedshiftBench, rel: Any) -> None:
        for number in range(1, LOADS + 1):
            rows = ((str(number), "new"), (str(number // 2), "again"))
            changes = bench.journal.changes(rel, *({"op": "U", "c1": n, "c2": note, "c3": ratio} for n, note in rows))
            bench.load(table(rel, changes, inserts=1, updates=1))

    with spying(Spy()) as spy, ThreadPoolExecutor(2) as pool:
        list(pool.map(load, (shop, crm), (here, there)))
    print(
        f"\n2 pipelines, {LOADS} loads each of ratio {ratio}, serializable: {len(spy.steps)} statements, refused: {dict(spy.codes)}"
    )
    assert spy.codes == Counter()
    end = None if ratio == "NaN" else float(ratio)
    ends = Counter((n, "again" if n <= LOADS // 2 else "new", end) for n in range(LOADS + 1))
    assert Counter(shop.rows("public.orders")) == Counter(crm.rows("people.orders")) == ends
    assert staged(shop) == []
