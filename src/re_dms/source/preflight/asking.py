"""How the checks ask, and how they list what they found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import sql

from re_dms.source.connection import Connection
from re_dms.source.failures import printable, reported
from re_dms.source.publication import PublishedTable

PLACE: Final = "source"
NAMED_MAX: Final = 5


def rows(connection: Connection, query: str, values: list[Any]) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    with reported("checking the source"):
        return connection.execute(query.encode(), values).fetchall()


def row(connection: Connection, query: str) -> tuple[Any, ...]:
    """The one row of a query."""
    return rows(connection, query, [])[0]


def oids(tables: Sequence[PublishedTable]) -> str:
    """An array of OIDs, for a parameter."""
    return "{" + ",".join(str(table.oid) for table in tables) + "}"


def listed(tables: Sequence[PublishedTable]) -> str:
    """The first few tables by name, for messages."""
    return printable(", ".join(table.full_name for table in tables[:NAMED_MAX])) + and_more(tables)


def and_more(items: Sequence[object]) -> str:
    """How many were not named."""
    return f" and {len(items) - NAMED_MAX} more" if len(items) > NAMED_MAX else ""


def quoted(tables: Sequence[PublishedTable]) -> str:
    """The tables as SQL."""
    return sql.SQL(", ").join(sql.Identifier(table.schema, table.name) for table in tables).as_string(None)
