"""Row filters that a stream cannot follow: refused before anything begins (protocol line 13).

An UPDATE by which a row enters the filter is sent as an INSERT, and a large value that the UPDATE did not touch is not in
it: the target has no row to take it from. Under REPLICA IDENTITY FULL the server has the old row and fills it in.
Source: src/backend/replication/pgoutput/pgoutput.c, pgoutput_row_filter
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from re_dms.errors import ConfigurationError
from re_dms.source.failures import printable, reported

_TOASTABLE = """
select c.oid::int8, n.nspname, c.relname, array_agg(a.attnum order by a.attnum), array_agg(a.attname::text order by a.attnum)
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
where c.oid = any (%s::oid[]) and c.relreplident <> 'f' and a.attnum > 0 and not a.attisdropped
  and a.attlen = -1 and a.attstorage <> 'p' and a.attgenerated = ''
group by 1, 2, 3 order by 2, 3
"""


def require_safe_filters(
    connection: psycopg.Connection[Any], filtered: Sequence[tuple[int, tuple[int, ...] | None]]
) -> None:
    """`filtered`: OID and column list (None: all columns) of the tables with a row filter.

    Raises ConfigurationError for those that can send a row without a value that is stored out of line.
    """
    if not filtered:
        return
    lists = dict(filtered)
    with reported("reading the filtered tables"):
        rows = connection.execute(_TOASTABLE, ["{" + ",".join(map(str, lists)) + "}"]).fetchall()
    found = []
    for oid, schema, name, attnums, names in rows:
        sent = lists[oid]
        large = [column for attnum, column in zip(attnums, names, strict=True) if sent is None or attnum in sent]
        if large:
            table = sql.Identifier(schema, name).as_string(None)
            listed = ", ".join(map(repr, large[:5]))
            found.append(f"{printable(f'{schema}.{name}')} ({listed}) — alter table {table} replica identity full;")
    if found:
        raise ConfigurationError(
            "a row that enters the row filter can come without its large values, which nobody could fill in:\n  "
            + "\n  ".join(found),
            remedy="run the SQL beside each table, leave these columns out by a column list, or drop the filter",
        )
