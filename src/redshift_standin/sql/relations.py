"""Which relations there are to read and to write: tables of the user's, and a whitelist of system tables and views.

Source: AWS Database Developer Guide, "System tables and views reference", "System catalog tables".
"""

from __future__ import annotations

from typing import Final

from redshift_standin.errors import RedshiftError, not_yet
from redshift_standin.names import TableName, quote
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.scope import Scope, Source

# Views of the stand-in's own, in the backend's schema redshift_standin (catalog/views.sql).
_LOOK_ALIKES_NAMES = """
pg_table_def pg_user_info stl_load_commits stl_load_errors stv_db_isolation_level stv_locks stv_sessions
svv_all_columns svv_all_schemas svv_all_tables svv_columns svv_external_columns svv_external_schemas
svv_external_tables svv_redshift_columns svv_redshift_schemas svv_redshift_tables svv_table_info svv_tables
svv_transactions sys_load_detail sys_load_error_detail
"""
LOOK_ALIKES: Final = frozenset(_LOOK_ALIKES_NAMES.split())
# As they are in Postgres.
_CATALOGS_NAMES = """
pg_aggregate pg_am pg_cast pg_conversion pg_database pg_depend
pg_description pg_group pg_index pg_indexes pg_inherits pg_language pg_locks pg_opclass pg_operator
pg_proc pg_rewrite pg_settings pg_stat_activity pg_stat_user_tables pg_tablespace
"""
CATALOGS: Final = frozenset(_CATALOGS_NAMES.split())
_INFORMATION_SCHEMA_NAMES = """
columns constraint_column_usage key_column_usage referential_constraints schemata table_constraints tables views
"""
INFORMATION_SCHEMA: Final = frozenset(_INFORMATION_SCHEMA_NAMES.split())
SYSTEM_PREFIXES: Final = ("pg_", "stl_", "stv_", "svv_", "svl_", "sys_", "svcs_")
# Side tables of the stand-in's own, and the schemas of its look-alikes.
_HIDDEN_SCHEMA: Final = "redshift_standin"
# Postgres's own would tell the backend's types, columns that Redshift has not, and what the stand-in keeps (catalog/pg_views.sql).
_REDRAWN_NAMES = """
pg_attrdef pg_attribute pg_class pg_class_info pg_constraint pg_namespace pg_tables pg_type pg_user pg_views
"""
_REDRAWN: Final = frozenset(_REDRAWN_NAMES.split())


def read_relation(reader: Reader, scope: Scope) -> tuple[str, Source]:
    """A relation in FROM: the backend's text, and the source without an alias. User relations are added to `reads`.

    Raises RedshiftError: 42P01 for a system relation that is not known here, 3F000 for a hidden schema.
    """
    name = _read_qualified(reader, scope)
    if name.schema is None and scope.has_cte(name.name):
        return quote(name.name), Source(name.name)
    system = _system_schema(name)
    if system:
        if name.schema == "information_schema" or name.name.startswith(("pg_", "svv_")):
            scope.gathered.leader = True
        qualified = f'"{system}".{quote(name.name)}'
        public = "information_schema" if name.schema == "information_schema" else "pg_catalog"
        return qualified, Source(name.name, TableName(public, name.name), qualified)
    _refuse_hidden(name)
    scope.gathered.reads.add(name)
    return name.quoted, Source(name.name, name, name.quoted if name.schema else "")


def read_target(reader: Reader, scope: Scope) -> TableName:
    """The table that a statement writes to; system relations are read-only."""
    name = _read_qualified(reader, scope)
    if _system_schema(name):
        raise RedshiftError("42501", f'permission denied: "{name.name}" is a system catalog')
    _refuse_hidden(name)
    return name


def _read_qualified(reader: Reader, scope: Scope) -> TableName:
    name = reader.expect_table()
    navigated = any(source.label == name.schema for each in scope.around() for source in each.sources)
    if (name.schema and navigated) or reader.is_operator("["):
        raise not_yet("unnesting of SUPER arrays in FROM")
    if reader.is_operator("."):
        raise not_yet("names with a database in front")
    return name


def _system_schema(name: TableName) -> str:
    """The backend's schema of a system relation, "" for a user's."""
    if name.schema == "information_schema":
        return f"{_HIDDEN_SCHEMA}_information" if name.name in INFORMATION_SCHEMA else ""
    if name.schema in (None, "pg_catalog"):
        if name.name in LOOK_ALIKES:
            return _HIDDEN_SCHEMA
        if name.name in _REDRAWN:
            return f"{_HIDDEN_SCHEMA}_catalog"
        if name.name in CATALOGS:
            return "pg_catalog"
    return ""


def _refuse_hidden(name: TableName) -> None:
    """What looks like a system relation and is none of the whitelist."""
    if name.schema in ("pg_catalog", "information_schema") or (
        name.schema is None and name.name.startswith(SYSTEM_PREFIXES)
    ):
        raise RedshiftError("42P01", f'relation "{name}" does not exist')
    if name.schema is not None and (name.schema.startswith((_HIDDEN_SCHEMA, "pg_"))):
        raise RedshiftError("3F000", f'schema "{name.schema}" does not exist')
