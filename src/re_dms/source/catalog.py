"""What Postgres's catalog says about tables now: columns by attnum, types down to their base, keys, constants of old rows.

Source: https://www.postgresql.org/docs/current/catalogs.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from re_dms.pgtypes import KIND_BY_OID, Kind, PgType
from re_dms.schema import OldRows
from re_dms.source.failures import reported


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogColumn:
    """A column as it is now. `generated`: '' no, 's' stored, 'v' virtual. `old_rows` tells what an ADD COLUMN did.

    `printed` is the type as test_decoding prints it (format_type_be: no modifier) where only pg_catalog is searched,
    `bare` the same where the type's schema is searched too: `public.mood[]` and `mood[]`, both `integer`. `quoted` is
    the name as it prints it.
    """

    attnum: int
    name: str
    type: PgType
    printed: str
    bare: str
    quoted: str
    not_null: bool
    generated: str
    has_default: bool
    old_rows: OldRows
    missing: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogTable:
    """A table as it is now. Keys are attnums in the key's own order, empty when there is none.

    `primary_key` and `identity_index` are valid ones; a deferrable primary key is there with
    `primary_key_immediate` False and is no replica identity. `filenode` changes when the table is rewritten or
    truncated. `kind` is pg_class.relkind: r(elation) or p(artitioned) mostly.
    """

    oid: int
    schema: str
    name: str
    kind: str
    identity: str
    filenode: int
    columns: tuple[CatalogColumn, ...]
    primary_key: tuple[int, ...]
    primary_key_immediate: bool
    identity_index: tuple[int, ...]

    @property
    def full_name(self) -> str:
        """schema.table, for messages only (never for SQL)."""
        return f"{self.schema}.{self.name}"

    @property
    def partitioned(self) -> bool:
        """Whether its rows are in partitions."""
        return self.kind == "p"

    @property
    def identity_key(self) -> tuple[int, ...]:
        """The columns by which UPDATE and DELETE name the old row; empty: all (identity f) or none."""
        match self.identity:
            case "d":
                return self.primary_key if self.primary_key_immediate else ()
            case "i":
                return self.identity_index
            case _:
                return ()

    @property
    def generated_attnums(self) -> frozenset[int]:
        """Columns that the stream leaves out."""
        return frozenset(column.attnum for column in self.columns if column.generated)


# `chain` follows a column's type through domains (stage 0) and then through the elements of a true array (stage 1).
# int2vector and the like have elements, but their text is no array literal: they do not print by array_out. Neither
# is box[]: its delimiter is a semicolon.
# `attribute_of` follows the attributes of the columns' composite types through domains, so that their kinds are known.
# `type_schema` stands before `printed` if format_type had to say it; that of an array is its element's.
# A missing value is kept as an array of one; its text is the element's output, quoted as in any array. With one
# element array_to_string gives it back exactly (also for box, whose unquoted commas have split it).
_DESCRIBE: Final = """
with recursive wanted as (
    select c.oid, n.nspname, c.relname, c.relkind, c.relreplident, c.relfilenode
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = any (%s::oid[])
), attribute as (
    select a.* from pg_attribute a join wanted w on w.oid = a.attrelid where a.attnum > 0 and not a.attisdropped
), chain (type, current, stage) as (
    select distinct atttypid, atttypid, 0 from attribute
    union all
    select chain.type, case when t.typtype = 'd' then t.typbasetype else t.typelem end,
           chain.stage + case when t.typtype = 'd' then 0 else 1 end
    from chain join pg_type t on t.oid = chain.current
    where t.typtype = 'd'
       or chain.stage = 0 and t.typoutput = 'array_out'::regproc
          and (select e.typdelim from pg_type e where e.oid = t.typelem) = ','
), type as (
    select chain.type,
           max(t.oid::int8) filter (where stage = 0 and t.typtype <> 'd') as base,
           max(t.typtype::text) filter (where stage = 0 and t.typtype <> 'd') as base_kind,
           max(t.typcategory::text) filter (where stage = 0 and t.typtype <> 'd') as base_category,
           max(t.typname::text) filter (where stage = 0 and t.typtype <> 'd') as base_name,
           max(t.typrelid::int8) filter (where stage = 0 and t.typtype = 'c') as base_relation,
           max(t.oid::int8) filter (where stage = 1 and t.typtype <> 'd') as element,
           max(t.typtype::text) filter (where stage = 1 and t.typtype <> 'd') as element_kind,
           max(t.typcategory::text) filter (where stage = 1 and t.typtype <> 'd') as element_category,
           max(t.typname::text) filter (where stage = 1 and t.typtype <> 'd') as element_name,
           bool_or(stage = 0 and t.typdefault is not null) as has_default
    from chain join pg_type t on t.oid = chain.current
    group by chain.type
), attribute_of (relation, attnum, name, current) as (
    select a.attrelid, a.attnum, a.attname, a.atttypid
    from (select distinct base_relation from type) type
    join pg_attribute a on a.attrelid = type.base_relation and a.attnum > 0 and not a.attisdropped
    union all
    select f.relation, f.attnum, f.name, t.typbasetype
    from attribute_of f join pg_type t on t.oid = f.current where t.typtype = 'd'
), composite as (
    select f.relation, json_agg(json_build_object(
        'name', f.name, 'base', t.oid::int8, 'base_kind', t.typtype, 'base_category', t.typcategory,
        'base_name', t.typname, 'array', t.typoutput = 'array_out'::regproc
    ) order by f.attnum) as fields
    from attribute_of f join pg_type t on t.oid = f.current where t.typtype <> 'd'
    group by f.relation
), col as (
    select a.attrelid, json_agg(json_build_object(
        'attnum', a.attnum, 'name', a.attname, 'quoted', quote_ident(a.attname), 'oid', a.atttypid::int8, 'typmod', a.atttypmod,
        'type', format_type(a.atttypid, a.atttypmod), 'printed', format_type(a.atttypid, null),
        'type_schema', quote_ident(n.nspname) || '.', 'not_null', a.attnotnull, 'generated', a.attgenerated,
        'has_default', a.attgenerated = '' and (a.atthasdef or a.attidentity <> '' or t.has_default),
        'has_missing', a.atthasmissing and a.attmissingval is not null,
        'missing', case when a.atthasmissing then array_to_string(a.attmissingval::text::text[], ',') end,
        'base', t.base, 'base_kind', t.base_kind, 'base_category', t.base_category, 'base_name', t.base_name,
        'element', t.element, 'element_kind', t.element_kind, 'element_category', t.element_category,
        'element_name', t.element_name, 'fields', composite.fields
    ) order by a.attnum) as columns
    from attribute a join type t on t.type = a.atttypid left join composite on composite.relation = t.base_relation
    join pg_type own on own.oid = a.atttypid
    left join pg_type e on e.oid = own.typelem and format_type(a.atttypid, null) like '%%[]'
    join pg_namespace n on n.oid = coalesce(e.typnamespace, own.typnamespace)
    group by a.attrelid
), key as (
    select i.indrelid, i.indisprimary, i.indisreplident, i.indimmediate,
           (i.indkey::int2[])[0:i.indnkeyatts - 1] as columns
    from pg_index i join wanted w on w.oid = i.indrelid
    where i.indisvalid and (i.indisprimary or i.indisreplident)
)
select w.oid::int8, w.nspname, w.relname, w.relkind, w.relreplident, w.relfilenode::int8, col.columns,
       p.columns, p.indimmediate, i.columns
from wanted w
left join col on col.attrelid = w.oid
left join key p on p.indrelid = w.oid and p.indisprimary
left join key i on i.indrelid = w.oid and i.indisreplident and i.indimmediate
"""


def describe(connection: psycopg.Connection[Any], oids: Iterable[int]) -> dict[int, CatalogTable]:
    """The tables of these OIDs that exist, in one query however many they are.

    Inside a transaction with a snapshot: the tables as of that snapshot. For sessions made by `connect` only, since
    the text of missing values depends on their settings.
    """
    wanted = "{" + ",".join(str(oid) for oid in oids) + "}"
    with reported("reading the catalog"):
        rows = connection.execute(_DESCRIBE, [wanted]).fetchall()
    return {row[0]: _table(row) for row in rows}


def _table(row: tuple[Any, ...]) -> CatalogTable:
    oid, schema, name, kind, identity, filenode, columns, primary_key, immediate, identity_index = row
    return CatalogTable(
        oid=oid,
        schema=schema,
        name=name,
        kind=kind,
        identity=identity,
        filenode=filenode,
        columns=tuple(_column(column) for column in columns or ()),
        primary_key=tuple(primary_key or ()),
        primary_key_immediate=bool(immediate),
        identity_index=tuple(identity_index or ()),
    )


def _column(said: Mapping[str, Any]) -> CatalogColumn:
    old_rows = OldRows.NULL
    if said["has_missing"]:
        old_rows = OldRows.VALUE
    elif said["has_default"]:
        old_rows = OldRows.UNKNOWN
    return CatalogColumn(
        attnum=said["attnum"],
        name=said["name"],
        type=_type(said),
        quoted=said["quoted"],
        printed=said["printed"],
        bare=said["printed"].removeprefix(said["type_schema"]),
        not_null=said["not_null"],
        generated=said["generated"].strip(),
        has_default=said["has_default"],
        old_rows=old_rows,
        missing=said["missing"] if old_rows is OldRows.VALUE else None,
    )


def _type(said: Mapping[str, Any]) -> PgType:
    element = None
    if said["element"] is not None:
        element = _kind(said, "element")
        if element is Kind.OTHER and said["element_category"] == "A":
            element = Kind.ARRAY
    return PgType(
        oid=said["oid"],
        typmod=said["typmod"],
        name=said["type"],
        kind=Kind.ARRAY if element is not None else _kind(said, "base"),
        element=element,
        fields=tuple(
            (field["name"], Kind.ARRAY if field["array"] else _kind(field, "base")) for field in said["fields"] or ()
        ),
    )


def _kind(said: Mapping[str, Any], which: str) -> Kind:
    """The kind of a base type. String types of extensions (citext) are text; hstore is known by its name."""
    oid, kind, category, name = said[which], said[f"{which}_kind"], said[f"{which}_category"], said[f"{which}_name"]
    if oid in KIND_BY_OID:
        return KIND_BY_OID[oid]
    match kind, category, name:
        case "e", _, _:
            return Kind.ENUM
        case "c", _, _:
            return Kind.COMPOSITE
        case "b", _, "hstore":
            return Kind.HSTORE
        case _, "S", _:
            return Kind.TEXT
        case _:
            return Kind.OTHER
