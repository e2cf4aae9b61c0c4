"""Every value that Redshift may not hold, under every policy: what is in the target, what is recorded, or what is refused.

Through a whole load, over AWS's driver. The conversions themselves are tested in `test_adapt`. In the suite a case is
mended by every policy that can, in a full row or in a partial one, and refused under one of those that cannot;
RE_DMS_NIGHTLY=1 does all of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from nightly import NIGHTLY
from re_dms.errors import ValueDoesNotFit
from re_dms.schema import Relation
from redshift.odd_cases import GROUPS, POLICIES, Odd, exact, parsed
from redshift.sources import BenchFor, Rows, Source, bench_for_fixture, raised, source_fixture
from warehouse.building import RedshiftBench

__all__ = ["bench_for_fixture", "source_fixture"]

_SEEN = {"bytea": "to_hex({0})", "real": "{0}", "double precision": "{0}"}
_SUPER = ("json", "jsonb", "hstore", "pair", "numeric[]", "text[]", "double precision[]")
_TEXTS = ("text", "varchar(20000)", "char(20000)", "citext", "xml", "bit(70000)", "bit varying", "numeric")


def mended(group: str, policy: str) -> list[int]:
    """The cases that arrive."""
    return [number for number, case in enumerate(GROUPS[group]) if case.outcome(policy) is not ...]


def unmended(group: str, policy: str) -> list[int]:
    """The cases that are refused; in the suite each of them under one policy only."""
    found = []
    for number, case in enumerate(GROUPS[group]):
        refusing = [each for each in POLICIES if case.outcome(each) is ...]
        if policy in (refusing if NIGHTLY or not refusing else [refusing[number % len(refusing)]]):
            found.append(number)
    return found


_PAIRS = [(group, policy) for group in GROUPS for policy in POLICIES]
_MENDED = [(group, policy, op) for group, policy in _PAIRS if mended(group, policy) for op in ("U", "P")]
if not NIGHTLY:
    _OPS = {group: ("U", "P")[number % 2] for number, group in enumerate(GROUPS)}
    _MENDED = [(group, policy, op) for group, policy, op in _MENDED if (op == _OPS[group]) == (policy == "null")]
_REFUSED = [(group, policy) for group, policy in _PAIRS if unmended(group, policy)]


@dataclass(frozen=True)
class Table:
    """One table of a group's odd values, under one policy: a column a case, and in row n only column n is not NULL."""

    policy: str
    cases: list[Odd]
    relation: Relation
    bench: RedshiftBench
    rows: Rows

    def row(self, number: int) -> Rows:
        return [row for row in self.rows if row["c1"] == str(number)]

    def seen(self) -> dict[int, Any]:
        """What the target holds of the cases that are in it."""
        shown = ", ".join(
            _SEEN.get(case.type, _shown(case.type)).format(f'"v{number}"') for number, case in enumerate(self.cases)
        )
        found = self.bench.query(f"select id, {shown} from {self.relation.full_name}")
        assert len({number for number, *_ in found}) == len(found)
        values = {number: row[number] for number, *row in found}
        return {n: parsed(value) if self.cases[n].type in _SUPER else value for n, value in values.items()}

    def everything(self) -> list[Any]:
        """All that a load of this table could change."""
        name, pipeline = self.relation.full_name, self.bench.pipeline
        return [
            self.bench.query(query)
            for query in (
                f"select id, note from {name} order by id",
                f"select batch, lsn from re_dms.watermark_{pipeline}",
                f"select count(*), max(batch) from re_dms.altered_values where pipeline = '{pipeline}'",
                f"select copied, updates, inserts from re_dms.tables_{pipeline}",
            )
        ]


Tables = Callable[[str, str], Table]


def _shown(type_: str) -> str:
    return "json_serialize({0})" if type_ in _SUPER else "{0}" if type_ in _TEXTS else "{0}::varchar"


@pytest.fixture(scope="module", name="odd_table")
def odd_table_fixture(source: Source, bench_for: BenchFor) -> Tables:
    """The table of a group and a policy, empty in the warehouse when it is asked for first."""

    @cache
    def bench_of(policy: str) -> RedshiftBench:
        return bench_for(policies=() if policy == "fail" else (f"kinds.*={policy}",))

    @cache
    def table_of(group: str, policy: str) -> Table:
        cases = GROUPS[group]
        columns = {"id": "int", "note": "text"} | {f"v{number}": case.type for number, case in enumerate(cases)}
        relation = source.table(f"{group}_{policy}", columns)
        for number, case in enumerate(cases):
            source.run(f"insert into {relation.full_name} (id, note, v{number}) values ({number}, 'n', {case.literal})")
        bench_of(policy).copied(relation)
        return Table(policy, cases, relation, bench_of(policy), source.rows(relation))

    return table_of


def is_expected(case: Odd, expected: Any, found: Any) -> bool:
    if case.type in _SUPER:
        return bool(found == exact(expected))
    if case.type in ("real", "double precision") and expected is not None:
        return float(found) == float(expected)
    return bool(found == expected)


@pytest.mark.parametrize(("group", "policy", "op"), _MENDED)
def test_what_a_policy_mends_arrives_and_is_recorded_and_counted(
    odd_table: Tables, group: str, policy: str, op: str
) -> None:
    """All values of one policy in one batch: as inserted rows, or as partial updates whose note was not sent."""
    odd, numbers = odd_table(group, policy), mended(group, policy)
    rows = [row for number in numbers for row in odd.row(number)]
    if op == "P":
        odd.bench.changed(odd.relation, *({"op": "U", "c1": row["c1"], "c2": "n"} for row in rows))
    report = odd.bench.changed(odd.relation, *raised(rows, op, masked=[2] if op == "P" else []))
    seen = odd.seen()
    wrong = [
        (odd.cases[number].type, odd.cases[number].literal[:40], str(seen[number])[:60])
        for number in numbers
        if not is_expected(odd.cases[number], odd.cases[number].outcome(policy), seen[number])
    ]
    assert wrong == []
    assert report.altered == len(numbers)
    lsn = odd.bench.query(f"select lsn from re_dms.watermark_{odd.bench.pipeline}")[0][0]
    recorded = odd.bench.query(
        "select schema_name, table_name, column_name, key_values, lsn, reason, policy from re_dms.altered_values "
        f"where pipeline = '{odd.bench.pipeline}' and batch = {odd.bench.number}"
    )
    assert sorted(recorded) == sorted(
        ("kinds", odd.relation.name, f"v{number}", f'["{number}"]', lsn, case.reason, case.recorded or policy)
        for number, case in ((number, odd.cases[number]) for number in numbers)
    )
    notes = odd.bench.query(f"select count(*) from {odd.relation.full_name} where note = 'n'")
    assert notes == [(len(numbers),)], "what was not sent stays"


@pytest.mark.parametrize(("group", "policy"), _REFUSED)
def test_what_no_policy_mends_stops_by_name_and_changes_nothing(odd_table: Tables, group: str, policy: str) -> None:
    odd = odd_table(group, policy)
    before = odd.everything()
    for number in unmended(group, policy):
        good = {"op": "U", "c1": "-1", "c2": "new"}
        with pytest.raises(ValueDoesNotFit) as refused:
            odd.bench.changed(odd.relation, good, *raised(odd.row(number), "U"))
        message = refused.value.message
        assert message.startswith(f"{odd.relation.full_name}: column 'v{number}' ("), message
        assert f"(id)=({number})" in message
        assert odd.cases[number].reason.split("; ")[0] in message
        assert f"v{number}=null" in refused.value.remedy
    assert odd.everything() == before
    assert odd.bench.changed(odd.relation, {"op": "D", "c1": "-1"}).altered == 0, "loading goes on"


def test_every_case_is_mended_and_every_one_that_can_be_is_refused() -> None:
    every = {(group, number) for group, cases in GROUPS.items() for number in range(len(cases))}
    assert {(group, number) for group, policy, _ in _MENDED for number in mended(group, policy)} == every
    refused = {(group, number) for group, policy in _REFUSED for number in unmended(group, policy)}
    assert refused == {(group, number) for group, number in every if GROUPS[group][number].outcome("fail") is ...}
