"""Faults of the stand-in at every step of a load: loading again gives what an undisturbed load gives.

In the suite every kind of fault strikes the first statement of every kind in some load; RE_DMS_NIGHTLY=1 strikes every
statement of every load, under both rules of trying again. Figures with `-rP`:

    RE_DMS_NIGHTLY=1 python -m pytest tests/redshift/test_faults.py --timeout 3600 -rP
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, zip_longest
from typing import Any

import pytest

from fix_redshift import Benches
from re_dms.errors import ReDmsError, ValueDoesNotFit, WarehouseError
from re_dms.manifest import Manifest
from redshift.steps import (
    ATTEMPTS_MAX,
    ENDS,
    POLICIES,
    Loads,
    Spy,
    compare,
    insist,
    load_once,
    loads,
    records_of,
    rows_of,
    spying,
    staged,
    wipe,
)
from warehouse.building import RedshiftBench

NIGHTLY = bool(os.environ.get("RE_DMS_NIGHTLY"))
RULES = ("again", "anew")
"""What tries again: the same apply, or a new one, which claims the fence (as when the service starts it again)."""

COMMITS = ("kill-before-commit", "kill-before-reply", "kill-after-reply", "serializable")
STATEMENTS: Mapping[str, str] = {"timeout": "", "restart": ", seconds = 0.05"}
_COMMITTING = {"main select own", "main select catalog", "main alter target", "copy commit", "apply commit"}
_COMMITTING |= {"main drop stage"}

# What a load consists of; a step that is never struck is one that no test is about.
STEPS = {
    "main select own", "main select catalog", "main set", "main begin", "main alter target", "main drop stage",
    "copy set", "copy begin", "copy create stage", "copy copy stage", "copy select catalog", "copy commit",
    "main lock own", "apply select own", "apply select catalog", "apply select stage", "apply create target",
    "apply alter target", "apply delete target", "apply update target", "apply insert target", "apply delete own",
    "apply insert own", "apply update own", "apply copy own", "apply commit",
}  # fmt: skip

Strike = tuple[str, int]
"""A step, and at which of its occasions in the load."""


@dataclass
class Rig:
    """One warehouse and one journal, emptied and loaded again and again."""

    bench: RedshiftBench
    loads: Loads
    records: dict[str, Any] = field(default_factory=dict)
    steps: list[list[str]] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    def order(self, text: str) -> None:
        self.bench.server.faults.order(text)

    def undisturbed(self) -> None:
        """Load all as nothing happens: what every other run is compared with."""
        for batches in self.loads:
            with spying(Spy()) as spy:
                load_once(self.bench, batches)
            self.steps.append(spy.steps)
        assert {name: Counter(rows) for name, rows in rows_of(self.bench).items()} == {
            name: Counter(rows) for name, rows in ENDS.items()
        }
        self.records = records_of(self.bench)

    def run(self, faults: Sequence[tuple[Strike, str] | None], rule: str) -> None:
        """Load all into an empty warehouse; load i meets its fault at its step."""
        wipe(self.bench)
        for batches, fault in zip_longest(self.loads, faults[: len(self.loads)]):
            with spying(self._striking(fault)) as spy:
                insist(self._action(batches, rule), self.figures)
            self.order("")
            self.struck += spy.struck
            self.codes += spy.codes
        self.judge()

    def judge(self) -> None:
        """The end is as it has to be, and nothing is left behind once another batch is loaded."""
        compare(self.bench, self.figures)
        assert (self.figures["lost"], self.figures["doubled"]) == (0, 0), rows_of(self.bench)
        assert records_of(self.bench) == self.records
        insist(lambda: load_once(self.bench, [self.bench.journal.batch(6)]))
        assert staged(self.bench) == []
        assert self.bench.journal.store.list("loads/") == []

    def _striking(self, fault: tuple[Strike, str] | None) -> Spy:
        spy = Spy()
        if fault is None:
            return spy
        ((wanted, nth), text), seen = fault, Counter[str]()

        def before(step: str, statement: str) -> None:
            seen[step] += 1
            if step == wanted and seen[step] == nth:
                self.order(text)
                self.figures["faults"] += 1

        spy.before = before
        return spy

    def _action(self, batches: Sequence[Manifest], rule: str) -> Callable[[], Any]:
        if rule == "again":
            return lambda: load_once(self.bench, batches)
        tried = iter(range(ATTEMPTS_MAX))

        def anew() -> None:
            if next(tried):
                self.bench.warehouse.close()
                self.bench.number = 5  # there are batches: a claim beside a watermark has to know
                self.bench.claim()
            load_once(self.bench, batches)

        return anew

    def strikes(self, steps: set[str]) -> list[list[Strike]]:
        """Per load, where these steps can be struck: everywhere, or in the suite at the first of each kind in one load."""
        found: list[list[Strike]] = []
        for names in self.steps:
            seen = Counter[str]()
            found.append([])
            for name in names:
                seen[name] += 1
                if name in steps:
                    found[-1].append((name, seen[name]))
        return found if NIGHTLY else _some(found)

    def told(self, what: str) -> None:
        """The figures in one line; nothing lost, nothing doubled."""
        totals = {name: self.figures[name] for name in ("runs", "faults", "retries", "lost", "doubled")}
        print(f"\n{what}: {totals}; struck: {dict(self.struck)}; by: {dict(self.codes)}")


def _some(found: list[list[Strike]]) -> list[list[Strike]]:
    """The first strike of each step, in that load which has the fewest so far."""
    chosen: list[list[Strike]] = [[] for _ in found]
    homes = defaultdict(list)
    for number, strikes in enumerate(found):
        for step, nth in strikes:
            if nth == 1:
                homes[step].append(number)
    for step, numbers in sorted(homes.items(), key=lambda item: len(item[1])):
        chosen[min(numbers, key=lambda number: len(chosen[number]))].append((step, 1))
    return chosen


def _disturbed(rig: Rig, strikes: list[list[Strike]], text: str) -> None:
    """As many runs as the load with the most strikes needs, each load struck once a run."""
    rules = RULES if NIGHTLY else (None,)
    for fixed in rules:
        for strike, rule in zip(zip_longest(*strikes), cycle(RULES), strict=False):
            rig.run([None if each is None else (each, text) for each in strike], fixed or rule)


@pytest.fixture
def rig(redshift_benches: Benches) -> Iterator[Rig]:
    bench = redshift_benches(policies=POLICIES)
    made = Rig(bench, loads(bench.journal))
    made.undisturbed()
    yield made
    bench.server.faults.order("")


def test_no_step_of_a_load_is_left_out(rig: Rig) -> None:
    assert {step for steps in rig.steps for step in steps} | {"main set"} == STEPS


@pytest.mark.parametrize("kind", STATEMENTS)
def test_a_statement_that_is_cancelled_or_cut_is_made_good(rig: Rig, kind: str) -> None:
    strikes = rig.strikes(STEPS)
    _disturbed(rig, strikes, f'{{kind = "{kind}"{STATEMENTS[kind]}}}')
    rig.told(kind)
    assert {step for each in strikes for step, _ in each} <= set(rig.struck) | {"main drop stage"}


@pytest.mark.parametrize("kind", COMMITS)
def test_a_commit_that_is_lost_or_refused_is_made_good(rig: Rig, kind: str) -> None:
    _disturbed(rig, rig.strikes(_COMMITTING), f'{{kind = "{kind}"}}')
    rig.told(kind)
    assert rig.figures["retries"] > 0


def test_slow_commits_change_nothing(rig: Rig) -> None:
    rig.order('{kind = "slow-commit", seconds = 0.02, times = 0}')
    rig.run([], "again")
    rig.told("slow-commit")
    assert rig.figures["retries"] == 0


def test_refused_connections_are_tried_again(rig: Rig) -> None:
    for nth in range(1, 5):
        wipe(rig.bench)
        for batches in rig.loads:
            rig.bench.warehouse.close()
            rig.order(f'{{kind = "connection-limit", nth = {nth}, times = 2}}')
            insist(lambda: load_once(rig.bench, batches), rig.figures)  # noqa: B023
            rig.order("")
        rig.judge()
    rig.told("connection-limit")
    assert rig.figures["retries"] > 0


@pytest.mark.parametrize("fault", ["s3-status", "s3-cut", "s3-slow"])
def test_a_store_that_stumbles_is_made_good(rig: Rig, fault: str) -> None:
    more = {"s3-status": ", status = 503", "s3-cut": ", bytes = 3", "s3-slow": ", seconds = 0.02"}[fault]
    for nth in range(1, 12) if NIGHTLY else (1, 2):
        # Once: COPY goes on by itself; four times: it fails.
        for times in (1,) if fault == "s3-slow" else (1, 4):
            wipe(rig.bench)
            for batches in rig.loads:
                rig.order(f'{{kind = "{fault}"{more}, nth = {nth}, times = {times}}}')
                insist(lambda: load_once(rig.bench, batches), rig.figures)  # noqa: B023
                rig.order("")
                rig.figures["faults"] += 1
            rig.judge()
    rig.told(fault)


STOPS = {
    "copy-error": ("row = 1, code = 1204", ValueDoesNotFit, "a value out of range, or too long"),
    "s3-status 403": ("status = 403", WarehouseError, "S3 answered 403 AccessDenied"),
    "s3-status 404": ("status = 404", WarehouseError, "S3 answered 404 NoSuchKey"),
}


@pytest.mark.parametrize("kind", STOPS)
def test_a_fault_that_nobody_can_wait_out_stops_by_name_and_the_next_load_is_right(rig: Rig, kind: str) -> None:
    more, error, words = STOPS[kind]
    for nth in range(1, 12) if NIGHTLY else (1, 3):
        wipe(rig.bench)
        for batches in rig.loads:
            before = (rows_of(rig.bench) if batches[0].number > 1 else {}, watermark(rig.bench))
            rig.order(f'{{kind = "{kind.split()[0]}", {more}, nth = {nth}}}')
            stopped = _stopped(rig, batches)
            rig.order("")
            if stopped is not None:
                rig.figures["stops"] += 1
                assert isinstance(stopped, error)
                assert words in stopped.message
                assert stopped.remedy
                assert (rows_of(rig.bench) if before[0] else {}, watermark(rig.bench)) == before
                insist(lambda: load_once(rig.bench, batches), rig.figures)  # noqa: B023
        rig.judge()
    rig.told(f"{kind}, {rig.figures['stops']} stops")
    assert rig.figures["stops"] > 0
    assert rig.figures["retries"] == 0


def watermark(bench: RedshiftBench) -> list[tuple[Any, ...]]:
    return bench.query(f"select * from {bench.watermark} w")


def _stopped(rig: Rig, batches: Sequence[Manifest]) -> ReDmsError | None:
    """The error that stopped the load, None when the fault did not meet it."""
    try:
        load_once(rig.bench, batches)
    except ReDmsError as error:
        return error
    return None


@pytest.mark.parametrize("kind", ["timeout", "kill-before-commit", "kill-before-reply", "serializable"])
def test_a_claim_that_is_disturbed_can_be_made_again(rig: Rig, kind: str) -> None:
    wipe(rig.bench)
    nth = 0
    retries = -1
    while rig.figures["retries"] > retries:  # until the fault comes too late
        nth, retries = nth + 1, rig.figures["retries"]
        rig.bench.warehouse.close()
        rig.bench.execute(*(f're_dms."{name}_shop"'.join(["drop table ", ""]) for name in ("fence", "watermark", "tables")))
        rig.order(f'{{kind = "{kind}", nth = {nth}}}')
        insist(rig.bench.warehouse.identity, rig.figures)
        insist(rig.bench.claim, rig.figures)
        insist(lambda: rig.bench.warehouse.watermark(rig.bench.journal.journal_id), rig.figures)
        rig.order("")
    for batches in rig.loads:
        load_once(rig.bench, batches)
    rig.judge()
    rig.told(f"{kind} in a claim, {nth} places")
    assert nth > 5
