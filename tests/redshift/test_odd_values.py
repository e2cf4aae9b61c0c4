"""Every value that Redshift may not hold, under every policy: what is in the target, what is recorded, or what is refused.

Through a whole load, over AWS's driver. The conversions themselves are tested in `test_adapt`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from re_dms.errors import ValueDoesNotFit
from re_dms.schema import Relation
from redshift.odd_cases import GROUPS, POLICIES, Odd, exact, parsed
from redshift.sources import BenchFor, Rows, Source, bench_for_fixture, raised, source_fixture
from warehouse.building import RedshiftBench

__all__ = ["bench_for_fixture", "source_fixture"]

_SEEN = {"bytea": "to_hex({0})", "real": "{0}", "double precision": "{0}"}
_SUPER = ("json", "jsonb", "hstore", "pair", "numeric[]", "text[]", "double precision[]")
_TEXTS = ("text", "varchar(20000)", "char(20000)", "citext", "xml", "bit(70000)", "bit varying", "numeric")


@dataclass
class Table:
    """One table of a group's odd values, under one policy: a column a case, and in row n only column n is not NULL."""

    policy: str
    cases: list[Odd]
    relation: Relation
    bench: RedshiftBench
    rows: Rows

    def mended(self) -> list[int]:
        """The cases that arrive."""
        return [number for number, case in enumerate(self.cases) if case.outcome(self.policy) is not ...]

    def row(self, number: int) -> Rows:
        return [row for row in self.rows if row["c1"] == str(number)]

    def seen(self, number: int) -> Any:
        """What the target holds of a case."""
        case, name = self.cases[number], f'"v{number}"'
        shown = "json_serialize({0})" if case.type in _SUPER else "{0}" if case.type in _TEXTS else "{0}::varchar"
        found = self.bench.query(
            f"select {_SEEN.get(case.type, shown).format(name)} from {self.relation.full_name} where id = {number}"
        )
        assert len(found) == 1
        return parsed(found[0][0]) if case.type in _SUPER else found[0][0]

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


@pytest.fixture(scope="module", params=POLICIES, name="policy_bench")
def policy_bench_fixture(request: pytest.FixtureRequest, bench_for: BenchFor) -> tuple[str, RedshiftBench]:
    policy = request.param
    return policy, bench_for(policies=() if policy == "fail" else (f"kinds.*={policy}",))


@pytest.fixture(scope="module", params=GROUPS, name="odd")
def odd_fixture(request: pytest.FixtureRequest, source: Source, policy_bench: tuple[str, RedshiftBench]) -> Table:
    """The table, empty in the warehouse."""
    (policy, bench), cases = policy_bench, GROUPS[request.param]
    columns = {"id": "int", "note": "text"} | {f"v{number}": case.type for number, case in enumerate(cases)}
    relation = source.table(f"{request.param}_{policy}", columns)
    for number, case in enumerate(cases):
        source.run(f"insert into {relation.full_name} (id, note, v{number}) values ({number}, 'n', {case.literal})")
    bench.copied(relation)
    return Table(policy, cases, relation, bench, source.rows(relation))


def is_expected(case: Odd, expected: Any, found: Any) -> bool:
    if case.type in _SUPER:
        return bool(found == exact(expected))
    if case.type in ("real", "double precision") and expected is not None:
        return float(found) == float(expected)
    return bool(found == expected)


@pytest.mark.parametrize("op", ["U", "P"])
def test_what_a_policy_mends_arrives_and_is_recorded_and_counted(odd: Table, op: str) -> None:
    """All values of one policy in one batch: as inserted rows, then as partial updates whose note was not sent."""
    numbers = odd.mended()
    rows = [row for number in numbers for row in odd.row(number)]
    if op == "P":
        odd.bench.changed(odd.relation, *({"op": "U", "c1": row["c1"], "c2": "n"} for row in rows))
    report = odd.bench.changed(odd.relation, *raised(rows, op, masked=[2] if op == "P" else []))
    wrong = [
        (odd.cases[number].type, odd.cases[number].literal[:40], str(odd.seen(number))[:60])
        for number in numbers
        if not is_expected(odd.cases[number], odd.cases[number].outcome(odd.policy), odd.seen(number))
    ]
    assert wrong == []
    assert report.altered == len(numbers)
    lsn = odd.bench.query(f"select lsn from re_dms.watermark_{odd.bench.pipeline}")[0][0]
    recorded = odd.bench.query(
        "select schema_name, table_name, column_name, key_values, lsn, reason, policy from re_dms.altered_values "
        f"where pipeline = '{odd.bench.pipeline}' and batch = {odd.bench.number}"
    )
    assert sorted(recorded) == sorted(
        ("kinds", odd.relation.name, f"v{number}", f'["{number}"]', lsn, case.reason, case.recorded or odd.policy)
        for number, case in ((number, odd.cases[number]) for number in numbers)
    )
    notes = odd.bench.query(f"select count(*) from {odd.relation.full_name} where note = 'n'")
    assert notes == [(len(numbers),)], "what was not sent stays"


def test_what_no_policy_mends_stops_by_name_and_changes_nothing(odd: Table) -> None:
    numbers = sorted(set(range(len(odd.cases))) - set(odd.mended()))
    before = odd.everything()
    for number in numbers:
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
