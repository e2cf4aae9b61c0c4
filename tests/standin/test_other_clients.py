"""sqlalchemy-redshift, a client that nobody here wrote: creates, writes, reads and reflects tables (issue's "How it is shown" 3).

What it sends is taken as it is. Its `get_columns` does not work with SQLAlchemy 2.1, whoever answers, so that here the answer to its
question is looked at; scripts/standin-clients runs it whole, under 2.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import redshift_connector
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ProgrammingError
from sqlalchemy_redshift import commands, dialect  # type: ignore[import-untyped]

from standin.fix_standin import ROLE, Clients

ROW = {
    "id": 7,
    "name": "Ärger \\ 'quoted'",
    "share": Decimal("1.500"),
    "fixed": "abc",
    "day": date(2020, 2, 29),
    "made": datetime(2020, 2, 29, 1, 2, 3, 456_789, tzinfo=UTC).replace(tzinfo=None),
    "seen": datetime(2020, 2, 29, 1, 2, 3, tzinfo=UTC),
    "doc": json.dumps({"a": [1, "x"]}),
    "ok": False,
    "ratio": 0.25,
}


@pytest.fixture
def engine(clients: Clients) -> Iterator[Engine]:
    """Its own engine over redshift_connector."""
    server = clients.server
    url = sa.URL.create(
        "redshift+redshift_connector", server.user, server.password, server.host, server.port, server.options.database
    )
    made = sa.create_engine(url, connect_args={"ssl": False})
    yield made
    made.dispose()


@pytest.fixture
def tables(engine: Engine, clients: Clients) -> sa.MetaData:
    """`users` and `orders` in a schema of the test's own, made by `create_all`."""
    metadata = sa.MetaData(schema=clients.schema())
    sa.Table(
        "users",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(40), nullable=False, unique=True, redshift_encode="lzo"),
        sa.Column("share", sa.Numeric(12, 3)),
        sa.Column("fixed", sa.CHAR(3)),
        sa.Column("day", sa.Date),
        sa.Column("made", sa.DateTime),
        sa.Column("seen", dialect.TIMESTAMPTZ),
        sa.Column("doc", dialect.SUPER),
        sa.Column("ok", sa.Boolean, server_default=sa.text("true")),
        sa.Column("ratio", sa.Double),
        redshift_diststyle="KEY",
        redshift_distkey="id",
        redshift_sortkey=["id", "name"],
    )
    sa.Table(
        "orders",
        metadata,
        sa.Column("number", sa.Integer, redshift_identity=(100, 10)),
        sa.Column("user_id", sa.BigInteger, sa.ForeignKey("users.id")),
        sa.Column("note", sa.String),
        redshift_diststyle="EVEN",
        redshift_interleaved_sortkey=["number", "user_id"],
        implicit_returning=False,
    )
    metadata.create_all(engine)
    return metadata


def table(metadata: sa.MetaData, name: str) -> sa.Table:
    return metadata.tables[f"{metadata.schema}.{name}"]


def test_tables_that_are_there_are_not_made_again(engine: Engine, tables: sa.MetaData) -> None:
    tables.create_all(engine)
    assert sa.inspect(engine).has_table("users", tables.schema)
    assert not sa.inspect(engine).has_table("nowhere", tables.schema)


def test_what_is_inserted_is_selected(engine: Engine, tables: sa.MetaData) -> None:
    users = table(tables, "users")
    with engine.begin() as connection:
        connection.execute(users.insert(), [ROW, ROW | {"id": 8, "name": "b", "doc": "null", "share": None}])
        connection.execute(users.update().where(users.c.id == 8).values(ratio=users.c.ratio * 2))
    with engine.connect() as connection:
        first, second = connection.execute(sa.select(users).order_by(users.c.id)).mappings().all()
    assert {**first, "doc": json.loads(first["doc"])} == ROW | {"doc": {"a": [1, "x"]}}
    assert second["ratio"] == 0.5


def test_rule_17_the_returning_that_sqlalchemy_adds_for_identities_is_refused(
    engine: Engine, tables: sa.MetaData
) -> None:
    """A table has to say implicit_returning=False, with the stand-in as with Redshift."""
    careless = sa.Table(
        "orders", sa.MetaData(), sa.Column("number", sa.Integer, primary_key=True), schema=tables.schema
    )
    with engine.begin() as connection, pytest.raises(ProgrammingError, match="RETURNING"):
        connection.execute(careless.insert())
    with engine.begin() as connection:
        connection.execute(table(tables, "orders").insert().values(note="x"))
        assert connection.execute(sa.select(table(tables, "orders").c.number)).scalar_one() == 100


def test_rule_17_its_delete_over_two_tables_is_a_delete_using(engine: Engine, tables: sa.MetaData) -> None:
    users, orders = table(tables, "users"), table(tables, "orders")
    with engine.begin() as connection:
        connection.execute(users.insert(), [ROW])
        connection.execute(orders.insert().values(user_id=7))
        deleted = connection.execute(users.delete().where(users.c.id == orders.c.user_id))
        assert deleted.rowcount == 1


def test_rule_14_its_rollback_undoes_what_was_inserted(engine: Engine, tables: sa.MetaData) -> None:
    users = table(tables, "users")
    with engine.connect() as connection:
        connection.execute(users.insert(), [ROW])
        connection.rollback()
        assert connection.execute(sa.select(sa.func.count()).select_from(users)).scalar_one() == 0


def test_rule_40_tables_and_views_are_listed(engine: Engine, tables: sa.MetaData) -> None:
    schema = tables.schema
    with engine.begin() as connection:
        connection.execute(sa.text(f"create view {schema}.bound as select id, name from {schema}.users"))
        late = f"create view {schema}.late as select id, name from {schema}.users with no schema binding"
        connection.execute(sa.text(late))
    inspector = sa.inspect(engine)
    assert sorted(inspector.get_table_names(schema)) == ["orders", "users"]
    assert sorted(inspector.get_view_names(schema)) == ["bound", "late"]
    for view in ("bound", "late"):
        definition = inspector.get_view_definition(view, schema)
        assert "users" in definition
        assert not definition.endswith(";")
        assert [each.name for each in columns(engine, view, schema)] == ["id", "name"]


def test_rule_40_nothing_of_the_stand_ins_own_is_listed(engine: Engine, tables: sa.MetaData) -> None:
    found = sa.inspect(engine).get_schema_names()
    assert tables.schema in found
    assert "public" in found
    assert [name for name in found if name and name.startswith("redshift_standin")] == []


def test_rule_40_a_late_binding_view_that_cannot_be_read_now_has_no_columns(
    engine: Engine, tables: sa.MetaData
) -> None:
    schema = tables.schema
    with engine.begin() as connection:
        connection.execute(sa.text(f"create view {schema}.late as select a from {schema}.later with no schema binding"))
        asked = sa.text(
            "select col_name from pg_get_late_binding_view_cols() cols(view_schema name, view_name name, col_name name,"
            " col_type varchar, col_num int) where view_schema = :schema"
        )
        assert connection.execute(asked, {"schema": schema}).all() == []
        connection.execute(sa.text(f"create table {schema}.later (a int)"))
        assert connection.execute(asked, {"schema": schema}).all() == [("a",)]


def test_rule_40_keys_that_nobody_enforces_are_reflected(engine: Engine, tables: sa.MetaData) -> None:
    schema, inspector = tables.schema, sa.inspect(engine)
    assert inspector.get_pk_constraint("users", schema) == {"constrained_columns": ["id"], "name": "users_pkey"}
    assert inspector.get_pk_constraint("orders", schema)["constrained_columns"] == []
    unique = [{"name": "users_name_key", "column_names": ["name"]}]
    assert inspector.get_unique_constraints("users", schema) == unique
    (foreign,) = inspector.get_foreign_keys("orders", schema)
    assert foreign["constrained_columns"] == ["user_id"]
    assert foreign["referred_schema"] == schema
    assert foreign["referred_table"] == "users"
    assert foreign["referred_columns"] == ["id"]
    assert inspector.get_check_constraints("users", schema) == []


def test_rule_25_the_physical_design_is_reflected(engine: Engine, tables: sa.MetaData) -> None:
    inspector = sa.inspect(engine)
    assert inspector.get_table_options("users", tables.schema) == {
        "redshift_diststyle": "KEY",
        "redshift_distkey": "id",
        "redshift_sortkey": ("id", "name"),
        "redshift_interleaved_sortkey": None,
    }
    options = inspector.get_table_options("orders", tables.schema)
    assert options["redshift_diststyle"] == "EVEN"
    assert options["redshift_interleaved_sortkey"] == ("number", "user_id")


def columns(engine: Engine, name: str, schema: str | None) -> list[Any]:
    """The answer to the dialect's question for columns."""
    with engine.connect() as connection:
        found = engine.dialect._get_redshift_columns(connection, name, schema)  # type: ignore[attr-defined]
    return sorted(found, key=lambda each: (each.attnum or 0, each.name))


def test_rule_40_columns_are_described(engine: Engine, tables: sa.MetaData) -> None:
    found = columns(engine, "users", tables.schema)
    assert [(each.name, each.type, each.encode) for each in found][:3] == [
        ("id", "bigint", "none"),
        ("name", "character varying(40)", "lzo"),
        ("share", "numeric(12,3)", "none"),
    ]
    assert [each.type for each in found][3:] == [
        "character(3)",
        "date",
        "timestamp without time zone",
        "timestamp with time zone",
        "super",
        "boolean",
        "double precision",
    ]
    assert [each.name for each in found if each.notnull] == ["id", "name"]
    assert [(each.distkey, each.sortkey) for each in found][:3] == [(True, 1), (False, 2), (False, 0)]
    assert [each.default for each in found if each.default] == ["true"]


def test_rule_40_an_identity_is_told_as_a_default(engine: Engine, tables: sa.MetaData) -> None:
    number = columns(engine, "orders", tables.schema)[0]
    match = dialect.IDENTITY_RE.match(number.default)
    assert match is not None
    assert (match["seed"], match["step"]) == ("100", "10")


def test_rule_40_the_catalog_has_no_columns_of_a_newer_postgres(engine: Engine, tables: sa.MetaData) -> None:
    """SQLAlchemy's own way to reflect a whole schema asks for one; Redshift's pg_class is that of 8.0."""
    with pytest.raises(ProgrammingError, match="relpersistence does not exist"):
        sa.MetaData().reflect(engine, schema=tables.schema)


def test_rule_40_an_alias_in_where_yields_to_a_column(engine: Engine) -> None:
    """The dialect says `where schema = …` of its output column; a column of FROM goes first."""
    with engine.connect() as connection:
        alias = "select nspname as found from pg_namespace where found = 'public'"
        assert connection.execute(sa.text(alias)).all() == [("public",)]
        column = "select nspname as oid, 'x' as nspname from pg_namespace where oid = 2200 and nspname = 'public'"
        assert connection.execute(sa.text(column)).all() == [("public", "x")]


def test_rule_40_comments_are_reflected(engine: Engine, tables: sa.MetaData) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"comment on table {tables.schema}.users is 'people'"))
    assert sa.inspect(engine).get_table_comment("users", tables.schema) == {"text": "people"}


def test_rule_40_information_schema_knows_the_keys(engine: Engine, tables: sa.MetaData) -> None:
    used = sa.text(
        "select c.constraint_type, k.table_name, k.column_name, u.table_name, u.column_name"
        " from information_schema.table_constraints c"
        " join information_schema.key_column_usage k using (constraint_schema, constraint_name)"
        " join information_schema.constraint_column_usage u using (constraint_schema, constraint_name)"
        " where constraint_schema = :schema order by 1"
    )
    with engine.connect() as connection:
        assert connection.execute(used, {"schema": tables.schema}).all() == [
            ("FOREIGN KEY", "orders", "user_id", "users", "id"),
            ("PRIMARY KEY", "users", "id", "users", "id"),
            ("UNIQUE", "users", "name", "users", "name"),
        ]


def test_rule_4_its_copy_command_loads_a_file(engine: Engine, tables: sa.MetaData, clients: Clients) -> None:
    """With its values in the text: COPY takes no parameters."""
    orders = table(tables, "orders")
    url = clients.put("sqlalchemy/orders.csv", b'7,"a, b"\n8,\n')
    copy = commands.CopyCommand(
        [orders.c.user_id, orders.c.note], data_location=url, iam_role_arns=ROLE, format=commands.Format.csv
    )
    with engine.begin() as connection, pytest.raises(ProgrammingError, match="syntax error at or near"):
        connection.execute(copy)
    with engine.begin() as connection:
        connection.exec_driver_sql(str(copy.compile(engine, compile_kwargs={"literal_binds": True})))
        found = connection.execute(sa.select(orders.c.user_id, orders.c.note).order_by(orders.c.user_id)).all()
    assert found == [(7, "a, b"), (8, "")]


def test_its_unload_is_not_in_the_stand_in_yet(engine: Engine, tables: sa.MetaData, clients: Clients) -> None:
    unload = commands.UnloadFromSelect(
        select=sa.select(table(tables, "users")), unload_location=f"s3://{clients.bucket}/unload", iam_role_arns=ROLE
    )
    with engine.begin() as connection, pytest.raises(ProgrammingError, match="UNLOAD: not in the stand-in yet"):
        connection.execute(unload)


def test_rule_22_an_autocommitting_engine_widens_a_column(
    engine: Engine, tables: sa.MetaData, clients: Clients
) -> None:
    name = f"{tables.schema}.orders"
    widen = sa.text(f"alter table {name} alter column note type varchar(300)")
    with engine.begin() as connection, pytest.raises(ProgrammingError, match="25001"):
        connection.execute(widen)
    committing = sa.create_engine(engine.url, connect_args={"ssl": False}, isolation_level="AUTOCOMMIT")
    with committing.connect() as connection:
        connection.execute(widen)
    committing.dispose()
    assert columns(engine, "orders", tables.schema)[2].type == "character varying(300)"


def test_rule_13_a_block_may_begin_or_truncate_after_a_truncate_and_do_nothing_else(clients: Clients) -> None:
    """awswrangler does the one, dlt the other; what Redshift makes of an INSERT there is not known."""
    connection, schema = clients.psycopg(), clients.schema()
    connection.execute(f"create table {schema}.a (id int)")
    connection.execute(f"create table {schema}.b (id int)")
    connection.execute("begin")
    connection.execute(f"truncate {schema}.a")
    connection.execute(f"truncate {schema}.b")
    connection.execute("begin")
    connection.execute(f"insert into {schema}.a values (1)")
    connection.execute("rollback")
    assert connection.execute(f"select id from {schema}.a").fetchall() == []
    connection.execute("begin")
    connection.execute(f"truncate {schema}.a")
    with pytest.raises(Exception, match="after TRUNCATE has committed it"):
        connection.execute(f"insert into {schema}.a values (1)")
    connection.execute("rollback")


def test_set_session_authorization_default_is_taken_and_another_user_is_not(clients: Clients) -> None:
    """psycopg2 sends the one whenever a connection is used again."""
    connection = clients.psycopg()
    connection.execute("set session authorization default")
    with pytest.raises(Exception, match="SET SESSION AUTHORIZATION: not in the stand-in yet"):
        connection.execute("set session authorization somebody")


def test_rule_40_the_drivers_own_metadata_calls(clients: Clients) -> None:
    """What redshift_connector asks for schemas and tables; a subquery without an alias is part of it."""
    schema = clients.schema()
    clients.psycopg().execute(f"create table {schema}.t (id int)")
    with redshift_connector.connect(**clients.server.arguments) as connection, connection.cursor() as cursor:
        tables = cursor.get_tables(schema_pattern=schema)
        assert [tuple(row[1:4]) for row in tables] == [(schema, "t", "TABLE")]
        assert (schema, "t") in [tuple(row[1:3]) for row in cursor.get_tables()]
        assert schema in [row[0] for row in cursor.get_schemas(schema_pattern=schema)]
