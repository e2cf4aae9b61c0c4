"""What applications do beside plain rows: truncates, messages, prepared transactions, partitions, types of their own."""

from __future__ import annotations

from fix_pipeline import Pipeline
from refusals.rig import until_applied

TABLES = """
create type mood as enum ('sad', 'ok', 'with "quotes", and {braces}');
create domain positive as int check (value > 0);
create domain words as text[];
create type pair as (a int, b text);
create table parent (id int generated always as identity primary key, a text);
create table child (id int generated always as identity primary key, parent int references parent, a text);
create table plain (id int primary key, a text);
create table parted (id int, region text, a text, primary key (id, region)) partition by list (region);
create table parted_north partition of parted for values in ('north');
create table parted_rest partition of parted default;
create table typed (id positive primary key, m mood, p pair, w words, ms mood[], r int4range,
    doubled int generated always as (id * 2) stored, n numeric);
insert into parent (a) select 'a' || i from generate_series(1, 5) i;
insert into child (parent, a) select i, 'c' || i from generate_series(1, 5) i;
insert into plain select i, 'p' || i from generate_series(1, 5) i;
insert into parted select i, case when i % 2 = 0 then 'north' else 'south' end, 'x' from generate_series(1, 6) i;
insert into typed (id, m, p, w, ms, r, n) values
    (1, 'sad', row(1, 'a,"b"'), '{a,NULL,"x y"}', '{sad,"with \\"quotes\\", and {braces}"}', '[1,5)', 'NaN'),
    (2, null, null, '{}', null, 'empty', 'Infinity'), (3, 'ok', row(null, ''), null, '{}', '(,)', 1e20)
"""

# One transaction a line.
CHANGES = """
insert into parent (a) values ('lost'); truncate parent restart identity cascade; insert into parent (a) values ('first again'); insert into child (parent, a) values (1, 'too')
insert into plain values (90, 'x'); update plain set a = 'y'; truncate plain, child restart identity; insert into plain values (1, 'after'), (2, 'after'); update plain set a = 'z' where id = 2
select pg_logical_emit_message(true, 'theirs', 'within'); insert into plain values (3, 'beside a message'); select pg_logical_emit_message(false, 'theirs', 'at once')
savepoint a; insert into plain values (4, 'kept'); savepoint b; insert into plain values (5, 'gone'); rollback to b; savepoint c; update plain set a = 'kept too' where id = 4; release c; release a
update parted set region = 'north' where id = 1; update parted set a = 'y' where region = 'north'; delete from parted where id = 3; insert into parted values (10, 'east', 'new')
update typed set m = 'with "quotes", and {braces}', w = w || 'more'::text where id = 1; delete from typed where id = 2; insert into typed (id, m, p) values (7, 'ok', row(7, null)); update typed set id = 8 where id = 3
truncate parted; insert into parted values (1, 'north', 'again'), (2, 'south', 'again')
"""

NAMES = ("parent", "child", "plain", "parted")


def test_what_applications_do_arrives(pipeline: Pipeline) -> None:
    database = pipeline.database
    database.execute(TABLES)
    running = pipeline.start("run", "--flush-seconds", "0.05")
    running.wait_for("streaming")
    with database.connect(autocommit=False) as connection:
        for line in CHANGES.strip().splitlines():
            for statement in line.split("; "):
                connection.execute(statement.encode())
            connection.commit()
        prepared = database.fetch("show max_prepared_transactions")[0][0] != "0"
        if prepared:
            for name, ending in (("kept", "commit"), ("dropped", "rollback")):
                connection.execute(f"insert into plain select max(id) + 1, '{name}' from plain".encode())
                connection.execute(f"prepare transaction '{database.name}_{name}'".encode())
                connection.commit()
                connection.autocommit = True
                connection.execute("insert into parent (a) values ('in between')")
                connection.execute(f"{ending} prepared '{database.name}_{name}'".encode())
                connection.autocommit = False
    assert prepared, "the server is to allow prepared transactions"
    until_applied(running, database)
    running.signal(15)
    assert running.finish().code == 143
    pipeline.assert_equal(*NAMES)
    assert_typed_is_equal(pipeline)
    # The same changes again, as one batch, over the state that they left.
    with database.connect(autocommit=False) as connection:
        for line in CHANGES.strip().splitlines()[:2]:
            for statement in line.split("; "):
                connection.execute(statement.encode())
            connection.commit()
    pipeline.catch_up()
    pipeline.assert_equal(*NAMES)


def assert_typed_is_equal(pipeline: Pipeline) -> None:
    """Text of every value where DuckDB has no such type, composites as JSON; generated columns are not sent before Postgres 18."""
    source = pipeline.database.fetch(
        "select id::int, m::text, array_to_json(w)::text, array_to_json(ms)::text, r::text, n::text from typed order by 1"
    )
    import duckdb

    with duckdb.connect(str(pipeline.warehouse_path), read_only=True) as connection:
        target = connection.execute("select id, m, w, ms, r, n from public.typed order by 1").fetchall()
        composites = connection.execute("select id, p from public.typed order by 1").fetchall()
        columns = [row[0] for row in connection.execute("describe public.typed").fetchall()]
    assert [tuple(None if value is None else str(value) for value in row) for row in target] == [
        tuple(None if value is None else str(value) for value in row) for row in source
    ]
    assert composites == pipeline.database.fetch("select id::int, row_to_json(p)::text from typed order by 1")
    assert ("doubled" in columns) == (pipeline.database.server.version[0] >= 99)
