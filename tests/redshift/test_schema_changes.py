"""What targets in Redshift do when their source tables change, when somebody alters them, and how they get their names."""

import dataclasses

import pytest

from fix_redshift import Benches
from re_dms.errors import ConfigurationError, RelationChanged, TargetNotOurs, ValueDoesNotFit, WarehouseError
from re_dms.manifest import Truncate
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import KeyKind, Relation
from warehouse.building import BYTEA, DATE, INT4, ORDERS, TEXT, RedshiftBench, column, relation, table

TAGS = PgType(oid=1009, typmod=-1, name="text[]", kind=Kind.ARRAY, element=Kind.TEXT)
VARCHAR_10 = PgType(oid=1043, typmod=14, name="character varying(10)", kind=Kind.TEXT)
COUNTED = dataclasses.replace(ORDERS, key_kind=KeyKind.COUNTED, key=(), identity="f")


@pytest.fixture
def bench(redshift_benches: Benches) -> RedshiftBench:
    return redshift_benches()


def with_columns(*columns: object, **changes: object) -> Relation:
    return dataclasses.replace(ORDERS, columns=columns, **changes)  # type: ignore[arg-type]


def shape(bench: RedshiftBench, name: str = "orders") -> dict[str, str]:
    return dict(bench.query(f"select \"column\", type from pg_table_def where tablename = '{name}' order by 1"))


def test_an_added_column_is_null_or_the_constant_in_older_rows_and_has_no_default(bench: RedshiftBench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    columns = (
        *ORDERS.columns,
        column(4, "plain"),
        column(5, "since", DATE, "2020-02-29"),
        column(6, "raw", BYTEA, "00ff"),
        column(7, "it's", TEXT, 'it\'s \\ "so"'),
        column(8, "tags", TAGS, '["a\\"b"]'),
    )
    bench.changed(with_columns(*columns), {"op": "U", "c1": "2"})
    select = """select id, plain, since::varchar, to_hex("raw"), "it's", json_serialize(tags) from public.orders"""
    rows = bench.query(f"{select} order by id")
    assert rows == [
        (1, None, "2020-02-29", "00ff", 'it\'s \\ "so"', '["a\\"b"]'),
        (2, None, None, None, None, None),
    ]
    bench.execute("insert into public.orders (id) values (3)")
    assert bench.query('select "it\'s" from public.orders where id = 3') == [(None,)]


def test_a_constant_that_does_not_fit_follows_its_policy(redshift_benches: Benches) -> None:
    wider = with_columns(*ORDERS.columns, column(4, "since", DATE, "0044-03-15 BC"))
    bench = redshift_benches()
    bench.copied(ORDERS, ["1", "a", "1"])
    with pytest.raises(ValueDoesNotFit, match=r"public\.orders: column 'since'"):
        bench.changed(wider, {"op": "U", "c1": "2"})
    lenient = redshift_benches(policies=("public.orders.since=null",))
    lenient.copied(ORDERS, ["1", "a", "1"])
    lenient.changed(wider, {"op": "U", "c1": "2"})
    assert lenient.rows() == [(1, "a", 1, None), (2, None, None, None)]


def test_dropped_and_added_columns_between_changes_of_one_batch(bench: RedshiftBench) -> None:
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
    assert list(shape(bench)) == ["id", "more", "note2"]


def test_all_columns_can_be_replaced(bench: RedshiftBench) -> None:
    before = relation(column(1, "a"), kind=KeyKind.APPEND)
    bench.copied(before, ["x"], ["y"])
    bench.changed(relation(column(2, "b", TEXT, "old"), kind=KeyKind.APPEND), {"op": "I", "c2": "new"})
    assert bench.rows() == [("new",), ("old",), ("old",)]


def test_what_is_not_followed_stops_by_name_and_a_copy_mends_it(bench: RedshiftBench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    before = bench.everything()
    changed = with_columns(column(1, "id", TEXT), *ORDERS.columns[1:])
    with pytest.raises(RelationChanged, match="changed its type from integer to text"):
        bench.changed(changed, {"op": "D", "c1": "1"})
    assert bench.everything() == before
    bench.warehouse.await_copy("journal-1", 100)
    bench.copied(changed, ["x", None, None])
    assert bench.query("select id, note, amount from public.orders") == [("x", None, None)]


def test_names_that_redshift_takes_for_one_get_a_number_and_keep_it(bench: RedshiftBench) -> None:
    first = relation(column(1, "Id", INT4), column(2, "id"), column(3, "ID"), name="Orders", oid=100)
    second = relation(column(1, "a", INT4), name="orders", oid=101)
    bench.copied(first, ["1", "x", "y"])
    bench.copied(second, ["2"])
    assert bench.query("select id, id_2, id_3 from public.orders") == [(1, "x", "y")]
    assert bench.query("select a from public.orders_2") == [(2,)]
    bench.changed(second, {"op": "U", "c1": "3"})
    wider = dataclasses.replace(first, columns=(*first.columns[1:], column(4, "iD")), key=(2,))
    bench.warehouse.await_copy("journal-1", 100)
    bench.copied(wider, ["p", "q", "r"])
    assert bench.query("select id_2, id_3, id from public.orders") == [("p", "q", "r")]
    assert bench.query("select a from public.orders_2 order by 1") == [(2,), (3,)]


def test_columns_with_the_names_of_system_columns_get_a_number(bench: RedshiftBench) -> None:
    bench.copied(relation(column(1, "oid", INT4), column(2, "ctid"), name="odd"), ["1", "x"])
    assert bench.query("select oid_2, ctid_2 from public.odd") == [(1, "x")]


def test_an_empty_target_of_the_right_shape_is_taken_and_any_other_left_alone(bench: RedshiftBench) -> None:
    bench.execute("create table public.orders (id integer, note varchar(65535), amount integer, mine date)")
    bench.copied(ORDERS, ["1", "a", "1"])
    assert bench.rows() == [(1, "a", 1, None)]
    for number, ddl in enumerate(
        (
            "create table public.t{} (id integer, note varchar(65535))",
            "create table public.t{} (id integer, note varchar(65535), amount bigint)",
            "create table public.t{} (id integer, note varchar(65535), amount integer, must integer not null)",
            "create view public.t{} as select 1 as id",
        )
    ):
        bench.execute(ddl.format(number))
        with pytest.raises(TargetNotOurs, match=rf"public\.t{number}"):
            bench.copied(dataclasses.replace(ORDERS, oid=200 + number, name=f"t{number}"))


@pytest.mark.parametrize(
    ("mischief", "words"),
    [
        ("alter table public.orders drop column note", "lost 'note'"),
        ("alter table public.orders add column mine integer not null default 5", None),
        ("alter table public.orders add column mine integer", None),
        ("drop table public.orders", "no longer in the warehouse"),
    ],
)
def test_an_altered_target_stops_by_name_and_a_new_copy_mends_it(
    bench: RedshiftBench, mischief: str, words: str | None
) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    bench.execute(mischief)
    if words is None:
        bench.changed(ORDERS, {"op": "U", "c1": "2", "c2": "a"})
        assert len(bench.rows()) == 2
        return
    with pytest.raises(WarehouseError, match=words):
        bench.changed(ORDERS, {"op": "U", "c1": "2", "c2": "a"})
    bench.warehouse.await_copy("journal-1", 100)
    bench.copied(ORDERS, ["5", "e", "5"])
    assert bench.query("select id, note, amount from public.orders") == [(5, "e", 5)]


def test_an_empty_target_of_another_pipeline_is_not_taken(bench: RedshiftBench) -> None:
    bench.copied(ORDERS)
    other = bench.other("crm")
    other.claim()
    with pytest.raises(TargetNotOurs, match="filled by another pipeline"):
        other.copied(ORDERS, ["1", "a", "1"])


def test_columns_that_users_added_survive_changes_and_copies(bench: RedshiftBench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    bench.execute("alter table public.orders add column mine varchar(5)", "update public.orders set mine = 'x'")
    bench.changed(ORDERS, {"op": "P", "mask": "2", "f1": "1", "c1": "1", "c3": "9"})
    assert bench.rows() == [(1, "a", 9, "x")]
    bench.warehouse.await_copy("journal-1", 100)
    bench.copied(with_columns(*ORDERS.columns[:2]), ["2", "b"])
    assert bench.query("select id, note, mine from public.orders") == [(2, "b", None)]
    assert "amount" not in shape(bench)


def test_a_view_survives_a_copy_and_is_named_when_it_stands_in_the_way(bench: RedshiftBench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    bench.execute("create view public.notes as select note from public.orders")
    bench.warehouse.await_copy("journal-1", 100)
    bench.copied(ORDERS, ["2", "b", "2"])
    assert bench.query("select * from public.notes") == [("b",)]
    without = with_columns(ORDERS.columns[0], ORDERS.columns[2])
    before = bench.everything()
    with pytest.raises(WarehouseError, match=r"public\.notes depends on it") as caught:
        bench.changed(without, {"op": "D", "c1": "2"})
    assert "--table public.orders --cascade" in caught.value.remedy
    assert bench.everything() == before
    bench.warehouse.await_copy("journal-1", 100)
    with pytest.raises(WarehouseError, match=r"public\.notes depends on it"):
        bench.copied(without, ["3", "3"])
    bench.warehouse.await_copy("journal-1", 100, cascade=True)
    bench.copied(without, ["3", "3"])
    assert bench.rows() == [(3, 3)]
    assert bench.query("select 1 from pg_views where viewname = 'notes'") == []


def test_a_narrow_column_is_widened_before_the_load(bench: RedshiftBench) -> None:
    narrow = with_columns(ORDERS.columns[0], column(2, "note", VARCHAR_10))
    bench.copied(narrow, ["1", "a"])
    assert shape(bench)["note"] == "character varying(40)"
    bench.execute("alter table public.orders alter column note type varchar(5)")
    bench.changed(narrow, {"op": "U", "c1": "2", "c2": "0123456789"})
    assert shape(bench)["note"] == "character varying(40)"
    assert bench.rows() == [(1, "a"), (2, "0123456789")]


def test_two_tables_that_swapped_their_names_are_copied_again(bench: RedshiftBench) -> None:
    first, second = ORDERS, relation(column(1, "key"), oid=101, name="other")
    bench.copied(first, ["1", "first", None])
    bench.copied(second, ["2"])
    bench.warehouse.await_copy("journal-1", 100)
    bench.warehouse.await_copy("journal-1", 101)
    first, second = dataclasses.replace(first, name="other"), dataclasses.replace(second, name="orders")
    bench.copied(first, ["1", "first", None])
    bench.copied(second, ["2"])
    assert bench.query("select id, note, amount from public.other") == [(1, "first", None)]
    assert bench.query('select "key" from public.orders') == [("2",)]
    bench.changed(first, {"op": "U", "c1": "3"})
    bench.changed(second, {"op": "D", "c1": "2"})
    assert bench.query("select id from public.other order by id") == [(1,), (3,)]
    assert bench.query("select * from public.orders") == []


def test_a_new_source_table_with_the_name_of_a_recorded_one_is_refused(bench: RedshiftBench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    with pytest.raises(WarehouseError, match="another source table"):
        bench.copied(dataclasses.replace(ORDERS, oid=101), ["2", "b", "2"])
    assert bench.rows() == [(1, "a", 1)]


def test_what_redshift_cannot_hold_is_refused_by_name(bench: RedshiftBench) -> None:
    json_key = relation(column(1, "doc", PgType(oid=3802, typmod=-1, name="jsonb", kind=Kind.JSONB)), name="docs")
    for refused, words in (
        (dataclasses.replace(ORDERS, schema="RE_dms"), "re-dms's own tables"),
        (dataclasses.replace(ORDERS, columns=(), key=()), "has no column"),
        (relation(*(column(i, f"c{i}") for i in range(1, 1602))), "1601 columns"),
        (json_key, r"column 'doc' \(jsonb\) of its key would be super"),
    ):
        with pytest.raises(WarehouseError, match=words):
            bench.copied(refused)


def test_updates_of_a_table_without_a_key_are_refused_by_name(bench: RedshiftBench) -> None:
    bench.copied(COUNTED, ["1", None, "1"])
    with pytest.raises(
        WarehouseError, match=r"public\.orders: rows were updated or deleted, and the table has no key"
    ) as e:
        bench.changed(COUNTED, {"op": "X", "n": "1", "c1": "1", "c3": "1"}, {"op": "I", "n": "1", "c1": "2"})
    assert "give the table a primary key" in e.value.remedy
    assert bench.rows() == [(1, None, 1)]


def test_keys_are_not_null_and_no_primary_key_is_declared(bench: RedshiftBench) -> None:
    bench.copied(ORDERS, ["1", "a", "1"])
    found = bench.query('select "column", "notnull" from pg_table_def where tablename = \'orders\' order by 1')
    assert found == [("amount", False), ("id", True), ("note", False)]
    assert bench.query("select 1 from pg_constraint where contype in ('p', 'u', 'f')") == []


def test_the_layout_of_targets_follows_the_configuration(redshift_benches: Benches) -> None:
    bench = redshift_benches(
        design=("public.*=diststyle even", "public.orders=distkey(Id) compound sortkey(amount, note)")
    )
    with pytest.raises(ConfigurationError, match="has no column 'Id'"):
        bench.copied(ORDERS, ["1", "a", "1"])
    bench.copied(with_columns(column(1, "Id", INT4), *ORDERS.columns[1:]), ["1", "a", "1"])
    bench.copied(dataclasses.replace(ORDERS, oid=101, name="other"), ["1", "a", "1"])
    found = bench.query("select \"column\", distkey, sortkey from pg_table_def where tablename = 'orders' order by 1")
    assert found == [("amount", False, 1), ("id", True, 0), ("note", False, 2)]
