-- Trailing blanks do not count when character values are compared (AWS guide, "Character types"). This schema comes first
-- in every search path, so that =, <>, < … of text and varchar mean these. The functions are inlined: joins still hash.

create function redshift_standin.text_eq(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.=) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin.text_ne(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<>) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin.text_lt(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin.text_le(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<=) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin.text_gt(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.>) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin.text_ge(text, text) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.>=) pg_catalog.rtrim($2::text, ' ') $$;
create operator redshift_standin.= (
    function = redshift_standin.text_eq, leftarg = text, rightarg = text, commutator = operator(redshift_standin.=),
    negator = operator(redshift_standin.<>), restrict = eqsel, join = eqjoinsel
);
create operator redshift_standin.<> (
    function = redshift_standin.text_ne, leftarg = text, rightarg = text, commutator = operator(redshift_standin.<>),
    negator = operator(redshift_standin.=), restrict = neqsel, join = neqjoinsel
);
create operator redshift_standin.< (
    function = redshift_standin.text_lt, leftarg = text, rightarg = text, commutator = operator(redshift_standin.>),
    negator = operator(redshift_standin.>=), restrict = scalarltsel, join = scalarltjoinsel
);
create operator redshift_standin.<= (
    function = redshift_standin.text_le, leftarg = text, rightarg = text, commutator = operator(redshift_standin.>=),
    negator = operator(redshift_standin.>), restrict = scalarlesel, join = scalarlejoinsel
);
create operator redshift_standin.> (
    function = redshift_standin.text_gt, leftarg = text, rightarg = text, commutator = operator(redshift_standin.<),
    negator = operator(redshift_standin.<=), restrict = scalargtsel, join = scalargtjoinsel
);
create operator redshift_standin.>= (
    function = redshift_standin.text_ge, leftarg = text, rightarg = text, commutator = operator(redshift_standin.<=),
    negator = operator(redshift_standin.<), restrict = scalargesel, join = scalargejoinsel
);

create function redshift_standin.varchar_eq(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.=) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin.varchar_ne(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<>) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin.varchar_lt(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin.varchar_le(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.<=) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin.varchar_gt(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.>) pg_catalog.rtrim($2::text, ' ') $$;
create function redshift_standin.varchar_ge(varchar, varchar) returns boolean language sql immutable strict parallel safe
    as $$ select pg_catalog.rtrim($1::text, ' ') operator(pg_catalog.>=) pg_catalog.rtrim($2::text, ' ') $$;
create operator redshift_standin.= (
    function = redshift_standin.varchar_eq, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin.=),
    negator = operator(redshift_standin.<>), restrict = eqsel, join = eqjoinsel
);
create operator redshift_standin.<> (
    function = redshift_standin.varchar_ne, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin.<>),
    negator = operator(redshift_standin.=), restrict = neqsel, join = neqjoinsel
);
create operator redshift_standin.< (
    function = redshift_standin.varchar_lt, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin.>),
    negator = operator(redshift_standin.>=), restrict = scalarltsel, join = scalarltjoinsel
);
create operator redshift_standin.<= (
    function = redshift_standin.varchar_le, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin.>=),
    negator = operator(redshift_standin.>), restrict = scalarlesel, join = scalarlejoinsel
);
create operator redshift_standin.> (
    function = redshift_standin.varchar_gt, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin.<),
    negator = operator(redshift_standin.<=), restrict = scalargtsel, join = scalargtjoinsel
);
create operator redshift_standin.>= (
    function = redshift_standin.varchar_ge, leftarg = varchar, rightarg = varchar, commutator = operator(redshift_standin.<=),
    negator = operator(redshift_standin.<), restrict = scalargesel, join = scalargejoinsel
);
