"""A warehouse that is emptied and loaded again and again, and struck by faults of the stand-in at chosen steps."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from nightly import NIGHTLY
from re_dms.manifest import Manifest
from redshift.steps import (
    ENDS,
    Loads,
    Spy,
    compare,
    insist,
    load_once,
    records_of,
    rows_of,
    spying,
    staged,
    wipe,
)
from warehouse.building import RedshiftBench

_totals = Counter[str]()

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

    def run(self, strikes: Sequence[Sequence[Strike]], fault: str) -> None:
        """Load all into an empty warehouse; load i meets the fault at each of its strikes, one after the other.

        Every second time a load is tried again, a new apply does it, which claims the fence as after a restart.
        """
        wipe(self.bench)
        for batches, mine in zip_longest(self.loads, strikes, fillvalue=()):
            with spying(self._striking(mine, fault)) as spy:
                insist(self._action(batches), self.figures)
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

    def _striking(self, strikes: Sequence[Strike], fault: str) -> Spy:
        """Orders the fault right before the statement that it is to meet; the next one waits for the load's next try."""
        spy, left, seen = Spy(), list(strikes), Counter[str]()

        def before(step: str, statement: str) -> None:
            seen[step] += 1
            if left and (step, seen[step]) == left[0]:
                left.pop(0)
                seen.clear()
                self.order(fault)
                self.figures["faults"] += 1

        spy.before = before
        return spy

    def _action(self, batches: Sequence[Manifest]) -> Callable[[], Any]:
        tries = itertools.count()

        def action() -> None:
            tried = next(tries)
            if tried and (tried + self.figures["runs"]) % 2 == 0:
                self.bench.warehouse.close()
                self.bench.number = 5  # there are batches: a claim beside a watermark has to know
                insist(self.bench.claim, self.figures)
            load_once(self.bench, batches)

        return action

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
        mine = {name: self.figures[name] for name in ("runs", "faults", "retries", "stops", "lost", "doubled")}
        _totals.update(mine)
        print(f"\n{what}: {mine}; struck: {dict(self.struck)}; by: {dict(self.codes)}\nall so far: {dict(_totals)}")


def _some(found: list[list[Strike]]) -> list[list[Strike]]:
    """The first strike of each step, in that load which has the fewest so far."""
    homes: dict[str, list[int]] = defaultdict(list)
    for number, strikes in enumerate(found):
        for step, nth in strikes:
            if nth == 1:
                homes[step].append(number)
    chosen: list[set[str]] = [set() for _ in found]
    for step, numbers in sorted(homes.items(), key=lambda item: len(item[1])):
        chosen[min(numbers, key=lambda number: len(chosen[number]))].add(step)
    return [
        [strike for strike in strikes if strike[0] in steps and strike[1] == 1]
        for strikes, steps in zip(found, chosen, strict=True)
    ]
