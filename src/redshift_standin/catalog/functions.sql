-- Functions that Redshift has and Postgres has not, or has with another meaning. AWS guide, "SQL functions reference".
-- Bodies are read again in sessions with standard_conforming_strings off: no backslash but in e'' and doubled.

-- Rows compare by the operators of operators.sql: (a, b) in (select …) asks for a btree family that has them.
create operator family redshift_standin_operators.blank_ops using btree;
alter operator family redshift_standin_operators.blank_ops using btree add
    operator 1 redshift_standin_operators.< (text, text), operator 2 redshift_standin_operators.<= (text, text), operator 3 redshift_standin_operators.= (text, text),
    operator 4 redshift_standin_operators.>= (text, text), operator 5 redshift_standin_operators.> (text, text),
    operator 1 redshift_standin_operators.< (varchar, varchar), operator 2 redshift_standin_operators.<= (varchar, varchar), operator 3 redshift_standin_operators.= (varchar, varchar),
    operator 4 redshift_standin_operators.>= (varchar, varchar), operator 5 redshift_standin_operators.> (varchar, varchar);

-- ---------------------------------------------------------------- casts

-- CAST to CHAR and VARCHAR cuts at n bytes, at a character's end.
create function redshift_standin.cut(text, int) returns text language plpgsql immutable strict parallel safe as $$
declare
    kept int := $2;
    raw bytea;
begin
    if octet_length($1) <= $2 then
        return $1;
    end if;
    raw := convert_to($1, 'UTF8');
    -- A byte 10xxxxxx after the cut belongs to a character that began before it.
    while kept > 0 and get_byte(raw, kept) & 192 = 128 loop
        kept := kept - 1;
    end loop;
    return convert_from(substring(raw from 1 for kept), 'UTF8');
end
$$;
create function redshift_standin.cut(jsonb, int) returns text language sql immutable strict parallel safe
    as $$ select redshift_standin.cut($1 #>> '{}', $2) $$;
create function redshift_standin.cut(bytea, int) returns text language sql immutable strict parallel safe
    as $$ select redshift_standin.cut(convert_from($1, 'UTF8'), $2) $$;
create function redshift_standin.cut(boolean, int) returns text language plpgsql immutable parallel safe as $$
begin
    raise exception 'cannot cast type boolean to character varying' using errcode = '42846';
end
$$;
create function redshift_standin.cut(anyelement, int) returns text language sql immutable strict parallel safe
    as $$ select redshift_standin.cut($1::text, $2) $$;

create function redshift_standin.to_super(text) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;
create function redshift_standin.to_super(jsonb) returns jsonb language sql immutable strict parallel safe as $$ select $1 $$;
create function redshift_standin.to_super(boolean) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;
create function redshift_standin.to_super(smallint) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;
create function redshift_standin.to_super(integer) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;
create function redshift_standin.to_super(bigint) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;
create function redshift_standin.to_super(numeric) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;
create function redshift_standin.to_super(real) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;
create function redshift_standin.to_super(double precision) returns jsonb language sql immutable strict parallel safe as $$ select to_jsonb($1) $$;

create function redshift_standin.to_varbyte(text) returns bytea language sql immutable strict parallel safe as $$ select convert_to($1, 'UTF8') $$;
create function redshift_standin.to_varbyte(bytea) returns bytea language sql immutable strict parallel safe as $$ select $1 $$;
create function redshift_standin.to_varbyte(smallint) returns bytea language sql immutable strict parallel safe as $$ select int2send($1) $$;
create function redshift_standin.to_varbyte(integer) returns bytea language sql immutable strict parallel safe as $$ select int4send($1) $$;
create function redshift_standin.to_varbyte(bigint) returns bytea language sql immutable strict parallel safe as $$ select int8send($1) $$;
create function redshift_standin.fit(bytea, int) returns bytea language plpgsql immutable strict parallel safe as $$
begin
    if octet_length($1) > $2 then
        raise exception 'value too long for type binary varying(%)', $2 using errcode = '22001';
    end if;
    return $1;
end
$$;

-- ---------------------------------------------------------------- strings

create function redshift_standin.substring(text, int) returns text language sql immutable strict parallel safe as $$ select substr($1, $2) $$;
create function redshift_standin.substring(text, int, int) returns text language sql immutable strict parallel safe as $$ select substr($1, $2, $3) $$;
create function redshift_standin.substring(bytea, int) returns bytea language sql immutable strict parallel safe as $$ select substr($1, $2) $$;
create function redshift_standin.substring(bytea, int, int) returns bytea language sql immutable strict parallel safe as $$ select substr($1, $2, $3) $$;

-- NULL if one of them is.
create function redshift_standin.concat(text, text) returns text language sql immutable strict parallel safe as $$ select $1 || $2 $$;
create function redshift_standin.concat(bytea, bytea) returns bytea language sql immutable strict parallel safe as $$ select $1 || $2 $$;

create function redshift_standin.regexp_replace(text, text) returns text language sql immutable strict parallel safe
    as $$ select pg_catalog.regexp_replace($1, $2, '', 'g') $$;
create function redshift_standin.regexp_replace(text, text, text) returns text language sql immutable strict parallel safe
    as $$ select pg_catalog.regexp_replace($1, $2, $3, 'g') $$;
create function redshift_standin.regexp_replace(text, text, text, int) returns text language sql immutable strict parallel safe
    as $$ select pg_catalog.regexp_replace($1, $2, $3, $4, 0) $$;

create function redshift_standin.strtol(text, int) returns bigint language plpgsql immutable strict parallel safe as $$
declare
    digits text := lower(ltrim(ltrim($1, ' '), '+-'));
    digit int;
    total numeric := 0;
begin
    if $2 not between 2 and 36 then
        raise exception 'the base of strtol must be between 2 and 36' using errcode = '22023';
    end if;
    if $2 = 16 and digits like '0x%' then
        digits := substr(digits, 3);
    end if;
    if digits = '' then
        raise exception 'the input % is not valid to be converted to base %', $1, $2 using errcode = '22023';
    end if;
    for i in 1 .. length(digits) loop
        digit := strpos('0123456789abcdefghijklmnopqrstuvwxyz', substr(digits, i, 1)) - 1;
        if digit < 0 or digit >= $2 then
            raise exception 'the input % is not valid to be converted to base %', $1, $2 using errcode = '22023';
        end if;
        total := total * $2 + digit;
    end loop;
    return case when ltrim($1, ' ') like '-%' then -total else total end;
end
$$;

create function redshift_standin.sha2(text, int) returns text language plpgsql immutable strict parallel safe as $$
begin
    case $2
        when 0, 256 then return encode(sha256(convert_to($1, 'UTF8')), 'hex');
        when 224 then return encode(sha224(convert_to($1, 'UTF8')), 'hex');
        when 384 then return encode(sha384(convert_to($1, 'UTF8')), 'hex');
        when 512 then return encode(sha512(convert_to($1, 'UTF8')), 'hex');
        else return '';
    end case;
end
$$;

-- FIPS 180-4; Postgres has no SHA-1 without an extension.
create function redshift_standin.sha1(text) returns text language plpgsql immutable strict parallel safe as $$
declare
    mask constant bigint := 4294967295;
    message bytea := convert_to($1, 'UTF8');
    size bigint := octet_length(message);
    h bigint[] := array[1732584193, 4023233417, 2562383102, 271733878, 3285377520];
    w bigint[];
    a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; k bigint; x bigint;
begin
    message := message || decode('80', 'hex') || decode(repeat('00', ((119 - size % 64) % 64)::int), 'hex') || int8send(size * 8);
    for block in 0 .. octet_length(message) / 64 - 1 loop
        for t in 0 .. 15 loop
            x := block * 64 + t * 4;
            w[t] := get_byte(message, x::int)::bigint * 16777216 + get_byte(message, x::int + 1) * 65536
                + get_byte(message, x::int + 2) * 256 + get_byte(message, x::int + 3);
        end loop;
        for t in 16 .. 79 loop
            x := w[t - 3] # w[t - 8] # w[t - 14] # w[t - 16];
            w[t] := ((x << 1) | (x >> 31)) & mask;
        end loop;
        a := h[1]; b := h[2]; c := h[3]; d := h[4]; e := h[5];
        for t in 0 .. 79 loop
            if t < 20 then
                f := (b & c) | ((~b) & mask & d); k := 1518500249;
            elsif t < 40 then
                f := b # c # d; k := 1859775393;
            elsif t < 60 then
                f := (b & c) | (b & d) | (c & d); k := 2400959708;
            else
                f := b # c # d; k := 3395469782;
            end if;
            x := ((((a << 5) | (a >> 27)) & mask) + f + e + k + w[t]) & mask;
            e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := x;
        end loop;
        h := array[(h[1] + a) & mask, (h[2] + b) & mask, (h[3] + c) & mask, (h[4] + d) & mask, (h[5] + e) & mask];
    end loop;
    return lpad(to_hex(h[1]), 8, '0') || lpad(to_hex(h[2]), 8, '0') || lpad(to_hex(h[3]), 8, '0') || lpad(to_hex(h[4]), 8, '0')
        || lpad(to_hex(h[5]), 8, '0');
end
$$;
create function redshift_standin.sha(text) returns text language sql immutable strict parallel safe as $$ select redshift_standin.sha1($1) $$;
create function redshift_standin.func_sha1(text) returns text language sql immutable strict parallel safe as $$ select redshift_standin.sha1($1) $$;

-- ---------------------------------------------------------------- numbers

create function redshift_standin.round(double precision) returns double precision language sql immutable strict parallel safe as $$ select pg_catalog.round($1) $$;
create function redshift_standin.round(numeric) returns numeric language sql immutable strict parallel safe as $$ select pg_catalog.round($1) $$;
create function redshift_standin.round(numeric, int) returns numeric language sql immutable strict parallel safe as $$ select pg_catalog.round($1, $2) $$;
create function redshift_standin.round(integer, int) returns numeric language sql immutable strict parallel safe as $$ select pg_catalog.round($1::numeric, $2) $$;
create function redshift_standin.round(bigint, int) returns numeric language sql immutable strict parallel safe as $$ select pg_catalog.round($1::numeric, $2) $$;
create function redshift_standin.round(double precision, int) returns double precision language sql immutable strict parallel safe
    as $$ select pg_catalog.round($1::numeric, $2)::double precision $$;
create function redshift_standin.trunc(double precision) returns double precision language sql immutable strict parallel safe as $$ select pg_catalog.trunc($1) $$;
create function redshift_standin.trunc(numeric) returns numeric language sql immutable strict parallel safe as $$ select pg_catalog.trunc($1) $$;
create function redshift_standin.trunc(numeric, int) returns numeric language sql immutable strict parallel safe as $$ select pg_catalog.trunc($1, $2) $$;
create function redshift_standin.trunc(integer, int) returns numeric language sql immutable strict parallel safe as $$ select pg_catalog.trunc($1::numeric, $2) $$;
create function redshift_standin.trunc(bigint, int) returns numeric language sql immutable strict parallel safe as $$ select pg_catalog.trunc($1::numeric, $2) $$;
create function redshift_standin.trunc(double precision, int) returns double precision language sql immutable strict parallel safe
    as $$ select pg_catalog.trunc($1::numeric, $2)::double precision $$;
create function redshift_standin.trunc(timestamp) returns date language sql immutable strict parallel safe as $$ select $1::date $$;
create function redshift_standin.trunc(timestamptz) returns date language sql stable strict parallel safe as $$ select $1::date $$;

-- AVG of integers is a BIGINT without a fraction.
create function redshift_standin.average(bigint[]) returns bigint language sql immutable strict parallel safe
    as $$ select case when $1[1] <> 0 then $1[2] / $1[1] end $$;
create function redshift_standin.average_step(numeric[], bigint) returns numeric[] language sql immutable strict parallel safe
    as $$ select array[$1[1] + 1, $1[2] + $2] $$;
create function redshift_standin.average(numeric[]) returns bigint language sql immutable strict parallel safe
    as $$ select case when $1[1] <> 0 then pg_catalog.div($1[2], $1[1])::bigint end $$;
create aggregate redshift_standin.avg(smallint) (
    sfunc = pg_catalog.int2_avg_accum, stype = bigint[], initcond = '{0,0}', finalfunc = redshift_standin.average
);
create aggregate redshift_standin.avg(integer) (
    sfunc = pg_catalog.int4_avg_accum, stype = bigint[], initcond = '{0,0}', finalfunc = redshift_standin.average
);
create aggregate redshift_standin.avg(bigint) (
    sfunc = redshift_standin.average_step, stype = numeric[], initcond = '{0,0}', finalfunc = redshift_standin.average
);
create aggregate redshift_standin.avg(numeric) (
    sfunc = pg_catalog.numeric_avg_accum, stype = internal, finalfunc = pg_catalog.numeric_avg
);
create aggregate redshift_standin.avg(real) (
    sfunc = pg_catalog.float4_accum, stype = double precision[], initcond = '{0,0,0}', finalfunc = pg_catalog.float8_avg
);
create aggregate redshift_standin.avg(double precision) (
    sfunc = pg_catalog.float8_accum, stype = double precision[], initcond = '{0,0,0}', finalfunc = pg_catalog.float8_avg
);

-- ---------------------------------------------------------------- dates

create function redshift_standin.sysdate() returns timestamp language sql stable parallel safe as $$ select transaction_timestamp()::timestamp $$;
create function redshift_standin.getdate() returns timestamp language sql stable parallel safe
    as $$ select pg_catalog.date_trunc('second', statement_timestamp()::timestamp) $$;
create function redshift_standin.date_part_year(date) returns integer language sql immutable strict parallel safe
    as $$ select pg_catalog.date_part('year', $1::timestamp)::integer $$;
create function redshift_standin.date_trunc(text, timestamp) returns timestamp language sql immutable strict parallel safe
    as $$ select pg_catalog.date_trunc($1, $2) $$;
create function redshift_standin.date_trunc(text, timestamptz) returns timestamptz language sql stable strict parallel safe
    as $$ select pg_catalog.date_trunc($1, $2) $$;
create function redshift_standin.date_trunc(text, date) returns timestamp language sql immutable strict parallel safe
    as $$ select pg_catalog.date_trunc($1, $2::timestamp) $$;

-- Whole numbers are integers, an epoch and seconds may have fractions.
create function redshift_standin.date_part(text, timestamp) returns double precision language sql immutable strict parallel safe
    as $$ select case when $1 = 'second' then pg_catalog.floor(pg_catalog.date_part($1, $2)) else pg_catalog.date_part($1, $2) end $$;
create function redshift_standin.date_part(text, timestamptz) returns double precision language sql stable strict parallel safe
    as $$ select case when $1 = 'second' then pg_catalog.floor(pg_catalog.date_part($1, $2)) else pg_catalog.date_part($1, $2) end $$;
create function redshift_standin.date_part(text, date) returns double precision language sql immutable strict parallel safe
    as $$ select pg_catalog.date_part($1, $2::timestamp) $$;
create function redshift_standin.date_part(text, time) returns double precision language sql immutable strict parallel safe
    as $$ select case when $1 = 'second' then pg_catalog.floor(pg_catalog.date_part($1, $2)) else pg_catalog.date_part($1, $2) end $$;

-- Months go to the last day of the month if the day does not exist, or if it was the last one.
create function redshift_standin.add_months(timestamp, bigint) returns timestamp language sql immutable strict parallel safe as $$
    select case
        when $1::date = (pg_catalog.date_trunc('month', $1) + interval '1 month' - interval '1 day')::date
        then pg_catalog.date_trunc('month', $1) + ($2 + 1) * interval '1 month' - interval '1 day' + $1::time
        else $1 + $2 * interval '1 month' end
$$;

create function redshift_standin.dateadd(part text, number bigint, moment timestamp) returns timestamp
language plpgsql immutable strict parallel safe as $$
begin
    case part
        when 'quarter' then return moment + number * interval '3 months';
        when 'year', 'month', 'week', 'day', 'hour', 'minute', 'second', 'milliseconds', 'microseconds', 'decade', 'century', 'millennium'
            then return moment + number * ('1 ' || part)::interval;
        else raise exception 'dateadd does not take the date part %', part using errcode = '22023';
    end case;
end
$$;
create function redshift_standin.dateadd(text, bigint, date) returns timestamp language sql immutable strict parallel safe
    as $$ select redshift_standin.dateadd($1, $2, $3::timestamp) $$;
create function redshift_standin.dateadd(text, bigint, timestamptz) returns timestamptz language sql stable strict parallel safe
    as $$ select redshift_standin.dateadd($1, $2, $3::timestamp)::timestamptz $$;

-- How many boundaries of the part lie between; weeks begin on Sunday.
create function redshift_standin.datediff(part text, earlier timestamp, later timestamp) returns bigint
language plpgsql immutable strict parallel safe as $$
declare
    years int := extract(year from later)::int - extract(year from earlier)::int;
    seconds numeric;
begin
    case part
        when 'year' then return years;
        when 'quarter' then return years * 4 + extract(quarter from later)::int - extract(quarter from earlier)::int;
        when 'month' then return years * 12 + extract(month from later)::int - extract(month from earlier)::int;
        when 'day' then return later::date - earlier::date;
        when 'week' then return ((later::date - extract(dow from later)::int) - (earlier::date - extract(dow from earlier)::int)) / 7;
        when 'decade', 'century', 'millennium' then return pg_catalog.date_part(part, later) - pg_catalog.date_part(part, earlier);
        when 'hour', 'minute', 'second' then
            seconds := extract(epoch from pg_catalog.date_trunc(part, later)) - extract(epoch from pg_catalog.date_trunc(part, earlier));
            return seconds / case part when 'hour' then 3600 when 'minute' then 60 else 1 end;
        when 'milliseconds' then return floor(extract(epoch from later) * 1000) - floor(extract(epoch from earlier) * 1000);
        when 'microseconds' then return (extract(epoch from later) - extract(epoch from earlier)) * 1000000;
        else raise exception 'datediff does not take the date part %', part using errcode = '22023';
    end case;
end
$$;
create function redshift_standin.datediff(text, timestamptz, timestamptz) returns bigint language sql stable strict parallel safe
    as $$ select redshift_standin.datediff($1, $2::timestamp, $3::timestamp) $$;

create function redshift_standin.last_day(timestamp) returns date language sql immutable strict parallel safe
    as $$ select (pg_catalog.date_trunc('month', $1) + interval '1 month' - interval '1 day')::date $$;
create function redshift_standin.months_between(timestamp, timestamp) returns double precision language sql immutable strict parallel safe as $$
    select ((extract(year from $1) - extract(year from $2)) * 12 + extract(month from $1) - extract(month from $2)
        + case when extract(day from $1) = extract(day from $2)
            or ($1::date = redshift_standin.last_day($1) and $2::date = redshift_standin.last_day($2)) then 0
            else ((extract(day from $1) - extract(day from $2)) + extract(epoch from $1::time - $2::time) / 86400) / 31 end)::double precision
$$;
create function redshift_standin.convert_timezone(text, text, timestamp) returns timestamp language sql immutable strict parallel safe
    as $$ select $3 at time zone $1 at time zone $2 $$;
create function redshift_standin.convert_timezone(text, timestamp) returns timestamp language sql immutable strict parallel safe
    as $$ select $2 at time zone 'UTC' at time zone $1 $$;

-- ---------------------------------------------------------------- VARBYTE

create function redshift_standin.from_hex(text) returns bytea language sql immutable strict parallel safe
    as $$ select decode(case when length($1) % 2 = 1 then '0' || $1 else $1 end, 'hex') $$;
create function redshift_standin.to_hex(bytea) returns text language sql immutable strict parallel safe as $$ select encode($1, 'hex') $$;
create function redshift_standin.to_hex(integer) returns text language sql immutable strict parallel safe as $$ select pg_catalog.to_hex($1) $$;
create function redshift_standin.to_hex(bigint) returns text language sql immutable strict parallel safe as $$ select pg_catalog.to_hex($1) $$;
create function redshift_standin.to_varbyte(text, text) returns bytea language plpgsql immutable strict parallel safe as $$
begin
    case lower($2)
        when 'hex' then return redshift_standin.from_hex($1);
        when 'utf8', 'utf-8', 'utf_8' then return convert_to($1, 'UTF8');
        when 'base64' then return decode($1, 'base64');
        else raise exception 'the format % of to_varbyte: not in the stand-in yet', $2 using errcode = '0A000';
    end case;
end
$$;
create function redshift_standin.from_varbyte(bytea, text) returns text language plpgsql immutable strict parallel safe as $$
begin
    case lower($2)
        when 'hex' then return encode($1, 'hex');
        when 'utf8', 'utf-8', 'utf_8' then return convert_from($1, 'UTF8');
        when 'base64' then return replace(encode($1, 'base64'), e'\n', '');
        else raise exception 'the format % of from_varbyte: not in the stand-in yet', $2 using errcode = '0A000';
    end case;
end
$$;

-- ---------------------------------------------------------------- SUPER and JSON

-- What JSON allows and SUPER does not: an object with one key twice, a string beyond 65,535 bytes.
create function redshift_standin.check_json(value json, depth int) returns void language plpgsql immutable strict parallel safe as $$
declare
    name text;
    member json;
begin
    if depth > 1000 then
        raise exception 'Exceeded the maximum nesting depth of 1000 for SUPER' using errcode = '22P02';
    end if;
    case json_typeof(value)
        when 'object' then
            if exists (select from json_object_keys(value) key group by key collate "C" having count(*) > 1) then
                raise exception 'Duplicate keys are not allowed in a JSON object' using errcode = '22P02';
            end if;
            for name, member in select key, json_each.value from json_each(value) loop
                if octet_length(name) > 65535 then
                    raise exception 'String value exceeds the max size of 65535 bytes' using errcode = '22P02';
                end if;
                perform redshift_standin.check_json(member, depth + 1);
            end loop;
        when 'array' then
            for member in select json_array_elements(value) loop
                perform redshift_standin.check_json(member, depth + 1);
            end loop;
        when 'string' then
            if octet_length(value #>> '{}') > 65535 then
                raise exception 'String value exceeds the max size of 65535 bytes' using errcode = '22P02';
            end if;
        else null;
    end case;
end
$$;
-- As json_parse under json_parse_dedup_attributes (a key's first value counts) and json_parse_truncate_strings.
create function redshift_standin.lenient_json(value json, dedups boolean, truncates boolean) returns jsonb language plpgsql immutable strict parallel safe as $$
declare
    result jsonb;
    name text;
    member json;
begin
    case json_typeof(value)
        when 'object' then
            result := '{}';
            for name, member in select key, json_each.value from json_each(value) loop
                if not result ? name then
                    result := result || jsonb_build_object(name, redshift_standin.lenient_json(member, dedups, truncates));
                elsif not dedups then
                    raise exception 'Duplicate keys are not allowed in a JSON object' using errcode = '22P02';
                end if;
            end loop;
            return result;
        when 'array' then
            result := '[]';
            for member in select json_array_elements(value) loop
                result := result || jsonb_build_array(redshift_standin.lenient_json(member, dedups, truncates));
            end loop;
            return result;
        when 'string' then
            return to_jsonb(case when truncates then redshift_standin.cut(value #>> '{}', 65535) else value #>> '{}' end);
        else
            return value::jsonb;
    end case;
end
$$;
create function redshift_standin.json_parse(text) returns jsonb language plpgsql stable strict parallel safe as $$
declare
    dedups boolean := coalesce(pg_catalog.current_setting('redshift_standin.json_parse_dedup_attributes', true), '') operator(pg_catalog.=) 'on';
    truncates boolean := coalesce(pg_catalog.current_setting('redshift_standin.json_parse_truncate_strings', true), '') operator(pg_catalog.=) 'on';
    value json := $1::json;
begin
    if dedups or truncates then
        value := redshift_standin.lenient_json(value, dedups, truncates)::json;
    end if;
    perform redshift_standin.check_json(value, 1);
    return value::jsonb;
end
$$;
create function redshift_standin.json_parse(bytea) returns jsonb language sql stable strict parallel safe
    as $$ select redshift_standin.json_parse(convert_from($1, 'UTF8')) $$;
create function redshift_standin.can_json_parse(text) returns boolean language plpgsql stable strict parallel safe as $$
begin
    perform redshift_standin.json_parse($1);
    return true;
exception when others then
    return false;
end
$$;
create function redshift_standin.is_valid_json(text) returns boolean language plpgsql immutable strict parallel safe as $$
begin
    perform $1::json;
    return true;
exception when others then
    return false;
end
$$;
create function redshift_standin.is_valid_json_array(text) returns boolean language sql immutable strict parallel safe
    as $$ select case when redshift_standin.is_valid_json($1) then json_typeof($1::json) operator(pg_catalog.=) 'array' else false end $$;
-- Without blanks between the tokens.
create function redshift_standin.json_serialize(jsonb) returns text language sql immutable strict parallel safe
    as $$ select pg_catalog.regexp_replace($1::text, e'("(?:[^"\\\\]|\\\\.)*")| ', e'\\1', 'g') $$;
create function redshift_standin.json_size(jsonb) returns bigint language sql immutable strict parallel safe
    as $$ select octet_length(redshift_standin.json_serialize($1))::bigint $$;
create function redshift_standin.json_typeof(jsonb) returns text language sql immutable strict parallel safe as $$ select jsonb_typeof($1) $$;
create function redshift_standin.is_object(jsonb) returns boolean language sql immutable strict parallel safe
    as $$ select jsonb_typeof($1) operator(pg_catalog.=) 'object' $$;
create function redshift_standin.is_array(jsonb) returns boolean language sql immutable strict parallel safe
    as $$ select jsonb_typeof($1) operator(pg_catalog.=) 'array' $$;
create function redshift_standin.is_scalar(jsonb) returns boolean language sql immutable strict parallel safe
    as $$ select jsonb_typeof($1) in ('string', 'number', 'boolean') $$;
create function redshift_standin.is_boolean(jsonb) returns boolean language sql immutable strict parallel safe
    as $$ select jsonb_typeof($1) operator(pg_catalog.=) 'boolean' $$;
create function redshift_standin.is_varchar(jsonb) returns boolean language sql immutable strict parallel safe
    as $$ select jsonb_typeof($1) operator(pg_catalog.=) 'string' $$;
create function redshift_standin.is_integer(jsonb) returns boolean language sql immutable strict parallel safe
    as $$ select case jsonb_typeof($1) when 'number' then $1::numeric operator(pg_catalog.=) pg_catalog.trunc($1::numeric)
        and $1::numeric between -2147483648 and 2147483647 else false end $$;
create function redshift_standin.is_decimal(jsonb) returns boolean language sql immutable strict parallel safe
    as $$ select jsonb_typeof($1) operator(pg_catalog.=) 'number' $$;
create function redshift_standin.get_array_length(jsonb) returns bigint language sql immutable strict parallel safe
    as $$ select case jsonb_typeof($1) when 'array' then jsonb_array_length($1)::bigint end $$;
create function redshift_standin."array"() returns jsonb language sql immutable parallel safe as $$ select '[]'::jsonb $$;
create function redshift_standin."array"(variadic "any") returns jsonb language internal stable parallel safe as 'jsonb_build_array';
create function redshift_standin.object() returns jsonb language sql immutable parallel safe as $$ select '{}'::jsonb $$;
create function redshift_standin.object(variadic "any") returns jsonb language internal stable parallel safe as 'jsonb_build_object';

create function redshift_standin.json_array_length(text) returns integer language sql immutable strict parallel safe
    as $$ select pg_catalog.json_array_length($1::json) $$;
create function redshift_standin.json_extract_array_element_text(text, int) returns text language sql immutable strict parallel safe
    as $$ select case when $2 >= 0 then $1::json ->> $2 end $$;
-- A path of up to five keys; NULL if there is nothing.
create function redshift_standin.json_extract_path_text(text, variadic text[]) returns text language sql immutable strict parallel safe
    as $$ select $1::json #>> $2 $$;

-- ---------------------------------------------------------------- session and catalog

create function redshift_standin.version() returns text language sql stable parallel safe as $$
    select 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.77467'
$$;
create function redshift_standin.pg_last_copy_count() returns bigint language sql stable as $$
    select coalesce(nullif(pg_catalog.current_setting('redshift_standin.last_copy_count', true), ''), '0')::bigint
$$;
create function redshift_standin.pg_last_copy_id() returns integer language sql stable as $$
    select coalesce(nullif(pg_catalog.current_setting('redshift_standin.last_copy_id', true), ''), '-1')::integer
$$;
create function redshift_standin.pg_last_query_id() returns integer language sql stable as $$
    select coalesce(nullif(pg_catalog.current_setting('redshift_standin.last_query_id', true), ''), '-1')::integer
$$;
create function redshift_standin.current_schemas(boolean) returns text[] language sql stable as $$
    select array(
        select name
        from unnest(pg_catalog.current_schemas($1)) with ordinality as path(name, place)
        where name operator(pg_catalog.<>) 'redshift_standin_operators' and ($1 or name operator(pg_catalog.<>) 'pg_catalog') order by place
    )
$$;
create function redshift_standin.current_schema() returns text language sql stable as $$
    select (redshift_standin.current_schemas(false))[1]
$$;
create function redshift_standin.current_user_id() returns integer language sql stable as $$
    select usesysid::integer from pg_catalog.pg_user where usename operator(pg_catalog.=) current_user
$$;
create function redshift_standin.format_type(oid, integer) returns text language sql stable parallel safe as $$
    select case
        when $1 operator(pg_catalog.=) any (array[3802, 4000]) then 'super'
        when $1 operator(pg_catalog.=) any (array[17, 6551]) then 'binary varying' || case when $2 > 4 then '(' || $2 - 4 || ')' else '' end
        else pg_catalog.format_type($1, $2) end
$$;
-- In the order of pg_attribute.attencodingtype, whose numbers no page gives; drivers only hand them to format_encoding.
create function redshift_standin.encodings() returns text[] language sql immutable parallel safe as $$
    select array['none', 'az64', 'bytedict', 'delta', 'delta32k', 'lzo', 'mostly8', 'mostly16', 'mostly32', 'runlength', 'text255', 'text32k', 'zstd']
$$;
create function redshift_standin.format_encoding(integer) returns text language sql immutable strict parallel safe as $$
    select (redshift_standin.encodings())[$1 + 1]
$$;
