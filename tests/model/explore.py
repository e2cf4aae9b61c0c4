"""Visit every state of a scope, breadth first; show the shortest way to a broken promise.

python tests/model/explore.py            the worlds of the test suite
python tests/model/explore.py --full     the larger ones (minutes)
python tests/model/explore.py --traces   with the shortest trace of every broken variant
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from model.cases import BROKEN, LARGER_WORLDS, LIMITS, MENDED, SAFE, WORLDS
from model.promises import broken_promise, is_finished
from model.protocol import canonical, first_state, steps
from model.words import FAULTS, PROTOCOL, STEPS, WORLD, Rules, Scope, State

DEAD_END = "dead end: neither finished nor told to anybody, and no step leads there"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a search found. `trace` is the shortest way to what is broken; empty when nothing is."""

    states: int
    broken: str
    trace: tuple[str, ...]
    taken: frozenset[str]
    alarms: frozenset[str]
    seconds: float


class _Search:
    """A breadth-first search, with the way back from every state."""

    def __init__(self, scope: Scope, rules: Rules) -> None:
        self.scope, self.rules = scope, rules
        self.number: dict[State, int] = {}
        self.came_from: list[tuple[int, str]] = []
        self.leads_from: list[list[int]] = []  # by state: states whose own steps (no fault, no help) lead to it
        self.finished: list[int] = []
        self.taken: set[str] = set()
        self.alarms: set[str] = set()

    def run(self) -> tuple[str, int]:
        """What is broken, and in which state; "" when every promise holds and every state can finish."""
        queue = deque([first_state(self.scope)])
        self._add(queue[0], (-1, ""))
        while queue:
            state = queue.popleft()
            here = self.number[state]
            if state.alarm:
                self.alarms.add(state.alarm)
            if wrong := broken_promise(state):
                return wrong, here
            if is_finished(state):
                self.finished.append(here)
            for _, what, next_state in steps(state, self.scope, self.rules):
                after = canonical(next_state)
                self.taken.add(what)
                there = self.number.get(after)
                if there is None:
                    there = self._add(after, (here, what))
                    queue.append(after)
                if what in STEPS:
                    self.leads_from[there].append(here)
        return self._dead_end()

    def _add(self, state: State, came_from: tuple[int, str]) -> int:
        self.number[state] = len(self.came_from)
        self.came_from.append(came_from)
        self.leads_from.append([])
        return len(self.came_from) - 1

    def _dead_end(self) -> tuple[str, int]:
        alive = bytearray(len(self.came_from))
        queue = list(self.finished)
        for n in queue:
            alive[n] = 1
        while queue:
            for before in self.leads_from[queue.pop()]:
                if not alive[before]:
                    alive[before] = 1
                    queue.append(before)
        first = alive.find(0)
        return ("", -1) if first < 0 else (DEAD_END, first)

    def trace(self, n: int) -> tuple[str, ...]:
        """The steps from the start to state `n`, with the failpoints that our own steps carry.

        Replayed, so that every process keeps its name: `canonical` swaps them on the way.
        """
        path: list[tuple[int, str]] = []
        while self.came_from[n][0] >= 0:
            path.append((n, self.came_from[n][1]))
            n = self.came_from[n][0]
        states = list(self.number)
        state, found = first_state(self.scope), []
        for there, what in reversed(path):
            step = next(
                step
                for step in steps(state, self.scope, self.rules)
                if step.what == what and canonical(step.state) == states[there]
            )
            state = step.state
            points = ", ".join(STEPS.get(what, ()))
            found.append(f"{step.who} {what}" + (f"  [{points}]" if points else ""))
        return tuple(found)


def explore(scope: Scope, rules: Rules = PROTOCOL) -> Report:
    """Visit all states of `scope` under `rules`, up to the first broken promise."""
    began = time.process_time()
    search = _Search(scope, rules)
    gc.disable()  # states are tuples of tuples: nothing here is cyclic, and millions of them are dear to walk
    try:
        broken, where = search.run()
    finally:
        gc.enable()
    unknown = search.taken - STEPS.keys() - WORLD - FAULTS
    if unknown:
        raise ValueError(f"steps without a place in the vocabulary: {sorted(unknown)}")
    return Report(
        states=len(search.came_from),
        broken=broken,
        trace=search.trace(where) if broken else (),
        taken=frozenset(search.taken),
        alarms=frozenset(search.alarms),
        seconds=time.process_time() - began,
    )


def _tell(name: str, report: Report, *, traces: bool) -> None:
    verdict = report.broken or "holds"
    print(f"{report.states:>10,} states {report.seconds:>7.1f} s  {name}: {verdict}", flush=True)
    for number, line in enumerate(report.trace if traces else (), start=1):
        print(f"{number:>26}. {line}")


def main() -> int:
    """Exit code 1 when the protocol breaks a promise, or a variant that must break does not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the larger worlds too")
    parser.add_argument("--traces", action="store_true", help="print the shortest trace of every broken variant")
    parser.add_argument("--only", default="", help="only worlds and variants whose name holds this text")
    arguments = parser.parse_args()
    wrong = states = 0
    worlds = WORLDS | (LARGER_WORLDS if arguments.full else {})
    for name, scope in worlds.items():
        if arguments.only in name:
            report = explore(scope)
            _tell(f"the protocol, {name}", report, traces=True)
            wrong += bool(report.broken)
            states += report.states
    for variant in (*BROKEN, *SAFE, *LIMITS, *(MENDED if arguments.full else ())):
        if arguments.only in variant.name:
            report = explore(variant.scope, variant.rules)
            _tell(f"variant, {variant.name}", report, traces=arguments.traces)
            wrong += variant.breaks not in report.broken if variant.breaks else bool(report.broken)
            states += report.states
    print(f"{states:>10,} states in all; {wrong} results are not as they should be")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
