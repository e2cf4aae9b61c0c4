-- Look-alikes of Postgres's own catalogs, with the columns that Redshift's have: those of Postgres 8.0 and its additions
-- (AWS guide, "System catalog tables" and PG_CLASS_INFO; names that no page has are those that drivers select). What the stand-in
-- keeps for itself is not seen. In a schema that is in no search path: bare names must go on meaning Postgres's own.
create schema redshift_standin_catalog;
grant usage on schema redshift_standin_catalog to public;

-- Numbers for what has none in the backend: late-binding views and keys.
create function redshift_standin.made_oid(text) returns oid language sql immutable strict parallel safe
    as $$ select ((pg_catalog.hashtext($1)::bigint & 1073741823) + 3221225472)::oid $$;

-- The backend's own superuser is the one that AWS keeps for itself.
create function redshift_standin.pg_get_userbyid(oid) returns name language sql stable strict parallel safe
    as $$ select case when $1 operator(pg_catalog.=) 10 then 'rdsdb'::name else pg_catalog.pg_get_userbyid($1) end $$;

create view redshift_standin_catalog.pg_namespace as
    select space.oid, space.nspname, coalesce(owner.usesysid, data.datdba) as nspowner, space.nspacl
    from pg_catalog.pg_namespace space
    join pg_catalog.pg_database data on data.datname = current_database()
    -- Since Postgres 14 the owner of public is a role that nobody is.
    left join pg_catalog.pg_user owner on owner.usesysid = space.nspowner
    where not starts_with(space.nspname::text, 'redshift_standin');

create view redshift_standin_catalog.late_view as
    select redshift_standin.made_oid(late.schema || '.' || late.name) as oid, late.schema, late.name, late.query, late.columns,
        space.oid as relnamespace, space.nspowner as relowner
    from redshift_standin.late_view late join redshift_standin_catalog.pg_namespace space on space.nspname = late.schema::name;

create view redshift_standin_catalog.pg_class as
    select class.oid, class.relname, class.relnamespace, class.reltype, class.relowner, class.relam, class.relfilenode, class.reltablespace,
        class.relpages, greatest(class.reltuples, 0)::real as reltuples, class.reltoastrelid, 0::oid as reltoastidxid, class.relhasindex,
        class.relisshared, class.relkind, class.relnatts, 0::oid as relexternid, false as relisreplicated, false as relispinned,
        case design.diststyle when 'even' then 0 when 'key' then 1 when 'all' then 8 when 'auto' then 9 else 0 end::smallint as reldiststyle,
        0::oid as relprojbaseid, 0::smallint as relchecks, 0::smallint as reltriggers, 0::smallint as relukeys, 0::smallint as relfkeys,
        0::smallint as relrefs, false as relhasoids,
        exists (select from redshift_standin.constraint_info info where info.oid = class.oid and info.kind = 'primary key') as relhaspkey,
        class.relhasrules, class.relhassubclass, class.relacl
    from pg_catalog.pg_class class
    join redshift_standin_catalog.pg_namespace space on space.oid = class.relnamespace
    left join redshift_standin.table_info design on design.oid = class.oid
    where class.relkind not in ('S', 't')
        and not exists (select from redshift_standin_catalog.late_view late where late.relnamespace = class.relnamespace and late.name = class.relname::text)
    union all
    select oid, name::name, relnamespace, 0, relowner, 0, 0, 0, 0, 0, 0, 0, false, false, 'v', 0, 0, false, false, 0, 0, 0, 0, 0, 0, 0, false, false, true,
        false, null
    from redshift_standin_catalog.late_view;

create view redshift_standin_catalog.pg_class_info as
    select oid as reloid, relname, relnamespace, reltype, relowner, relam, relfilenode, reltablespace, relpages, reltuples, reltoastrelid,
        reltoastidxid, relhasindex, relisshared, relkind, relnatts, relexternid, relisreplicated, relispinned, reldiststyle, relprojbaseid,
        relchecks, reltriggers, relukeys, relfkeys, relrefs, relhasoids, relhaspkey, relhasrules, relhassubclass, relacl,
        null::timestamp as relcreationtime, case reldiststyle when 9 then 11 else reldiststyle end::int as releffectivediststyle
    from redshift_standin_catalog.pg_class;

-- atttypid and atttypmod are those of the wire: SUPER is 4000, VARBYTE 6551 with its length and four, as VARCHAR has it.
create view redshift_standin_catalog.pg_attribute as
    select attribute.attrelid, attribute.attname,
        case attribute.atttypid when 'jsonb'::regtype then 4000 when 'bytea'::regtype then 6551 else attribute.atttypid end::oid as atttypid,
        coalesce(attribute.attstattarget, -1)::int as attstattarget, attribute.attlen, attribute.attnum, attribute.attndims::int as attndims, -1 as attcacheoff,
        case when attribute.atttypid = 'bytea'::regtype then coalesce(substring(kept.type, '\((\d+)\)')::int, 64000) + 4 else attribute.atttypmod end as atttypmod,
        attribute.attbyval, attribute.attstorage, attribute.attalign, attribute.attnotnull, attribute.atthasdef or attribute.attidentity <> '' as atthasdef,
        attribute.attisdropped, attribute.attislocal, attribute.attinhcount::int as attinhcount, coalesce(shown.distkey, false) as attisdistkey,
        false as attispreloaded, coalesce(shown.sortkey, 0) as attsortkeyord,
        coalesce(array_position(redshift_standin.encodings(), nullif(shown.encode, 'raw')) - 1, 0)::smallint as attencodingtype, 0::smallint as attencrypttype
    from pg_catalog.pg_attribute attribute
    join redshift_standin_catalog.pg_class class on class.oid = attribute.attrelid
    left join redshift_standin.column_info kept on kept.oid = attribute.attrelid and kept.attnum = attribute.attnum
    left join redshift_standin.user_column shown on shown.oid = attribute.attrelid and shown.attnum = attribute.attnum;

-- adbin is a text in Redshift, and an identity is a default.
create view redshift_standin_catalog.pg_attrdef as
    select oid, adrelid, adnum, pg_catalog.pg_get_expr(adbin, adrelid) as adbin, pg_catalog.pg_get_expr(adbin, adrelid) as adsrc from pg_catalog.pg_attrdef
    union all
    select numbers.seqrelid, attribute.attrelid, attribute.attnum, told, told
    from pg_catalog.pg_attribute attribute
    join pg_catalog.pg_depend dependency on dependency.refclassid = 'pg_class'::regclass and dependency.refobjid = attribute.attrelid
        and dependency.refobjsubid = attribute.attnum and dependency.classid = 'pg_class'::regclass and dependency.deptype = 'i'
    join pg_catalog.pg_sequence numbers on numbers.seqrelid = dependency.objid
    cross join lateral (select format('%s(%s, %s, ''%s,%s''::text)', case attribute.attidentity when 'a' then '"identity"' else '"default_identity"' end,
        attribute.attrelid, attribute.attnum - 1, numbers.seqstart, numbers.seqincrement) as told) text
    where attribute.attidentity <> '' and not attribute.attisdropped;

create function redshift_standin.column_numbers(relation oid, names text[]) returns smallint[] language sql stable parallel safe as $$
    select array_agg(attribute.attnum order by given.place)
    from unnest(names) with ordinality as given (name, place)
    join pg_catalog.pg_attribute attribute on attribute.attrelid = relation and attribute.attname = given.name::name and not attribute.attisdropped
$$;

-- Keys that nobody enforces; Postgres's own constraints are only the stand-in's checks of its types.
create view redshift_standin_catalog.key as
    select redshift_standin.made_oid(info.oid::text || '.' || info.name) as oid, info.name, info.kind, info.oid as relation, class.relnamespace, space.nspname,
        class.relname, info.columns, other.oid as other, other_space.nspname as other_schema, other.relname as other_name,
        case when info.kind = 'foreign key' then
            coalesce(nullif(info.referenced_columns, '{}'), (select columns from redshift_standin.constraint_info main where main.oid = other.oid and main.kind = 'primary key'), '{}')
        end as other_columns
    from redshift_standin.constraint_info info
    join pg_catalog.pg_class class on class.oid = info.oid
    join pg_catalog.pg_namespace space on space.oid = class.relnamespace
    left join pg_catalog.pg_class other on info.kind = 'foreign key' and other.oid = coalesce(
        to_regclass(quote_ident(coalesce(info.referenced_schema, space.nspname::text)) || '.' || quote_ident(info.referenced_table)),
        to_regclass(quote_ident(info.referenced_table)))
    left join pg_catalog.pg_namespace other_space on other_space.oid = other.relnamespace;

create view redshift_standin_catalog.pg_constraint as
    select oid, name::name as conname, relnamespace as connamespace,
        case kind when 'primary key' then 'p' when 'unique' then 'u' else 'f' end::"char" as contype, false as condeferrable, false as condeferred,
        relation as conrelid, 0::oid as contypid, coalesce(other, 0) as confrelid,
        case when kind = 'foreign key' then 'a' else ' ' end::"char" as confupdtype, case when kind = 'foreign key' then 'a' else ' ' end::"char" as confdeltype,
        case when kind = 'foreign key' then 'u' else ' ' end::"char" as confmatchtype, redshift_standin.column_numbers(relation, columns) as conkey,
        redshift_standin.column_numbers(other, other_columns) as confkey, null::text as conbin, null::text as consrc
    from redshift_standin_catalog.key;

create view redshift_standin_catalog.pg_type as
    select case type.oid when 'jsonb'::regtype then 4000 when 'bytea'::regtype then 6551 else type.oid end::oid as oid,
        case type.oid when 'jsonb'::regtype then 'super' when 'bytea'::regtype then 'varbyte' else type.typname end::name as typname,
        type.typnamespace, type.typowner, type.typlen, type.typbyval, type.typtype, type.typisdefined, type.typdelim, type.typrelid, type.typelem,
        type.typinput, type.typoutput, type.typreceive, type.typsend, type.typanalyze, type.typalign, type.typstorage, type.typnotnull,
        type.typbasetype, type.typtypmod, type.typndims::int as typndims, type.typdefaultbin::text as typdefaultbin, type.typdefault
    from pg_catalog.pg_type type
    join redshift_standin_catalog.pg_namespace space on space.oid = type.typnamespace
    where type.typtype in ('b', 'c', 'p') and type.typname <> 'super';

create view redshift_standin_catalog.pg_tables as
    select schemaname, tablename, tableowner, tablespace, hasindexes, hasrules, hastriggers from pg_catalog.pg_tables
    where not starts_with(schemaname::text, 'redshift_standin');

create view redshift_standin_catalog.pg_views as
    select space.nspname as schemaname, class.relname as viewname, redshift_standin.pg_get_userbyid(class.relowner) as viewowner,
        coalesce(late.query, pg_catalog.pg_get_viewdef(class.oid)) as definition
    from redshift_standin_catalog.pg_class class
    join redshift_standin_catalog.pg_namespace space on space.oid = class.relnamespace
    left join redshift_standin_catalog.late_view late on late.oid = class.oid
    where class.relkind = 'v';

create view redshift_standin_catalog.pg_user as
    select redshift_standin.pg_get_userbyid(usesysid) as usename, usesysid::int as usesysid, usecreatedb, usesuper, false as usecatupd,
        passwd, valuntil, useconfig
    from pg_catalog.pg_user;

-- ---------------------------------------------------------------- functions over them

create function redshift_standin.pg_get_expr(text, oid, boolean default false) returns text language sql immutable strict parallel safe as $$ select $1 $$;
create function redshift_standin.pg_get_expr(pg_node_tree, oid, boolean default false) returns text language sql stable strict parallel safe
    as $$ select pg_catalog.pg_get_expr($1, $2, $3) $$;

create function redshift_standin.pg_get_constraintdef(oid, boolean default false) returns text language sql stable strict parallel safe as $$
    select upper(key.kind) || ' (' || (select string_agg(quote_ident(name), ', ' order by place) from unnest(key.columns) with ordinality as given (name, place))
        || ')' || case when key.kind operator(pg_catalog.=) 'foreign key' then ' REFERENCES '
            || case when pg_catalog.pg_table_is_visible(key.other) then '' else quote_ident(key.other_schema) || '.' end || quote_ident(key.other_name) || '('
            || (select string_agg(quote_ident(name), ', ' order by place) from unnest(key.other_columns) with ordinality as given (name, place)) || ')'
            else '' end
    from redshift_standin_catalog.key where key.oid operator(pg_catalog.=) $1
$$;

create function redshift_standin.pg_get_viewdef(oid, boolean default false) returns text language sql stable strict parallel safe as $$
    select coalesce((select query || ';' from redshift_standin_catalog.late_view where oid operator(pg_catalog.=) $1), pg_catalog.pg_get_viewdef($1, $2))
$$;

-- A late-binding view whose query fails now has no columns (AWS guide, PG_GET_LATE_BINDING_VIEW_COLS). To know them, a view is made for a moment.
create function redshift_standin.pg_get_late_binding_view_cols() returns setof record language plpgsql volatile as $$
declare
    late record;
    listed text;
begin
    for late in select view.schema, view.name, view.query, view.columns from redshift_standin.late_view view loop
        listed := (select '(' || string_agg(quote_ident(name), ', ' order by place) || ')' from unnest(late.columns) with ordinality as given (name, place));
        begin
            execute format('create temporary view "redshift standin late" %s as %s', coalesce(listed, ''), late.query);
        exception when others then
            continue;
        end;
        return query select late.schema::name, late.name::name, attribute.attname, redshift_standin.format_type(attribute.atttypid, attribute.atttypmod)::varchar,
            attribute.attnum::int
            from pg_catalog.pg_attribute attribute
            where attribute.attrelid = 'pg_temp."redshift standin late"'::regclass and attribute.attnum > 0;
        drop view pg_temp."redshift standin late";
    end loop;
end
$$;

-- ---------------------------------------------------------------- external tables: there are none

create view redshift_standin.svv_external_schemas as
    select 0::oid as esoid, 0::smallint as eskind, ''::text as schemaname, 0 as esowner, ''::text as databasename, ''::text as esoptions where false;
create view redshift_standin.svv_external_tables as
    select ''::text as redshift_database_name, ''::text as schemaname, ''::text as tablename, ''::text as tabletype, ''::text as location,
        ''::text as input_format, ''::text as output_format, ''::text as serialization_lib, ''::text as serde_parameters, 0 as compressed,
        ''::text as parameters where false;
create view redshift_standin.svv_external_columns as
    select ''::text as redshift_database_name, ''::text as schemaname, ''::text as tablename, ''::text as columnname, ''::text as external_type,
        0 as columnnum, 0 as part_key, ''::text as is_nullable where false;

-- ---------------------------------------------------------------- information_schema

create view redshift_standin_information.schemata as
    select catalog_name, schema_name, schema_owner, default_character_set_catalog, default_character_set_schema, default_character_set_name, sql_path
    from information_schema.schemata where not starts_with(schema_name::text, 'redshift_standin');
create view redshift_standin_information.tables as
    select table_catalog, table_schema, table_name, table_type, self_referencing_column_name, reference_generation, user_defined_type_catalog,
        user_defined_type_schema, user_defined_type_name as user_defined_name
    from information_schema.tables where not starts_with(table_schema::text, 'redshift_standin')
    union
    select current_database(), schema, name, 'VIEW', null, null, null, null, null from redshift_standin.late_view;
create view redshift_standin_information.views as
    select table_catalog, table_schema, table_name, view_definition, check_option, is_updatable, is_insertable_into
    from information_schema.views where not starts_with(table_schema::text, 'redshift_standin');
create view redshift_standin_information.table_constraints as
    select current_database()::text as constraint_catalog, nspname::text as constraint_schema, name as constraint_name,
        current_database()::text as table_catalog, nspname::text as table_schema, relname::text as table_name, upper(kind) as constraint_type,
        'NO'::text as is_deferrable, 'NO'::text as initially_deferred
    from redshift_standin_catalog.key;
create view redshift_standin_information.key_column_usage as
    select current_database()::text as constraint_catalog, nspname::text as constraint_schema, name as constraint_name,
        current_database()::text as table_catalog, nspname::text as table_schema, relname::text as table_name, given.column_name,
        given.ordinal_position::int as ordinal_position
    from redshift_standin_catalog.key, unnest(columns) with ordinality as given (column_name, ordinal_position);
create view redshift_standin_information.constraint_column_usage as
    select current_database()::text as table_catalog, coalesce(other_schema, nspname)::text as table_schema, coalesce(other_name, relname)::text as table_name,
        given.column_name, current_database()::text as constraint_catalog, nspname::text as constraint_schema, name as constraint_name
    from redshift_standin_catalog.key, unnest(coalesce(other_columns, columns)) as given (column_name);
create view redshift_standin_information.referential_constraints as
    select current_database()::text as constraint_catalog, key.nspname::text as constraint_schema, key.name as constraint_name,
        current_database()::text as unique_constraint_catalog, unique_key.nspname::text as unique_constraint_schema, unique_key.name as unique_constraint_name,
        'NONE'::text as match_option, 'NO ACTION'::text as update_rule, 'NO ACTION'::text as delete_rule
    from redshift_standin_catalog.key
    left join redshift_standin_catalog.key unique_key on unique_key.relation = key.other and unique_key.columns = key.other_columns
        and unique_key.kind <> 'foreign key'
    where key.kind = 'foreign key';

grant select on all tables in schema redshift_standin_catalog to public;
grant select on all tables in schema redshift_standin_information to public;
