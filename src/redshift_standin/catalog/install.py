"""Makes the backend's database fit: everything that the stand-in needs in it."""

from __future__ import annotations

from importlib import resources
from typing import Final

import psycopg
from psycopg import sql

# In this order: functions may compare texts, views read the side tables.
_PARTS: Final = ("operators.sql", "tables.sql", "functions.sql", "views.sql", "pg_views.sql")
SCHEMA: Final = "redshift_standin"
# In every search path, before pg_catalog: it holds nothing that a table's name could meet.
OPERATORS: Final = "redshift_standin_operators"
# Look-alikes of Postgres's catalogs and of information_schema.
HIDDEN: Final = (SCHEMA, OPERATORS, "redshift_standin_catalog", "redshift_standin_information")


def create_database(dsn: str, name: str) -> None:
    """A new, empty database; characters are compared by their bytes, as in Redshift."""
    statement = sql.SQL("create database {} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name)))


def install(dsn: str) -> None:
    """Schema `redshift_standin` with operators, functions, side tables and look-alike views; nothing if it is there."""
    with psycopg.connect(dsn) as connection:
        if connection.execute("select 1 from pg_namespace where nspname = %s", [SCHEMA]).fetchone():
            return
        for schema in (SCHEMA, OPERATORS):
            connection.execute(f"create schema {schema}")
            connection.execute(f"grant usage on schema {schema} to public")
        connection.execute(f"set local search_path = {OPERATORS}, pg_catalog, public")
        for part in _PARTS:
            connection.execute(resources.files(__package__).joinpath(part).read_text(encoding="utf-8"))
        connection.execute(f"grant select on all tables in schema {SCHEMA} to public")
        connection.execute("grant all on schema public to public")
