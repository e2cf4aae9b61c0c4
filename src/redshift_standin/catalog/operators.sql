-- Trailing blanks do not count when character values are compared (AWS guide, "Character types"). This schema comes first
-- in every search path, so that =, <>, < … of text and varchar mean these. The functions are inlined: joins still hash.

create function redshift_standin_operators.text_eq(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.=) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin_operators.text_ne(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<>) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin_operators.text_lt(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin_operators.text_le(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<=) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin_operators.text_gt(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.>) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin_operators.text_ge(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.>=) pg_catalog.rtrim($2::text, ' ') $$;
create operator redshift_standin_operators.= (
    function = redshift_standin_operators.text_eq, leftarg = text, rightarg = text, commutator = operator(redshift_standin_operators.=),
    negator = operator(redshift_standin_operators.<>), restrict = eqsel, join = eqjoinsel
);
create operator redshift_standin_operators.<> (
    function = redshift_standin_operators.text_ne, leftarg = text, rightarg = text, commutator = operator(redshift_standin_operators.<>),
    negator = operator(redshift_standin_operators.=), restrict = neqsel, join = neqjoinsel
);
create operator redshift_standin_operators.< (
    function = redshift_standin_operators.text_lt, leftarg = text, rightarg = text, commutator = operator(redshift_standin_operators.>),
    negator = operator(redshift_standin_operators.>=), restrict = scalarltsel, join = scalarltjoinsel
);
create operator redshift_standin_operators.<= (
    function = redshift_standin_operators.text_le, leftarg = text, rightarg = text, commutator = operator(redshift_standin_operators.>=),
    negator = operator(redshift_standin_operators.>), restrict = scalarlesel, join = scalarlejoinsel
);
create operator redshift_standin_operators.> (
    function = redshift_standin_operators.text_gt, leftarg = text, rightarg = text, commutator = operator(redshift_standin_operators.<),
    negator = operator(redshift_standin_operators.<=), restrict = scalargtsel, join = scalargtjoinsel
);
create operator redshift_standin_operators.>= (
    function = redshift_standin_operators.text_ge, leftarg = text, rightarg = text, commutator = operator(redshift_standin_operators.<=),
    negator = operator(redshift_standin_operators.<), restrict = scalargesel, join = scalargejoinsel
);

create function redshift_standin_operators.varchar_eq(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.=) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin_operators.varchar_ne(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<>) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin_operators.varchar_lt(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin_operators.varchar_le(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<=) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin_operators.varchar_gt(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.>) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin_operators.varchar_ge(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.>=) pg_catalog.rtrim($2::text, ' ') $$;
create operator redshift_standin_operators.= (
    function = redshift_standin_operators.varchar_eq, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin_operators.=),
    negator = operator(redshift_standin_operators.<>), restrict = eqsel, join = eqjoinsel
);
create operator redshift_standin_operators.<> (
    function = redshift_standin_operators.varchar_ne, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin_operators.<>),
    negator = operator(redshift_standin_operators.=), restrict = neqsel, join = neqjoinsel
);
create operator redshift_standin_operators.< (
    function = redshift_standin_operators.varchar_lt, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin_operators.>),
    negator = operator(redshift_standin_operators.>=), restrict = scalarltsel, join = scalarltjoinsel
);
create operator redshift_standin_operators.<= (
    function = redshift_standin_operators.varchar_le, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin_operators.>=),
    negator = operator(redshift_standin_operators.>), restrict = scalarlesel, join = scalarlejoinsel
);
create operator redshift_standin_operators.> (
    function = redshift_standin_operators.varchar_gt, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin_operators.<),
    negator = operator(redshift_standin_operators.<=), restrict = scalargtsel, join = scalargtjoinsel
);
create operator redshift_standin_operators.>= (
    function = redshift_standin_operators.varchar_ge, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin_operators.<=),
    negator = operator(redshift_standin_operators.<), restrict = scalargesel, join = scalargejoinsel
);

-- CHAR beside VARCHAR: without these, the operators above and Postgres's own for CHAR are equally near.
do $$
declare
    name text;
    sign text;
    one text;
    other text;
begin
    for name, sign in values ('eq', '='), ('ne', '<>'), ('lt', '<'), ('le', '<='), ('gt', '>'), ('ge', '>=') loop
        for one, other in values ('bpchar', 'varchar'), ('varchar', 'bpchar'), ('bpchar', 'text'), ('text', 'bpchar') loop
            execute format('create function redshift_standin_operators.char_%s(%s, %s) returns boolean language sql immutable strict parallel safe
                as ''select pg_catalog.rtrim($1::text, '''' '''') operator(pg_catalog.%s) pg_catalog.rtrim($2::text, '''' '''')''', name, one, other, sign);
            execute format('create operator redshift_standin_operators.%s (function = redshift_standin_operators.char_%s, leftarg = %s, rightarg = %s)',
                sign, name, one, other);
        end loop;
    end loop;
end
$$;

-- A SUPER value equals a scalar of the same kind and value, and no other (AWS guide, "Querying semistructured data": dynamic typing).
create function redshift_standin_operators.super_scalar(boolean) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;
create function redshift_standin_operators.super_scalar(numeric) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;
create function redshift_standin_operators.super_scalar(double precision) returns jsonb language sql immutable strict parallel safe
    as $$ select to_jsonb($1) $$;
create function redshift_standin_operators.super_scalar(text) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;
do $$
declare
    kind text;
    basis text;
begin
    for kind, basis in values ('boolean', 'boolean'), ('smallint', 'numeric'), ('integer', 'numeric'), ('bigint', 'numeric'),
        ('numeric', 'numeric'), ('real', 'double precision'), ('double precision', 'double precision'), ('text', 'text') loop
        execute format('create function redshift_standin_operators.super_eq(jsonb, %s) returns boolean language sql immutable strict parallel safe
            as ''select pg_catalog.jsonb_eq($1, redshift_standin_operators.super_scalar($2::%s))''', kind, basis);
        execute format('create function redshift_standin_operators.super_eq(%s, jsonb) returns boolean language sql immutable strict parallel safe
            as ''select pg_catalog.jsonb_eq($2, redshift_standin_operators.super_scalar($1::%s))''', kind, basis);
        execute format('create operator redshift_standin_operators.= (function = redshift_standin_operators.super_eq, leftarg = jsonb, rightarg = %s)', kind);
        execute format('create operator redshift_standin_operators.= (function = redshift_standin_operators.super_eq, leftarg = %s, rightarg = jsonb)', kind);
    end loop;
end
$$;

-- Without these, Postgres makes any value a text when it is assigned. VARBYTE has no implicit casts (AWS guide, "VARBYTE type").
create function redshift_standin_operators.text_of_bytes(bytea) returns text language sql immutable strict parallel safe
    as $$ select convert_from($1, 'UTF8') $$;
create function redshift_standin_operators.varchar_of_bytes(bytea) returns varchar language sql immutable strict parallel safe
    as $$ select convert_from($1, 'UTF8') $$;
create cast (bytea as text) with function redshift_standin_operators.text_of_bytes(bytea);
create cast (bytea as varchar) with function redshift_standin_operators.varchar_of_bytes(bytea);
