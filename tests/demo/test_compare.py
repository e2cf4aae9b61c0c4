"""The comparison is honest: values that Postgres tells apart are told apart, and equal ones are equal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import TypeAdapter

from demo.source import LITERALS, Source
from fix_postgres import Database
from re_dms.demo.compare import Comparison, compare_all, compare_table
from re_dms.demo.duckdb_place import DuckDBSide
from re_dms.journal.dialect import encode
from re_dms.schema import Relation
from re_dms.warehouse.duckdb.sql import quote
from re_dms.warehouse.duckdb.types import duckdb_type, value


class Sides(Source):
    """A table `t` in Postgres and its copy in a DuckDB file, made the way the pipeline makes it."""

    def __init__(self, database: Database, path: Path) -> None:
        super().__init__(database)
        self.path = path

    def create(self, columns: dict[str, str], rows: list[str]) -> None:
        """`columns`: name to type. `rows`: VALUES lists."""
        super().create(columns, rows)
        relation = self.relation()
        names = ", ".join(f"{quote(c.name)} {duckdb_type(c.type)}" for c in relation.columns)
        with duckdb.connect(str(self.path)) as target:
            target.execute("set timezone to 'UTC'")
            target.execute(f"create schema public; create table public.t ({names})")
            target.execute(
                "create schema re_dms; create table re_dms.tables (schema_name text, table_name text, relation json)"
            )
            target.execute(
                "insert into re_dms.tables values ('public', 't', ?)",
                [TypeAdapter(Relation).dump_json(relation).decode()],
            )
            frame = encode(self.texts(relation), relation)
            values = ", ".join(value(c.type, f"c{c.attnum}") for c in relation.columns)
            target.register("frame", frame.to_arrow())
            target.execute(f"insert into public.t select {values} from frame")

    def change(self, statement: str, parameters: list[Any] | None = None) -> None:
        """Change the copy."""
        with duckdb.connect(str(self.path)) as target:
            target.execute(statement, parameters or [])

    def columns_that_are_equal(self) -> list[str]:
        """The names of columns whose values, looked at alone, are the same on both sides."""
        relation = self.relation()
        alone = [replace(relation, columns=(column,)) for column in relation.columns]
        with duckdb.connect(str(self.path), read_only=True) as target, self.database.connect() as source:
            source.execute("set timezone to 'UTC'")
            side = DuckDBSide(target)
            return [each.columns[0].name for each in alone if compare_table(source, side, each).equal]

    def compare(self) -> Comparison:
        with duckdb.connect(str(self.path), read_only=True) as target:
            (comparison,) = compare_all(self.database.dsn, DuckDBSide(target))
        return comparison


@pytest.fixture
def sides(database: Database, tmp_path: Path) -> Sides:
    return Sides(database, tmp_path / "copy.duckdb")


def test_equal_values_of_every_type_are_equal(sides: Sides) -> None:
    columns = {f"c {type_}": type_ for type_ in LITERALS}
    depth = max(map(len, LITERALS.values()))
    rows = [", ".join(literals[row % len(literals)] for literals in LITERALS.values()) for row in range(depth)]
    rows.append(", ".join("null" for _ in LITERALS))
    sides.create(columns, rows)
    comparison = sides.compare()
    assert comparison.equal, comparison
    assert comparison.source_rows == comparison.target_rows == depth + 1


def test_two_different_values_of_every_type_are_different(sides: Sides) -> None:
    """Every value of a type, NULL among them, in a column of its own: each in turn takes the place of another."""
    pairs = {
        f"{type_} {number}": (type_, (*literals, "null")[number - 1], literals[number])
        for type_, literals in LITERALS.items()
        for number in range(len(literals))
    }
    sides.create(
        {name: type_ for name, (type_, _, _) in pairs.items()}, [", ".join(new for _, _, new in pairs.values())]
    )
    assert sides.compare().equal
    sides.database.execute("update t set " + ", ".join(f"{quote(name)} = {old}" for name, (_, old, _) in pairs.items()))
    assert sides.columns_that_are_equal() == []


def test_null_is_not_the_empty_string_in_any_column(sides: Sides) -> None:
    sides.create({"first": "text", "middle": "text", "last": "text"}, ["'', '', ''"])
    for column in ("first", "middle", "last"):
        sides.change(f"update public.t set {column} = null")
        assert not sides.compare().equal
        sides.change(f"update public.t set {column} = ''")
        assert sides.compare().equal


def test_a_value_that_moves_to_the_next_column_is_found(sides: Sides) -> None:
    sides.create({"a": "text", "b": "text"}, ["'1:x', 'y'", "null, '~'"])
    sides.change("update public.t set a = '1:x1:y', b = '' where a = '1:x'")
    assert sides.compare().missing == 1


@pytest.fixture
def filled(sides: Sides) -> Sides:
    sides.create({"id": "integer", "body": "text"}, [f"{i}, repeat('x', 1000)" for i in range(5)])
    assert sides.compare().equal
    return sides


def test_one_changed_byte_is_found(filled: Sides) -> None:
    filled.change("update public.t set body = 'y' || substr(body, 2) where id = 3")
    comparison = filled.compare()
    assert (comparison.missing, comparison.surplus, comparison.equal) == (1, 1, False)


def test_a_missing_row_is_found(filled: Sides) -> None:
    filled.change("delete from public.t where id = 3")
    comparison = filled.compare()
    assert (comparison.missing, comparison.surplus, comparison.equal) == (1, 0, False)


def test_a_doubled_row_is_found_also_when_another_is_missing(filled: Sides) -> None:
    filled.change("insert into public.t from public.t where id = 3")
    assert filled.compare().surplus == 1
    filled.change("delete from public.t where id = 4")
    comparison = filled.compare()
    assert comparison.source_rows == comparison.target_rows
    assert (comparison.missing, comparison.surplus, comparison.equal) == (1, 1, False)


def test_a_table_that_the_warehouse_lacks_is_found(filled: Sides) -> None:
    filled.change("delete from re_dms.tables")
    assert filled.compare().problem == "the warehouse does not have it"


def test_a_table_that_the_source_lost_is_found(filled: Sides) -> None:
    filled.database.execute("drop table t")
    assert filled.compare().problem == "the source does not have it"


def test_a_column_that_the_warehouse_lacks_is_found(filled: Sides) -> None:
    filled.change("alter table public.t drop column body")
    assert filled.compare().problem == "its columns differ"


def test_a_column_that_capture_never_saw_is_found(filled: Sides) -> None:
    filled.database.execute("alter table t add column late int")
    assert filled.compare().problem == "its columns differ"
