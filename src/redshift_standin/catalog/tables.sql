-- Side tables: what Redshift keeps of a table and Postgres does not. Names here are those of the backend.
create table redshift_standin.table_info (
    oid oid primary key,
    diststyle text not null default 'auto',
    distkey text,
    sort text not null default 'auto',
    sortkey text[] not null default '{}',
    encode_auto boolean not null default true,
    backup boolean not null default true
);

create table redshift_standin.column_info (
    oid oid,
    attnum int2,
    type text not null,
    encode text not null default '',
    primary key (oid, attnum)
);

-- Informational constraints.
create table redshift_standin.constraint_info (
    oid oid not null,
    name text not null,
    kind text not null,
    columns text[] not null,
    referenced_schema text,
    referenced_table text,
    referenced_columns text[],
    primary key (oid, name)
);

-- Late-binding views live here; the backend's view is made when a query needs it and dropped when what it reads changes.
create table redshift_standin.late_view (
    schema text,
    name text,
    query text not null,
    columns text[],
    primary key (schema, name)
);

create table redshift_standin.load_error (
    recorded timestamp not null default (clock_timestamp() at time zone 'utc'),
    userid int not null,
    session int not null,
    query bigint not null,
    tbl oid not null,
    filename text not null,
    line_number bigint not null,
    colname text not null,
    type text not null,
    col_length text not null,
    position int not null,
    raw_line text not null,
    raw_field_value text not null,
    err_code int not null,
    err_reason text not null
);

create table redshift_standin.load_commit (
    recorded timestamp not null default (clock_timestamp() at time zone 'utc'),
    userid int not null,
    query bigint not null,
    filename text not null,
    lines bigint not null
);

-- What a session needs to know of a relation: its OID and kind, and for a view the tables that it reads. The kind is null for
-- one that was made after the transaction's snapshot: names are looked up as they are now, rows of catalogs as they were.
create function redshift_standin.resolve(name text)
returns table (oid oid, kind "char", schema text, bases oid[])
language sql stable as $$
    with recursive reached(relation) as (
        select to_regclass(name)::oid
        union
        select dependency.refobjid
        from reached
        join pg_rewrite rule on rule.ev_class = reached.relation
        join pg_depend dependency on dependency.classid = 'pg_rewrite'::regclass and dependency.objid = rule.oid
            and dependency.refclassid = 'pg_class'::regclass and dependency.refobjid <> reached.relation
    )
    select named.oid, class.relkind, space.nspname::text,
        array(select member.oid from reached join pg_class member on member.oid = reached.relation where member.relkind = 'r')
    from (select to_regclass(name)::oid as oid) named
    left join pg_class class on class.oid = named.oid
    left join pg_namespace space on space.oid = class.relnamespace
    where named.oid is not null
$$;

-- A TIMETZ is kept in UTC.
create function redshift_standin.timetz_in_utc() returns trigger language plpgsql as $$
declare
    name text;
    changed jsonb := '{}';
    kept jsonb := to_jsonb(new);
begin
    foreach name in array tg_argv loop
        if kept ->> name is not null then
            changed := changed || jsonb_build_object(name, ((kept ->> name)::timetz at time zone 'UTC')::text);
        end if;
    end loop;
    return jsonb_populate_record(new, changed);
end
$$;
