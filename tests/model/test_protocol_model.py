"""The protocol keeps its promises in every small world, and every broken rule shows (docs/protocol.md)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from model.cases import BROKEN, LIMITS, SAFE, WORLDS, Variant
from model.explore import Report, explore
from model.protocol import canonical, first_state, steps
from model.words import FAULTS, PROTOCOL, STEPS, WORLD, Faults, Scope
from re_dms.failpoints import NAMES


@cache
def _protocol(world: str) -> Report:
    return explore(WORLDS[world])


def _story(report: Report) -> str:
    lines = [f"{report.states:,} states: {report.broken}", *report.trace]
    return "\n".join(lines)


@pytest.mark.parametrize("world", WORLDS)
def test_protocol_keeps_every_promise(world: str) -> None:
    report = _protocol(world)
    print(f"{world}: {report.states:,} states")
    assert not report.broken, _story(report)


def test_only_outside_harm_stops_the_protocol() -> None:
    halted = {world for world in WORLDS if _protocol(world).alarms}
    assert halted == {"slot moved by an operator, a kill", "disk rolled back", "disk rolled back, a kill"}
    assert all(alarm.startswith("exit 6: ") for world in halted for alarm in _protocol(world).alarms)


@pytest.mark.parametrize("variant", BROKEN, ids=lambda variant: variant.name)
def test_a_broken_rule_shows(variant: Variant) -> None:
    report = explore(variant.scope, variant.rules)
    print(_story(report))
    assert variant.breaks in report.broken
    assert report.trace


@pytest.mark.parametrize("variant", BROKEN, ids=lambda variant: variant.name)
def test_the_protocol_holds_where_the_broken_rule_shows(variant: Variant) -> None:
    known = [world for world, scope in WORLDS.items() if scope == variant.scope]
    report = _protocol(known[0]) if known else _in_world(variant.scope)
    assert not report.broken, _story(report)


@cache
def _in_world(scope: Scope) -> Report:
    return explore(scope)


@pytest.mark.parametrize("variant", SAFE, ids=lambda variant: variant.name)
def test_one_of_two_safeguards_is_enough(variant: Variant) -> None:
    report = explore(variant.scope, variant.rules)
    assert not report.broken, _story(report)


@pytest.mark.parametrize("variant", LIMITS, ids=lambda variant: variant.name)
def test_a_known_limit_is_still_there(variant: Variant) -> None:
    report = explore(variant.scope, variant.rules)
    print(_story(report))
    assert variant.breaks in report.broken, "a limit has gone: tell so in docs/protocol.md and move the case"


def test_every_failpoint_stands_in_a_step_that_is_taken() -> None:
    taken = frozenset[str]().union(*(_protocol(world).taken for world in WORLDS))
    named = {name for what in taken & STEPS.keys() for name in STEPS[what]}
    assert named == set(NAMES)
    assert {name for names in STEPS.values() for name in names} == set(NAMES)


def test_the_page_tells_where_every_failpoint_stands() -> None:
    house = Path(__file__).parents[2]
    page = (house / "docs" / "protocol.md").read_text()
    rows = re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| `([a-z_/]+\.py)` \|", page, re.MULTILINE)
    assert {name for name, _ in rows} == set(NAMES)
    for name, module in rows:
        assert f'failpoint("{name}")' in (house / "src" / "re_dms" / module).read_text(), f"{name} is not in {module}"


def test_a_failpoint_stands_in_one_step_only() -> None:
    names = [name for points in STEPS.values() for name in points]
    assert len(names) == len(set(names))


def test_every_fault_happens() -> None:
    taken = frozenset[str]().union(*(_protocol(world).taken for world in WORLDS))
    assert taken >= FAULTS | WORLD


def test_our_steps_and_the_worlds_are_told_apart() -> None:
    assert not STEPS.keys() & (FAULTS | WORLD)
    assert not FAULTS & WORLD


def test_swapping_two_processes_changes_nothing() -> None:
    scope = Scope(captures=2, applies=2, transactions=1, written=1, faults=Faults(total=1, cut=1, put_reply_lost=1))
    queue, seen = [first_state(scope)], {first_state(scope)}
    while queue:
        state = queue.pop()
        assert canonical(canonical(state)) == canonical(state)
        for step in steps(state, scope, PROTOCOL):
            after = canonical(step.state)
            if after not in seen and len(seen) < 2000:
                seen.add(after)
                queue.append(after)
