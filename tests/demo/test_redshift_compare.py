"""The comparison with Redshift is honest, on rows that the loader itself brought into the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from demo.source import LITERALS, Source
from fix_postgres import Database
from fix_redshift import Benches
from re_dms.demo.canonical import quote
from re_dms.demo.compare import Comparison, compare_all, compare_table
from re_dms.demo.redshift_place import RedshiftSide, recorded
from re_dms.journal.dialect import encode
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.drivers import connect
from warehouse.building import RedshiftBench, redshift_settings

# What Redshift's types cannot hold, or cannot tell from another of the same type.
NOT_THERE = {
    *("'NaN'", "'Infinity'", "'-Infinity'", "'infinity'", "'-infinity'", "1e-45", "5e-324"),
    *("'0001-01-01 BC'", "'0044-03-15 BC'", "'0044-03-15 12:00 BC'"),
    "'{\"a\": 1}'",  # SUPER keeps no blanks
}
FITTING = {
    type_: tuple(each for each in literals if each not in NOT_THERE or type_ == "numeric")
    for type_, literals in LITERALS.items()
}


class Loaded(Source):
    """A table `t` in Postgres and its copy in the stand-in."""

    def __init__(self, database: Database, bench: RedshiftBench) -> None:
        super().__init__(database)
        self.bench = bench

    def create(self, columns: dict[str, str], rows: list[str]) -> None:
        """`columns`: name to type. `rows`: VALUES lists."""
        super().create(columns, rows)
        relation = self.relation()
        self.bench.copied(relation, *encode(self.texts(relation), relation).rows())

    @contextmanager
    def side(self) -> Iterator[RedshiftSide]:
        settings: WarehouseSettings = redshift_settings(self.bench.server, "psycopg")
        session = connect(Address.of(settings), settings, application="test")
        yield RedshiftSide(session, recorded(session))
        session.close()

    def compare(self) -> Comparison:
        with self.side() as side:
            (comparison,) = compare_all(self.database.dsn, side)
        return comparison

    def columns_that_are_equal(self) -> list[str]:
        """The names of columns whose values, looked at alone, are the same on both sides."""
        relation = self.relation()
        alone = [replace(relation, columns=(column,)) for column in relation.columns]
        with self.side() as side, self.database.connect() as source:
            source.execute("set timezone to 'UTC'")
            return [each.columns[0].name for each in alone if compare_table(source, side, each).equal]


@pytest.fixture
def loaded(database: Database, redshift_benches: Benches) -> Loaded:
    return Loaded(database, redshift_benches())


def test_equal_values_of_every_type_are_equal_in_redshift(loaded: Loaded) -> None:
    depth = max(map(len, FITTING.values()))
    rows = [", ".join(literals[row % len(literals)] for literals in FITTING.values()) for row in range(depth)]
    rows.append(", ".join("null" for _ in FITTING))
    loaded.create({f"c {type_}": type_ for type_ in FITTING}, rows)
    comparison = loaded.compare()
    assert comparison.source_rows == comparison.target_rows == depth + 1
    assert len(loaded.columns_that_are_equal()) == len(FITTING)
    assert comparison.equal, comparison


def test_two_different_values_of_every_type_are_different_in_redshift(loaded: Loaded) -> None:
    """Every value of a type, NULL among them, in a column of its own: each in turn takes the place of another."""
    pairs = {
        f"{type_} {number}": (type_, (*literals, "null")[number - 1], literals[number])
        for type_, literals in FITTING.items()
        for number in range(len(literals))
    }
    loaded.create(
        {name: type_ for name, (type_, _, _) in pairs.items()}, [", ".join(new for _, _, new in pairs.values())]
    )
    assert loaded.compare().equal
    loaded.database.execute(
        "update t set " + ", ".join(f"{quote(name)} = {old}" for name, (_, old, _) in pairs.items())
    )
    assert loaded.columns_that_are_equal() == []


def test_the_last_byte_of_a_long_text_counts(loaded: Loaded) -> None:
    """A cast to VARCHAR would cut it at 256 bytes."""
    loaded.create({"id": "integer", "body": "text"}, ["1, repeat('x', 60000)"])
    assert loaded.compare().equal
    loaded.database.execute("update t set body = repeat('x', 59999) || 'y'")
    comparison = loaded.compare()
    assert (comparison.missing, comparison.surplus, comparison.equal) == (1, 1, False)


def test_rows_that_are_missing_or_doubled_are_found_in_redshift(loaded: Loaded) -> None:
    loaded.create({"id": "integer", "Note": "text"}, [f"{i}, 'x'" for i in range(5)])
    assert loaded.compare().equal
    loaded.bench.execute(
        "delete from public.t where id = 3", "insert into public.t select * from public.t where id = 4"
    )
    comparison = loaded.compare()
    assert comparison.source_rows == comparison.target_rows
    assert (comparison.missing, comparison.surplus, comparison.equal) == (1, 1, False)


def test_columns_and_tables_that_redshift_lacks_are_found(loaded: Loaded) -> None:
    loaded.create({"id": "integer", "Note": "text"}, ["1, 'x'"])
    loaded.bench.execute('alter table public.t drop column "note"')
    assert loaded.compare().problem == "its columns differ"
    loaded.bench.execute("drop table public.t")
    assert loaded.compare().problem == "its columns differ"


def test_the_counts_are_those_that_redshift_recorded(loaded: Loaded) -> None:
    loaded.create({"id": "integer"}, ["1", "2"])
    with loaded.side() as side:
        assert side.counts() == {"public.t": (2, 0, 0, 0, 0)}
