-- Look-alikes of Redshift's system tables and views, over the backend's catalogs and the side tables.

create view redshift_standin.user_relation as
    select class.oid, class.relname, class.relkind, class.relowner, space.nspname, class.reltuples
    from pg_catalog.pg_class class
    join pg_catalog.pg_namespace space on space.oid = class.relnamespace
    where class.relkind in ('r', 'v') and space.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
        and not starts_with(space.nspname::text, 'redshift_standin');

create view redshift_standin.user_column as
    select relation.oid, relation.nspname, relation.relname, relation.relkind, attribute.attnum, attribute.attname,
        coalesce(info.type, case pg_catalog.format_type(attribute.atttypid, attribute.atttypmod)
            when 'jsonb' then 'super' when 'bytea' then 'binary varying(64000)' when 'text' then 'character varying(65535)'
            else pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) end) as type,
        coalesce(info.encode, '') as encode, attribute.attnotnull, attribute.atttypmod, attribute.attidentity,
        pg_catalog.pg_get_expr(dflt.adbin, dflt.adrelid) as column_default,
        coalesce(design.distkey = attribute.attname, false) as distkey,
        -- Interleaved keys are told apart by signs that alternate.
        coalesce(array_position(design.sortkey, attribute.attname::text), 0)
            * case when design.sort = 'interleaved' and array_position(design.sortkey, attribute.attname::text) % 2 = 0 then -1 else 1 end
            as sortkey
    from redshift_standin.user_relation relation
    join pg_catalog.pg_attribute attribute on attribute.attrelid = relation.oid and attribute.attnum > 0 and not attribute.attisdropped
    left join pg_catalog.pg_attrdef dflt on dflt.adrelid = relation.oid and dflt.adnum = attribute.attnum
    left join redshift_standin.column_info info on info.oid = relation.oid and info.attnum = attribute.attnum
    left join redshift_standin.table_info design on design.oid = relation.oid;

create view redshift_standin.pg_table_def as
    select nspname as schemaname, relname as tablename, attname as "column", type, case when encode in ('', 'raw') then 'none' else encode end as encoding,
        distkey, sortkey, attnotnull as "notnull"
    from redshift_standin.user_column
    where relkind = 'r' and nspname = any (pg_catalog.current_schemas(true));

-- The rows of a table; of one that somebody has locked against readers, what the last ANALYZE knew.
create function redshift_standin.row_count(relation oid) returns bigint language plpgsql stable strict security definer as $$
declare
    found bigint;
    named text;
begin
    if exists (select 1 from pg_catalog.pg_locks locks where locks.relation operator(pg_catalog.=) $1 and locks.granted
            and locks.mode operator(pg_catalog.=) 'AccessExclusiveLock' and locks.pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid()) then
        return (select greatest(class.reltuples, 0)::bigint from pg_catalog.pg_class class where class.oid operator(pg_catalog.=) $1);
    end if;
    select pg_catalog.format('%I.%I', space.nspname, class.relname) into named from pg_catalog.pg_class class
        join pg_catalog.pg_namespace space on space.oid operator(pg_catalog.=) class.relnamespace where class.oid operator(pg_catalog.=) $1;
    execute 'select count(*) from ' || named into found;
    return found;
end
$$;

-- Empty tables are not shown.
create view redshift_standin.svv_table_info as
    select pg_catalog.current_database()::text as database, relation.nspname::text as schema, relation.oid as table_id,
        relation.relname::text as "table", 'Y'::text as encoded,
        case coalesce(design.diststyle, 'auto') when 'auto' then 'AUTO(EVEN)' when 'key' then 'KEY(' || design.distkey || ')'
            else upper(design.diststyle) end as diststyle,
        case when coalesce(cardinality(design.sortkey), 0) > 0 then design.sortkey[1] else 'AUTO(SORTKEY)' end as sortkey1,
        0 as max_varchar, null::text as sortkey1_enc, coalesce(cardinality(design.sortkey), 0) as sortkey_num,
        (pg_catalog.pg_total_relation_size(relation.oid) / 1048576)::bigint as size, 0::numeric as pct_used, 0::bigint as empty,
        0::numeric as unsorted, 0::numeric as stats_off, counted.rows::numeric(38,0) as tbl_rows,
        null::numeric as skew_sortkey1, null::numeric as skew_rows, counted.rows::numeric(38,0) as estimated_visible_rows,
        null::text as risk_event, null::numeric as vacuum_sort_benefit
    from redshift_standin.user_relation relation
    left join redshift_standin.table_info design on design.oid = relation.oid
    cross join lateral (select redshift_standin.row_count(relation.oid) as rows) counted
    where relation.relkind = 'r' and counted.rows > 0;

create view redshift_standin.svv_columns as
    select pg_catalog.current_database()::text as table_catalog, nspname::text as table_schema, relname::text as table_name,
        attname::text as column_name, attnum::int as ordinal_position, column_default, case when attnotnull then 'NO' else 'YES' end as is_nullable,
        pg_catalog.split_part(type, '(', 1) as data_type,
        case when type like 'character%' then pg_catalog.substring(type, '\((\d+)\)')::int end as character_maximum_length,
        case when type like 'numeric%' then pg_catalog.substring(type, '\((\d+),')::int
            when type = 'smallint' then 16 when type = 'integer' then 32 when type = 'bigint' then 64 end as numeric_precision,
        case when type like 'numeric%' then 10 when type in ('smallint', 'integer', 'bigint') then 2 end as numeric_precision_radix,
        case when type like 'numeric%' then pg_catalog.substring(type, ',(\d+)\)')::int
            when type in ('smallint', 'integer', 'bigint') then 0 end as numeric_scale,
        null::int as datetime_precision, null::text as interval_type, null::text as interval_precision,
        null::text as character_set_catalog, null::text as character_set_schema, null::text as character_set_name,
        null::text as collation_catalog, null::text as collation_schema, null::text as collation_name,
        null::text as domain_name, null::text as remarks
    from redshift_standin.user_column;

create view redshift_standin.svv_all_columns as
    select table_catalog as database_name, table_schema as schema_name, table_name, column_name, ordinal_position, column_default,
        is_nullable, data_type, character_maximum_length, numeric_precision, numeric_scale, remarks
    from redshift_standin.svv_columns;

create view redshift_standin.svv_redshift_columns as
    select database_name, schema_name, table_name, column_name, ordinal_position, data_type, column_default, is_nullable,
        ''::text as encoding, false as distkey, 0 as sortkey, ''::text as column_acl, remarks
    from redshift_standin.svv_all_columns;

create view redshift_standin.svv_tables as
    select pg_catalog.current_database()::text as table_catalog, nspname::text as table_schema, relname::text as table_name,
        case relkind when 'v' then 'VIEW' else 'BASE TABLE' end as table_type, null::text as remarks
    from redshift_standin.user_relation;

create view redshift_standin.svv_all_tables as
    select table_catalog as database_name, table_schema as schema_name, table_name,
        case table_type when 'VIEW' then 'VIEW' else 'TABLE' end as table_type, ''::text as table_acl, remarks
    from redshift_standin.svv_tables;

create view redshift_standin.svv_redshift_tables as
    select database_name, schema_name, table_name, table_type, table_acl, remarks from redshift_standin.svv_all_tables;

create view redshift_standin.svv_all_schemas as
    select pg_catalog.current_database()::text as database_name, nspname::text as schema_name, nspowner::int as schema_owner,
        'local'::text as schema_type, ''::text as schema_acl, null::text as source_database, null::text as schema_option
    from pg_catalog.pg_namespace where nspname <> 'pg_toast' and not starts_with(nspname::text, 'redshift_standin') and nspname not like 'pg\_temp\_%' and nspname not like 'pg\_toast\_%';

create view redshift_standin.svv_redshift_schemas as
    select database_name, schema_name, schema_owner, schema_type, schema_acl, schema_option from redshift_standin.svv_all_schemas;

create view redshift_standin.stl_load_errors as
    select userid, 0 as slice, tbl::int as tbl, recorded as starttime, session, query::int as query, filename::char(256) as filename,
        line_number, colname::char(127) as colname, type::char(10) as type, col_length::char(10) as col_length, position,
        left(raw_line, 1024)::char(1024) as raw_line, left(raw_field_value, 1024)::char(1024) as raw_field_value, err_code,
        err_reason::char(100) as err_reason
    from redshift_standin.load_error;

create view redshift_standin.sys_load_error_detail as
    select userid as user_id, query as query_id, 0::bigint as transaction_id, session as session_id, pg_catalog.current_database()::char(64) as database_name,
        tbl::int as table_id, recorded as start_time, filename::char(256) as file_name, line_number, colname::char(127) as column_name,
        type::char(10) as column_type, col_length::char(10) as column_length, position, err_code as error_code,
        err_reason::char(512) as error_message
    from redshift_standin.load_error;

create view redshift_standin.stl_load_commits as
    select userid, query::int as query, 0 as slice, ''::char(256) as name, filename::char(256) as filename, 0::bigint as byte_offset,
        lines as lines_scanned, 0 as errors, recorded as curtime, 1 as status, 's3'::char(10) as file_format, 0 as is_partial
    from redshift_standin.load_commit;

create view redshift_standin.sys_load_detail as
    select userid as user_id, query as query_id, filename::varchar(256) as file_name, lines as scanned_rows_count, recorded as record_time
    from redshift_standin.load_commit;

create view redshift_standin.stv_db_isolation_level as
    select oid::int as db_id, datname::text as db_name,
        case coalesce(nullif(pg_catalog.current_setting('redshift_standin.isolation', true), ''), 'serializable')
            when 'snapshot' then 'Snapshot Isolation' else 'Serializable' end as isolation_level
    from pg_catalog.pg_database where datname = pg_catalog.current_database();

create view redshift_standin.stv_locks as
    select relation.oid::int as table_id, null::timestamp as last_update, class.relname::text as last_commit, locks.pid as lock_owner_pid,
        locks.mode as lock_status
    from pg_catalog.pg_locks locks
    join redshift_standin.user_relation relation on relation.oid = locks.relation
    join pg_catalog.pg_class class on class.oid = relation.oid;

create view redshift_standin.svv_transactions as
    select null::text as txn_owner, pg_catalog.current_database()::text as txn_db, coalesce(transactionid::text::bigint, 0) as xid, pid,
        null::timestamp as txn_start, mode as lock_mode, locktype as lockable_object_type, relation::int as relation, granted
    from pg_catalog.pg_locks;

create view redshift_standin.stv_sessions as
    select backend_start as starttime, pid as process, usename::char(50) as user_name, datname::char(50) as db_name
    from pg_catalog.pg_stat_activity where datname = pg_catalog.current_database();

create view redshift_standin.pg_user_info as
    select usename, usesysid, usecreatedb, usesuper, false as usecatupd, passwd, valuntil, useconfig, 'UNLIMITED'::text as useconnlimit,
        null::text as syslogaccess, null::timestamptz as last_ddl_ts, null::int as sessiontimeout, null::text as external_user_id
    from pg_catalog.pg_user;

-- In a schema of its own, so that its bare name hides no table of the client's. Types are told by Redshift's names.
create schema redshift_standin_information;
grant usage on schema redshift_standin_information to public;
create view redshift_standin_information.columns as
    select table_catalog, table_schema, table_name, column_name, ordinal_position, column_default, is_nullable,
        case data_type when 'jsonb' then 'super' when 'bytea' then 'binary varying' else data_type::text end as data_type,
        character_maximum_length, character_octet_length, numeric_precision, numeric_precision_radix, numeric_scale, datetime_precision,
        interval_type, interval_precision, character_set_catalog, character_set_schema, character_set_name, collation_catalog,
        collation_schema, collation_name, domain_catalog, domain_schema, domain_name, udt_catalog, udt_schema, udt_name, scope_catalog,
        scope_schema, scope_name, maximum_cardinality, dtd_identifier, is_self_referencing
    from information_schema.columns
    where not starts_with(table_schema::text, 'redshift_standin');
grant select on redshift_standin_information.columns to public;
