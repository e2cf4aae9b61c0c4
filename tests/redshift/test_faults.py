"""Faults of the stand-in at every step of a load: loading again gives what an undisturbed load gives.

In the suite every kind of fault strikes the first statement of every kind in some load, and those that stop it come one
after the other; RE_DMS_NIGHTLY=1 strikes every statement of every load, one a run, through both drivers. Figures with `-rP`:

    RE_DMS_NIGHTLY=1 python -m pytest tests/redshift/test_faults.py -rP
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import zip_longest
from typing import Any

import pytest

from fix_s3 import REGION, S3, s3_store
from nightly import NIGHTLY, nightly
from re_dms.errors import ReDmsError, WarehouseError
from re_dms.manifest import Manifest
from redshift.disturbed import STEPS, Rig
from redshift.steps import POLICIES, insist, load_once, loads, rows_of, wipe
from redshift_standin import Server
from warehouse.building import RedshiftBench, redshift_bench

DRIVERS = ("redshift_connector", "psycopg")
COMMITS = ("kill-before-commit", "kill-before-reply", "kill-after-reply", "serializable")
STATEMENTS: Mapping[str, str] = {"timeout": "", "restart": ", seconds = 0.05"}
pytestmark = pytest.mark.timeout(3600 if NIGHTLY else 180)  # a statement a run: minutes
_COMMITTING = {"main select own", "main alter target", "copy commit", "apply commit", "main drop stage"}


def _disturbed(rig: Rig, steps: set[str], kind: str, more: str = "") -> None:
    """In the suite one run, nightly as many as the load with the most strikes needs: each load is struck once a run."""
    fault, strikes = f'{{kind = "{kind}"{more}}}', rig.strikes(steps)
    if not NIGHTLY:
        rig.run(strikes, fault)
    else:
        for some in zip_longest(*strikes):
            rig.run([[] if strike is None else [strike] for strike in some], fault)
    rig.told(kind)
    assert {step for each in strikes for step, _ in each} <= set(rig.struck) or kind == "kill-after-reply"


@pytest.fixture(scope="module", params=DRIVERS if NIGHTLY else DRIVERS[:1])
def shared(request: pytest.FixtureRequest, redshift_backend: str, s3: S3) -> Iterator[Rig]:
    """One for all tests: every run begins with an empty warehouse."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        server = stack.enter_context(Server(backend=redshift_backend, s3_endpoint=s3.endpoint, region=REGION))
        bench = redshift_bench(server, s3_store(s3.new_bucket()), request.param, policies=POLICIES)
        stack.callback(bench.warehouse.close)
        made = Rig(bench, loads(bench.journal))
        made.undisturbed()
        yield made


@pytest.fixture
def rig(shared: Rig) -> Iterator[Rig]:
    yield dataclasses.replace(shared, figures=Counter(), struck=Counter(), codes=Counter())
    shared.order("")


def test_no_step_of_a_load_is_left_out(rig: Rig) -> None:
    assert {step for steps in rig.steps for step in steps} | {"main set"} == STEPS
    wipe(rig.bench)


@pytest.mark.parametrize("kind", ["timeout", pytest.param("restart", marks=nightly("by day a statement's timeout"))])
def test_a_statement_that_is_cancelled_or_cut_is_made_good(rig: Rig, kind: str) -> None:
    _disturbed(rig, STEPS, kind, STATEMENTS[kind])


@pytest.mark.parametrize("kind", COMMITS)
def test_a_commit_that_is_lost_or_refused_is_made_good(rig: Rig, kind: str) -> None:
    _disturbed(rig, _COMMITTING, kind)
    assert rig.figures["retries"] > 0


def test_slow_commits_change_nothing(rig: Rig) -> None:
    rig.order('{kind = "slow-commit", seconds = 0.02, times = 0}')
    rig.figures["faults"] += len(rig.loads)
    rig.run([], "")
    rig.told("slow-commit")
    assert rig.figures["retries"] == 0


def test_refused_connections_are_tried_again(rig: Rig) -> None:
    for first in range(1, 4) if NIGHTLY else (1,):
        wipe(rig.bench)
        for nth, batches in enumerate(rig.loads, first):
            rig.bench.warehouse.close()
            rig.order(f'{{kind = "connection-limit", nth = {nth}, times = 2}}')
            rig.figures["faults"] += 1
            insist(lambda: load_once(rig.bench, batches), rig.figures)  # noqa: B023
            rig.order("")
        rig.judge()
    rig.told("connection-limit")
    assert rig.figures["retries"] > 0


@pytest.mark.parametrize("fault", ["s3-status", *["s3-cut", "s3-slow"] * NIGHTLY])
def test_a_store_that_stumbles_is_made_good(rig: Rig, fault: str) -> None:
    more = {"s3-status": ", status = 503", "s3-cut": ", bytes = 3", "s3-slow": ", seconds = 0.02"}[fault]
    for nth in range(1, 12) if NIGHTLY else (2,):
        wipe(rig.bench)
        for number, batches in enumerate(rig.loads):
            # Once: COPY goes on by itself; eight times: one of two that run side by side has failed four times, and ends.
            times = 8 if number % 2 else 1
            rig.order(f'{{kind = "{fault}"{more}, nth = {nth}, times = {times}}}')
            insist(lambda: load_once(rig.bench, batches), rig.figures)  # noqa: B023
            rig.order("")
            rig.figures["faults"] += 1
        rig.judge()
    rig.told(fault)
    assert (rig.figures["retries"] > 0) == (fault != "s3-slow")


STOPS = {
    "copy-error": ("row = 1, code = 1204", "refused a row"),
    "s3-status 403": ("status = 403", "S3 answered 403 AccessDenied"),
    "s3-status 404": ("status = 404", "S3 answered 404 NoSuchKey"),
}


@pytest.mark.parametrize("kinds", [[kind] for kind in STOPS] if NIGHTLY else [[*STOPS]], ids=" then ".join)
def test_a_fault_that_nobody_can_wait_out_stops_by_name_and_the_next_load_is_right(rig: Rig, kinds: list[str]) -> None:
    for nth in range(1, 12) if NIGHTLY else (2,):
        wipe(rig.bench)
        for batches in rig.loads:
            before = (rows_of(rig.bench), watermark(rig.bench))
            for kind in kinds:
                stopped = _stopped(rig, batches, kind, nth)
                if stopped is None:
                    break  # the fault did not meet the load
                rig.figures.update(["faults", "stops", kind])
                assert isinstance(stopped, WarehouseError)
                assert STOPS[kind][1] in stopped.message
                assert stopped.remedy
                assert (rows_of(rig.bench), watermark(rig.bench)) == before
            else:
                insist(lambda: load_once(rig.bench, batches), rig.figures)  # noqa: B023
        rig.judge()
    rig.told(", ".join(kinds))
    assert all(rig.figures[kind] > 0 for kind in kinds)
    assert rig.figures["retries"] == 0


def watermark(bench: RedshiftBench) -> list[tuple[Any, ...]]:
    return bench.query(f"select * from {bench.watermark} w")


def _stopped(rig: Rig, batches: Sequence[Manifest], kind: str, nth: int) -> ReDmsError | None:
    """The error that stopped the load, None when the fault did not meet it."""
    rig.order(f'{{kind = "{kind.split(maxsplit=1)[0]}", {STOPS[kind][0]}, nth = {nth}}}')
    try:
        load_once(rig.bench, batches)
    except ReDmsError as error:
        return error
    finally:
        rig.order("")
    return None


@pytest.mark.parametrize("kind", ["timeout", *COMMITS] if NIGHTLY else ["kill-before-reply"])
def test_a_claim_that_is_disturbed_can_be_made_again(rig: Rig, kind: str) -> None:
    bench, places, retries = rig.bench, 0, -1
    nth = 1
    while rig.figures["retries"] > retries:  # until the fault comes too late
        wipe(bench)
        bench.execute(*(f're_dms."{name}_shop"'.join(["drop table ", ""]) for name in ("fence", "watermark", "tables")))
        places, retries = places + 1, rig.figures["retries"]
        bench.warehouse.close()
        rig.order(f'{{kind = "{kind}", nth = {nth}}}')
        insist(bench.warehouse.identity, rig.figures)
        insist(bench.claim, rig.figures)
        insist(lambda: bench.warehouse.watermark(bench.journal.journal_id), rig.figures)
        rig.order("")
        assert not insist(lambda: load_once(bench, rig.loads[0])).already_done
        rig.figures["faults"] += rig.figures["retries"] > retries
        nth += 1 if NIGHTLY or kind != "timeout" else 6
    rig.told(f"{kind} in a claim, {places} places")
    assert places > 4
