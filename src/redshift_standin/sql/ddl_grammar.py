"""CREATE, ALTER, DROP, COMMENT and TRUNCATE: which of them, and the short ones themselves.

Source: AWS Database Developer Guide, "SQL commands" (c_SQL_commands).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from redshift_standin.errors import RedshiftError, not_yet, refused
from redshift_standin.names import TableName
from redshift_standin.sql.alter_grammar import read_alter_table, read_cascade
from redshift_standin.sql.ddl import CreateSchema, CreateTable, CreateTableAs, CreateView, Drop
from redshift_standin.sql.kinds import answer_by_name
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.statements import AlterIsolation, Comment, Statement, Truncate
from redshift_standin.sql.table_grammar import read_create_table, read_defining_query, read_new_columns
from redshift_standin.sql.user_grammar import read_alter_user, read_create_group, read_create_user

_SYSTEM_PREFIX: Final = "pg_"


# ---------------------------------------------------------------- create


def _create(reader: Reader) -> Statement:
    reader.expect("create")
    if reader.accept("or", "replace"):
        return _create_or_replace(reader)
    if reader.is_word("local", "temp", "temporary"):
        return _create_temporary(reader)
    if reader.is_word("table"):
        return read_create_table(reader, temporary=False)
    if reader.is_word("view"):
        return _view(reader, or_replace=False)
    if reader.is_word("schema"):
        return _schema(reader)
    if reader.is_word("user"):
        return read_create_user(reader)
    if reader.is_word("group"):
        return read_create_group(reader)
    raise answer_by_name(reader, "CREATE")


def _create_or_replace(reader: Reader) -> CreateView:
    if reader.is_word("view"):
        return _view(reader, or_replace=True)
    if reader.is_word("table", "temp", "temporary"):
        raise refused(f"CREATE OR REPLACE {reader.token.value.upper()} is not supported")
    raise answer_by_name(reader, "CREATE OR REPLACE")


def _create_temporary(reader: Reader) -> CreateTable | CreateTableAs:
    """[LOCAL] {TEMP | TEMPORARY} TABLE; LOCAL has no effect."""
    reader.accept("local")
    if not reader.accept_any("temp", "temporary"):
        reader.fail()
    if reader.is_word("view", "sequence", "recursive"):
        raise refused(f"CREATE TEMPORARY {reader.token.value.upper()} is not supported")
    return read_create_table(reader, temporary=True)


def _view(reader: Reader, *, or_replace: bool) -> CreateView:
    reader.expect("view")
    name = reader.expect_table()
    columns = read_new_columns(reader) if reader.is_operator("(") else None
    if reader.is_word("with"):
        raise refused("options of a view are not supported")
    reader.expect("as")
    query = read_defining_query(reader, "CREATE VIEW")
    late_binding = reader.accept("with", "no", "schema", "binding")
    if reader.is_word("with"):
        raise refused("WITH CHECK OPTION of a view is not supported")
    if late_binding and any(table.schema is None for table in query.reads):
        raise refused("All the relation names inside should be qualified when creating VIEW WITH NO SCHEMA BINDING.")
    return CreateView(name=name, query=query, columns=columns, or_replace=or_replace, late_binding=late_binding)


def _schema(reader: Reader) -> CreateSchema:
    """SCHEMA [IF NOT EXISTS] name [AUTHORIZATION user], or SCHEMA AUTHORIZATION user."""
    reader.expect("schema")
    if_not_exists = reader.accept("if", "not", "exists")
    name = "" if reader.is_word("authorization") else reader.expect_name()
    owner = reader.expect_name() if reader.accept("authorization") else ""
    name = name or owner
    if reader.is_word("quota"):
        raise not_yet("QUOTA of a schema")
    if reader.is_word("create", "grant"):
        raise not_yet("CREATE SCHEMA with the schema's elements")
    if name.startswith(_SYSTEM_PREFIX):
        raise RedshiftError("42939", f'unacceptable schema name "{name}"', detail='The prefix "pg_" is reserved.')
    return CreateSchema(name=name, if_not_exists=if_not_exists, authorization=owner)


# ---------------------------------------------------------------- drop


def _drop(reader: Reader) -> Drop:
    reader.expect("drop")
    match reader.token.value if reader.is_word("table", "view", "schema", "user", "group") else "":
        case "table":
            return _drop_relations(reader, "table")
        case "view":
            return _drop_relations(reader, "view")
        case "schema":
            return _drop_schemas(reader)
        case "user":
            return _drop_users(reader)
        case "group":
            reader.expect("group")
            return Drop(kind="group", names=(TableName(None, reader.expect_name()),))
        case _:
            raise answer_by_name(reader, "DROP")


def _drop_relations(reader: Reader, kind: Literal["table", "view"]) -> Drop:
    reader.expect(kind)
    if_exists = reader.accept("if", "exists")
    names = reader.separated(reader.expect_table)
    return Drop(kind=kind, names=tuple(names), if_exists=if_exists, cascade=read_cascade(reader))


def _drop_schemas(reader: Reader) -> Drop:
    reader.expect("schema")
    if_exists = reader.accept("if", "exists")
    names = _plain_names(reader)
    if reader.is_word("drop"):
        raise not_yet("DROP SCHEMA … DROP EXTERNAL DATABASE")
    return Drop(kind="schema", names=names, if_exists=if_exists, cascade=read_cascade(reader))


def _drop_users(reader: Reader) -> Drop:
    reader.expect("user")
    if_exists = reader.accept("if", "exists")
    return Drop(kind="user", names=_plain_names(reader), if_exists=if_exists)


def _plain_names(reader: Reader) -> tuple[TableName, ...]:
    return tuple(TableName(None, name) for name in reader.separated(reader.expect_name))


# ---------------------------------------------------------------- alter, comment, truncate


def _alter(reader: Reader) -> Statement:
    reader.expect("alter")
    if reader.is_word("table"):
        return read_alter_table(reader)
    if reader.is_word("user"):
        return read_alter_user(reader)
    if reader.is_word("database"):
        return _alter_database(reader)
    raise answer_by_name(reader, "ALTER")


def _alter_database(reader: Reader) -> AlterIsolation:
    reader.expect("database")
    database = reader.expect_name()
    if not reader.accept("isolation", "level"):
        raise not_yet("ALTER DATABASE other than ISOLATION LEVEL")
    if reader.accept("serializable"):
        return AlterIsolation(database=database, level="serializable")
    reader.expect("snapshot")
    return AlterIsolation(database=database, level="snapshot")


def _comment(reader: Reader) -> Comment:
    reader.expect("comment", "on")
    if reader.accept("table"):
        return Comment(kind="table", name=reader.expect_table(), text=_comment_text(reader))
    if reader.accept("view"):
        return Comment(kind="view", name=reader.expect_table(), text=_comment_text(reader))
    if reader.accept("schema"):
        return Comment(kind="schema", name=TableName(None, reader.expect_name()), text=_comment_text(reader))
    if reader.accept("column"):
        table, column = _column(reader)
        return Comment(kind="column", name=table, column=column, text=_comment_text(reader))
    raise answer_by_name(reader, "COMMENT ON")


def _column(reader: Reader) -> tuple[TableName, str]:
    """table.column or schema.table.column."""
    parts = [reader.expect_name()]
    while reader.accept_operator("."):
        parts.append(reader.expect_label())
    if len(parts) == 1:
        raise RedshiftError("42601", "column name must be qualified")
    if len(parts) > 3:
        raise RedshiftError("42601", "improper qualified name (too many dotted names)")
    return TableName(parts[0] if len(parts) == 3 else None, parts[-2]), parts[-1]


def _comment_text(reader: Reader) -> str | None:
    reader.expect("is")
    return None if reader.accept("null") else reader.expect_string()


def _truncate(reader: Reader) -> Truncate:
    reader.expect("truncate")
    reader.accept("table")
    if reader.is_word("only"):
        raise refused("TRUNCATE ONLY is not supported")
    table = reader.expect_table()
    if reader.is_word("cascade", "restrict", "restart", "continue"):
        raise refused(f"TRUNCATE … {reader.token.value.upper()} is not supported")
    return Truncate(table=table)


STATEMENTS: Final[dict[str, Callable[[Reader], Statement]]] = {
    "create": _create,
    "drop": _drop,
    "alter": _alter,
    "comment": _comment,
    "truncate": _truncate,
}
