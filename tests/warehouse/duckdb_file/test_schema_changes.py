"""What the targets do when their source tables change, or when somebody changes the targets."""

import dataclasses

import pytest

from re_dms.errors import RelationChanged, TargetNotOurs, WarehouseError
from re_dms.manifest import Truncate
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import KeyKind, OldRows, Relation
from warehouse.building import BYTEA, DATE, INT4, ORDERS, TEXT, Bench, column, relation, table


def with_columns(*columns: object, **changes: object) -> Relation:
    return dataclasses.replace(ORDERS, columns=columns, **changes)  # type: ignore[arg-type]


def test_an_added_column_is_null_or_the_constant_in_older_rows_and_has_no_default(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    columns = (
        *ORDERS.columns,
        column(4, "plain"),
        column(5, "since", DATE, "0044-03-15 BC"),
        column(6, "raw", BYTEA, "\\x00ff"),
        column(7, "bare", BYTEA, "00ff"),
        column(8, "it's", TEXT, 'it\'s \\ "so"'),
        column(9, "tags", PgType(oid=1009, typmod=-1, name="text[]", kind=Kind.ARRAY, element=Kind.TEXT), '["a"]'),
    )
    bench.changed(with_columns(*columns), {"op": "U", "c1": "2"})
    rows = bench.query('select id, plain, since::varchar, raw, bare, "it\'s", tags from public.orders order by id')
    assert rows == [
        (1, None, "0044-03-15 (BC)", b"\x00\xff", b"\x00\xff", 'it\'s \\ "so"', '["a"]'),
        (2, None, None, None, None, None, None),
    ]
    bench.execute("insert into public.orders (id) values (3)")
    assert bench.query('select "it\'s" from public.orders where id = 3') == [(None,)]


def test_dropped_and_added_columns_between_changes_of_one_batch(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"], ["2", "b", "2"])
    second = with_columns(*ORDERS.columns[:2], column(4, "more", INT4, "7"))
    third = with_columns(ORDERS.columns[0], column(4, "more", INT4), column(5, "note2"))
    bench.load(
        table(
            (ORDERS, second, third),
            bench.journal.changes(ORDERS, {"op": "U", "c1": "3", "c2": "c", "c3": "3"}, {"op": "D", "c1": "1"}),
            bench.journal.changes(
                second, {"op": "P", "mask": "2", "f1": "3", "c1": "4", "c4": "8"}, {"op": "D", "c1": "3"}, index=1
            ),
            bench.journal.changes(third, {"op": "P", "mask": "4", "f1": "4", "c1": "4", "c5": "d"}, index=2),
            Truncate(relation=2),
            bench.journal.changes(third, {"op": "U", "c1": "9"}, index=2),
        )
    )
    assert bench.rows() == [(9, None, None)]
    bench.changed(third, {"op": "U", "c1": "9", "c4": "1", "c5": "x"})
    assert bench.rows() == [(9, 1, "x")]
    assert [row[0] for row in bench.query("describe public.orders")] == ["id", "more", "note2"]


def test_all_columns_can_be_replaced(bench: Bench) -> None:
    before = relation(column(1, "a"), kind=KeyKind.COUNTED)
    after = relation(column(2, "b", TEXT, "old"), kind=KeyKind.COUNTED)
    bench.copied(before, ["x"], ["y"])
    bench.changed(after, {"op": "I", "n": "1", "c2": "new"})
    assert bench.rows() == [("new",), ("old",), ("old",)]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (dataclasses.replace(ORDERS, name="renamed"), "renamed to public.renamed"),
        (dataclasses.replace(ORDERS, key=(1, 2)), "key changed"),
        (with_columns(column(1, "id", TEXT), *ORDERS.columns[1:]), "changed its type from integer to text"),
        (with_columns(column(1, "key", INT4), *ORDERS.columns[1:]), "was renamed to 'key'"),
        (with_columns(*ORDERS.columns[:2], column(4, "amount")), "dropped and added again"),
        (
            with_columns(*ORDERS.columns, dataclasses.replace(column(4, "x"), old_rows=OldRows.UNKNOWN)),
            "cannot be told",
        ),
    ],
)
def test_what_is_not_followed_stops_by_name_and_changes_nothing(bench: Bench, changed: Relation, what: str) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    before = bench.everything()
    with pytest.raises(RelationChanged, match=what) as caught:
        bench.changed(changed, {"op": "D", "c1": "1"})
    assert "public.orders" in caught.value.message
    assert f"re-dms reset --table {changed.full_name}" in caught.value.remedy
    assert bench.everything() == before
    bench.warehouse.await_copy("journal-1", 100)
    bench.copied(changed, ["5"] + [None] * (len(changed.columns) - 1))
    assert len(bench.rows(changed.full_name)) == 1


def test_a_constant_that_does_not_fit_stops_by_name(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    with pytest.raises(WarehouseError, match=r"public\.orders: the constant"):
        bench.changed(with_columns(*ORDERS.columns, column(4, "x", INT4, "not a number")), {"op": "D", "c1": "1"})


def test_columns_and_tables_that_differ_only_by_case_are_refused_and_never_merged(bench: Bench) -> None:
    twins = relation(column(1, "Id"), column(2, "id"))
    with pytest.raises(WarehouseError, match="'Id' and 'id' differ only by case"):
        bench.copied(twins)
    bench.copied(ORDERS, ["1", "a", "1"])
    with pytest.raises(WarehouseError, match="'note' and 'NOTE' differ only by case"):
        bench.changed(with_columns(*ORDERS.columns, column(4, "NOTE")), {"op": "D", "c1": "1"})
    other = dataclasses.replace(ORDERS, oid=101, name="Orders")
    with pytest.raises(WarehouseError, match=r"public\.orders and public\.Orders differ only by case"):
        bench.copied(other, ["2", "b", "2"])
    assert bench.rows() == [(1, "a", 1)]


def test_names_that_differ_by_more_than_ascii_case_are_two_names(bench: Bench) -> None:
    bench.copied(relation(column(1, "É"), column(2, "é"), name="ÉTÉ"), ["1", "2"])
    bench.copied(relation(column(1, "É"), column(2, "é"), name="été", oid=101), ["3", "4"])
    assert (bench.rows('public."ÉTÉ"'), bench.rows('public."été"')) == ([("1", "2")], [("3", "4")])


def test_a_table_in_our_own_schema_or_without_columns_is_refused(bench: Bench) -> None:
    with pytest.raises(WarehouseError, match="re-dms's own tables"):
        bench.copied(dataclasses.replace(ORDERS, schema="RE_dms", name="watermark"))
    with pytest.raises(WarehouseError, match="has no column"):
        bench.copied(dataclasses.replace(ORDERS, columns=(), key=()))


@pytest.mark.parametrize(
    "existing",
    [
        "create table public.orders as select 1 as id, 'x' as note, 2 as amount",
        "create table public.orders (id integer, note varchar)",
        "create table public.orders (id integer, note varchar, amount bigint)",
        "create view public.orders as select 1 as id",
        "create table public.ORDERS (a integer)",
    ],
)
def test_a_target_that_is_not_ours_is_refused_and_left_alone(bench: Bench, existing: str) -> None:
    bench.execute("create schema public", existing)
    before = bench.rows()
    with pytest.raises(TargetNotOurs, match=r"public\.orders") as caught:
        bench.copied(ORDERS, ["1", "a", "1"])
    assert caught.value.exit_code == 5
    assert bench.rows() == before


def test_an_empty_target_of_the_right_shape_is_taken(bench: Bench) -> None:
    bench.execute("create schema public", "create table public.orders (id integer, note varchar, amount integer)")
    bench.copied(ORDERS, ["1", "a", "1"])
    assert bench.rows() == [(1, "a", 1)]


@pytest.mark.parametrize(
    ("mischief", "words"),
    [
        ("alter table public.orders drop column note", "lost 'note'"),
        ("alter table public.orders add column mine integer", "foreign 'mine'"),
        ("alter table public.orders alter column amount type bigint", "another type in 'amount'"),
        ("drop table public.orders", "no longer in the warehouse"),
        ("create unique index only_one on public.orders (note)", "index or a constraint"),
    ],
)
def test_an_altered_target_stops_by_name_and_a_new_copy_mends_it(bench: Bench, mischief: str, words: str) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    bench.execute(mischief)
    with pytest.raises(WarehouseError, match=words):
        bench.changed(ORDERS, {"op": "U", "c1": "2", "c2": "a"})
    bench.warehouse.await_copy("journal-1", 100)
    if "index" in mischief:
        bench.execute("drop index public.only_one")
    bench.copied(ORDERS, ["5", "e", "5"])
    assert bench.rows() == [(5, "e", 5)]
    assert [row[0] for row in bench.query("describe public.orders")] == ["id", "note", "amount"]


def test_two_tables_that_swapped_their_names_are_copied_again(bench: Bench) -> None:
    first, second = ORDERS, dataclasses.replace(ORDERS, oid=101, name="other")
    bench.copied(first, ["1", "first", None])
    bench.copied(second, ["2", "second", None])
    bench.warehouse.await_copy("journal-1", 100)
    bench.warehouse.await_copy("journal-1", 101)
    first, second = dataclasses.replace(first, name="other"), dataclasses.replace(second, name="orders")
    bench.copied(first, ["1", "first", None])
    assert bench.rows("public.other") == [(1, "first", None)]
    bench.copied(second, ["2", "second", None])
    assert bench.rows("public.other") == [(1, "first", None)]
    assert bench.rows("public.orders") == [(2, "second", None)]
    bench.changed(first, {"op": "U", "c1": "3"})
    assert bench.rows("public.other") == [(1, "first", None), (3, None, None)]


def test_a_new_source_table_with_the_name_of_a_recorded_one_is_refused(bench: Bench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    with pytest.raises(WarehouseError, match="another source table"):
        bench.copied(dataclasses.replace(ORDERS, oid=101), ["2", "b", "2"])
    assert bench.rows() == [(1, "a", 1)]
