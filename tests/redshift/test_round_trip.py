"""Every type of Postgres, through a data file, COPY and the merge, is in the target what Postgres says that it is.

A real Postgres makes the values and tells what they are by other ways than their text (`reading`). The rows come as a
copy reads them. What Redshift may not hold at all is in `test_odd_values`. Known gaps: SUPER keeps no order of keys and no
blanks between parts; char(n) has no padding; the lower bounds of arrays are lost; jsonb's null is SUPER's null.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from re_dms.schema import Relation
from redshift import reading, round_trip_cases
from redshift.reading import Road, differences
from redshift.round_trip_cases import GROUPS, Case
from redshift.sources import BenchFor, Source, bench_for_fixture, raised, source_fixture
from warehouse.building import RedshiftBench

__all__ = ["bench_for_fixture", "source_fixture"]

DRIVERS = ("redshift_connector", "psycopg")


class Trip:
    """One group of types: its table in Postgres, and the batches that bring it into the warehouse."""

    def __init__(self, source: Source, bench: RedshiftBench, name: str, cases: Sequence[Case]) -> None:
        self.source, self.bench, self.name = source, bench, name
        self.cases = {f"v{number}": case for number, case in enumerate(cases)}
        self.count = max(len(case.literals) for case in cases) + 1
        columns = {"id": "int", "note": "text", "marker": "int"}
        columns |= {column: case.type for column, case in self.cases.items()}
        self.relation: Relation = source.table(name, columns)
        self.roads: dict[str, Road] = {"note": reading.TEXT, "marker": reading.INTEGER}
        self.roads |= {column: case.road for column, case in self.cases.items()}

    def insert(self, first_id: int) -> None:
        """A row for each literal, and one of NULLs."""
        for number in range(self.count):
            values = [self._literal(case, number) for case in self.cases.values()]
            note = f"'note {first_id + number}'"
            self.source.run(
                f"insert into {self.table} values ({', '.join([str(first_id + number), note, '0', *values])})"
            )

    def rotate(self, by: int, where: str) -> None:
        """Every column of these rows gets another literal of its type."""
        for (id_,) in self.source.ask(f"select id from {self.table} where {where}"):
            said = (f"{column} = {self._literal(case, id_ + by)}" for column, case in self.cases.items())
            self.source.run(f"update {self.table} set {', '.join(said)} where id = {id_}")

    def _literal(self, case: Case, number: int) -> str:
        place = number % (len(case.literals) + 1)
        return case.literals[place] if place < len(case.literals) else "null"

    @property
    def table(self) -> str:
        return f"kinds.{self.name}"

    @property
    def attnums(self) -> list[int]:
        """Those of the columns under test."""
        return [column.attnum for column in self.relation.columns if column.name in self.cases]

    def wrong(self) -> list[object]:
        return differences(self.source, self.bench, self.name, self.roads)


@pytest.fixture(scope="module", params=DRIVERS, name="bench")
def bench_fixture(request: pytest.FixtureRequest, bench_for: BenchFor) -> RedshiftBench:
    return bench_for(request.param)


@pytest.mark.parametrize("group", GROUPS)
def test_every_type_arrives_by_copy_insert_update_and_stays_when_it_is_not_sent(
    source: Source, bench: RedshiftBench, group: str
) -> None:
    cases = list(GROUPS[group])
    if group == "others" and source.session.info.server_version >= 140_000:
        cases += round_trip_cases.SINCE_14
    trip = Trip(source, bench, f"{group}_{bench.pipeline}", cases)
    relation = trip.relation

    trip.insert(0)
    bench.copied(relation, *(list(row.values()) for row in source.rows(relation)))
    assert trip.wrong() == [], "copy"

    trip.insert(1000)
    bench.changed(relation, *raised(source.rows(relation, "id >= 1000"), "U"))
    assert trip.wrong() == [], "insert"

    trip.rotate(1, "id < 1000")
    bench.changed(relation, *raised(source.rows(relation, "id < 1000"), "U"))
    assert trip.wrong() == [], "update"

    # All values are sent, and a TOASTed note is not.
    trip.rotate(2, "id < 1000")
    bench.changed(relation, *raised(source.rows(relation, "id < 1000"), "P", masked=[2]))
    assert trip.wrong() == [], "update without a text"

    # None of the values are sent, in rows that also move to another key.
    source.run(f"update {trip.table} set id = id + 1000, marker = 7 where id >= 1000")
    moved = raised(source.rows(relation, "id >= 2000"), "P", masked=trip.attnums)
    bench.changed(relation, *({**row, "f1": str(int(row["f1"] or 0) - 1000)} for row in moved))
    assert trip.wrong() == [], "unchanged"
