"""What never shows in the stream, read from the catalog: who is published, rewritten tables, partitions, labels of enums.

A change of a column's name or type comes with the next row of its table; these come with none, and rows would differ in
silence (protocol line 15). `xmin` of a catalog row names the transaction that wrote it last.
Source: https://www.postgresql.org/docs/current/catalogs.html and ddl-system-columns.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from re_dms.errors import SourceError
from re_dms.manifest import PublicationMark, Watched
from re_dms.source.failures import reported

_SCHEMAS_SINCE: Final = 150_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A partition below a published root. `writer` is the last transaction that wrote its pg_class row (a TRUNCATE does),
    `parent` what it is directly a partition of, `attached` the transaction that made it one. `created_so`: the same
    transaction made the table."""

    oid: int
    schema: str
    name: str
    parent: int
    filenode: int
    writer: int
    attached: int
    created_so: bool

    @property
    def full_name(self) -> str:
        """schema.table, for messages only (never for SQL)."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look at a table. `writer` is as for a leaf; `leaves` by OID, nodes between included."""

    watched: Watched
    writer: int
    leaves: Mapping[int, Leaf]


# `type` follows the types of the columns through domains, arrays and composites; only enums and composites are kept.
_LOOK: Final = """
with recursive wanted as (
    select c.oid, n.nspname, c.relname, c.relkind, c.relreplident, c.relfilenode, c.xmin::text::int8 as writer,
           n.oid as namespace
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = any (%(oids)s::oid[])
), attribute as (
    select a.attrelid, a.attnum, a.atttypid, case when a.atthasmissing then 0 else a.xmin::text::int8 end as writer
    from pg_attribute a where a.attrelid = any (%(oids)s::oid[]) and a.attnum > 0 and not a.attisdropped
), columns as (
    select attrelid, json_object_agg(attnum, writer) as columns from attribute group by attrelid
), used (attrelid, type) as (
    select distinct a.attrelid, a.atttypid from attribute a join pg_type t on t.oid = a.atttypid
    where t.typtype <> 'b' or t.typcategory = 'A'
    union
    select used.attrelid, next.type
    from used join pg_type t on t.oid = used.type
    cross join lateral (
        select t.typbasetype where t.typtype = 'd'
        union all select t.typelem where t.typcategory = 'A' and t.typelem <> 0
        union all select a.atttypid from pg_attribute a
                  where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) next (type)
), label as (
    select used.attrelid, json_object_agg(e.oid::int8, e.enumlabel) as labels
    from used join pg_enum e on e.enumtypid = used.type group by used.attrelid
), composite as (
    select used.attrelid, json_object_agg(t.oid::int8, (
        select string_agg(a.attnum || ':' || quote_ident(a.attname) || ':' || a.atttypid::int8 || ':' || a.atttypmod, ',' order by a.attnum)
        from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)) as composites
    from used join pg_type t on t.oid = used.type and t.typtype = 'c' group by used.attrelid
), tree (root, oid, parent, attached) as (
    select w.oid, i.inhrelid, i.inhparent, i.xmin::text::int8
    from wanted w join pg_inherits i on i.inhparent = w.oid where w.relkind = 'p'
    union all
    select tree.root, i.inhrelid, i.inhparent, i.xmin::text::int8 from tree join pg_inherits i on i.inhparent = tree.oid
), leaf as (
    select tree.root, json_agg(json_build_object(
        'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'parent', tree.parent::int8,
        'filenode', case when c.relkind = 'p' then 0 else c.relfilenode::int8 end, 'writer', c.xmin::text::int8,
        'attached', tree.attached, 'created_so', t.xmin::text::int8 = tree.attached)) as leaves
    from tree join pg_class c on c.oid = tree.oid join pg_namespace n on n.oid = c.relnamespace
    left join pg_type t on t.oid = c.reltype
    group by tree.root
), line (oid, up) as (
    select oid, oid from wanted
    union all
    select line.oid, i.inhparent from line join pg_inherits i on i.inhrelid = line.up
    join pg_class c on c.oid = i.inhrelid and c.relispartition
), membership as (
    select found.oid, array_agg(found.membership::int8 order by found.membership) as memberships
    from ({memberships}) found (oid, membership) group by found.oid
)
select w.oid::int8, w.nspname, w.relname, w.relreplident, w.relkind, w.relfilenode::int8, w.writer,
       columns.columns,
       (select coalesce(max(k.oid), max(i.indexrelid))::int8 from pg_index i
        left join pg_constraint k on k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u')
        where i.indrelid = w.oid and case when w.relreplident = 'i' then i.indisreplident else i.indisprimary end),
       membership.memberships, label.labels, composite.composites, leaf.leaves
from wanted w left join columns on columns.attrelid = w.oid left join label on label.attrelid = w.oid left join composite on composite.attrelid = w.oid
left join leaf on leaf.root = w.oid left join membership on membership.oid = w.oid
"""
_TABLES: Final = (
    "select line.oid, pr.oid from line join pg_publication_rel pr on pr.prrelid = line.up"
    " join pg_publication p on p.oid = pr.prpubid where p.pubname = %(publication)s"
)
_SCHEMAS: Final = (
    " union all select line.oid, pn.oid from line join pg_class c on c.oid = line.up"
    " join pg_publication_namespace pn on pn.pnnspid = c.relnamespace"
    " join pg_publication p on p.oid = pn.pnpubid where p.pubname = %(publication)s"
)


def look(connection: psycopg.Connection[Any], publication: str, oids: Iterable[int]) -> dict[int, Seen]:
    """The tables of these OIDs that exist, in one query however many they are. `publication`: "" for a plugin without
    one, whose stream names tables."""
    memberships = _TABLES + (_SCHEMAS if connection.info.server_version >= _SCHEMAS_SINCE else "")
    query = _LOOK.replace("{memberships}", memberships).encode()
    values = {"oids": "{" + ",".join(map(str, oids)) + "}", "publication": publication}
    with reported("watching the catalog"):
        rows = connection.execute(query, values).fetchall()
    return {row[0]: _seen(row, by_name=not publication) for row in rows}


def _seen(row: tuple[Any, ...], *, by_name: bool) -> Seen:
    _, schema, name, identity, kind, filenode, writer, columns, key, memberships, labels, composites, leaves = row
    found = {leaf["oid"]: Leaf(**leaf) for leaf in leaves or ()}
    watched = Watched(
        name=f"{schema}.{name}",
        identity=identity,
        filenode=0 if kind == "p" else filenode,
        columns={int(attnum): int(xid) for attnum, xid in (columns or {}).items()},
        key=key,
        memberships=tuple(memberships or ()),
        labels={int(label): text for label, text in (labels or {}).items()},
        composites={int(each): text or "" for each, text in (composites or {}).items()},
        leaves={each: leaf.filenode for each, leaf in found.items()},
        leaf_names={each: (leaf.schema, leaf.name) for each, leaf in found.items()} if by_name else {},
    )
    return Seen(watched=watched, writer=writer, leaves=found)


def read_publication(connection: psycopg.Connection[Any], name: str) -> PublicationMark | None:
    """The publication's own row; None when there is none."""
    query = "select oid::int8, xmin::text::int8, pubowner::int8 from pg_publication where pubname = %s"
    with reported("watching the publication"):
        row = connection.execute(query, [name]).fetchone()
    return None if row is None else PublicationMark(oid=row[0], writer=row[1], owner=row[2])


def published_oids(connection: psycopg.Connection[Any], name: str) -> set[int]:
    """The OIDs of all tables that the publication sends."""
    query = "select g.relid::int8 from pg_publication p, lateral pg_get_publication_tables(p.pubname) g where p.pubname = %s"
    with reported("watching the publication's tables"):
        return {row[0] for row in connection.execute(query, [name]).fetchall()}


def holds_unsent_rows(connection: psycopg.Connection[Any], leaf: Leaf) -> bool:
    """Whether a new partition may hold rows that were written before it became one, and thus were never sent.

    None if it is empty. If its own transaction made it a partition, only that transaction can have written such rows.
    """
    query = sql.SQL("select exists (select from {} where {})").format(
        sql.Identifier(leaf.schema, leaf.name),
        sql.SQL("xmin::text = {}").format(sql.Literal(str(leaf.attached))) if leaf.created_so else sql.SQL("true"),
    )
    try:
        with reported("looking into a new partition"):
            return bool(connection.execute(query).fetchall()[0][0])
    except SourceError:  # it may not be read, or has gone: what cannot be told counts as if it had rows
        return True


def divergences(known: Watched, seen: Seen, *, truncated_by: Collection[int], filled: Collection[int]) -> Iterator[str]:
    """What happened since `known` that no row of the stream tells, in words; nothing when all is as it was.

    `truncated_by`: xids of the TRUNCATEs that the stream has sent of this table. `filled`: new leaves that may hold rows
    from before they were attached. Pure.
    """
    now = seen.watched
    if known.memberships and now.memberships and not set(known.memberships) & set(now.memberships):
        yield "it was out of the publication for a time, or its row filter or column list changed"
    if known.key is not None and now.key is not None and known.key != now.key:
        yield "its key was dropped and made again"
    if any(now.labels.get(label, text) != text for label, text in known.labels.items()):
        yield "a label of an enum was renamed, and older rows hold it"
    if any(now.composites.get(each, text) != text for each, text in known.composites.items()):
        yield "a composite type was altered, and older rows hold it"
    if (
        known.filenode != now.filenode
        and seen.writer not in truncated_by
        and any(
            known.columns.get(attnum, 0) and xid and known.columns[attnum] != xid for attnum, xid in now.columns.items()
        )
    ):
        yield "it was rewritten by ALTER TABLE, and its older rows may hold other values"
    yield from _partitions(known, seen, truncated_by=truncated_by, filled=filled)


def _partitions(known: Watched, seen: Seen, *, truncated_by: Collection[int], filled: Collection[int]) -> Iterator[str]:
    for oid, leaf in seen.leaves.items():
        if oid not in known.leaves:
            if oid in filled:
                yield f"partition {leaf.full_name} was attached with rows"
        elif leaf.filenode != known.leaves[oid] and leaf.writer not in truncated_by:
            yield f"partition {leaf.full_name} was truncated or rewritten"
    if gone := [oid for oid in known.leaves if oid not in seen.leaves]:
        yield f"{len(gone)} of its partitions were detached or dropped"


def new_leaves(known: Watched, seen: Seen) -> Iterator[tuple[Leaf, bool]]:
    """Partitions that were not known, and whether how they came can be told: their direct parent was known before."""
    root_or_known = set(known.leaves)
    for oid, leaf in seen.leaves.items():
        if oid not in known.leaves and leaf.filenode:
            yield leaf, leaf.parent in root_or_known or leaf.parent not in seen.leaves
