"""Views, late-binding views, rights, comments, users and cursors (rules 24 and 40)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Succeeds

_SETUP: Final = (
    "create table t (id int, name varchar(10))",
    "insert into t values (1, 'one'), (2, 'two'), (3, 'three')",
)
_SYNTAX: Final = Refused("42601", "syntax error")


def _view(name: str, *run: str, expect: Expected) -> Case:
    return Case(rule=40, name=name, setup=_SETUP, run=run, expect=expect, page="r_CREATE_VIEW")


def _late(name: str, *run: str, expect: Expected) -> Case:
    return Case(rule=24, name=name, setup=_SETUP, run=run, expect=expect, page="r_CREATE_VIEW")


_LATE: Final = "create view v as select id from {schema}.t with no schema binding"
_VIEWS: Final = (
    _view("a view gives its query's rows", "create view v as select id from t where id > 1", expect=Rows([[2], [3]], "select id from v")),
    _view("a view may name its columns", "create view v (a, b) as select id, name from t", expect=Rows([[1], [2], [3]], "select a from v")),
    _view("a view that is there is refused", "create view v as select id from t", "create view v as select id from t", expect=Refused("42P07", "v")),
    _view("a view has no table's name", "create view t as select 1 as id", expect=Refused("42P07", "t")),
    _view("OR REPLACE gives a view another query", "create view v as select id from t", "create or replace view v as select id from t where id = 3",
          expect=Rows([[3]], "select id from v")),
    _view("OR REPLACE takes no column away", "create view v as select id, name from t", "create or replace view v as select id from t",
          expect=Refused("42P16")),
    _view("OR REPLACE takes no column more", "create view v as select id from t", "create or replace view v as select id, name from t",
          expect=Refused("42P16")),
    _view("OR REPLACE takes no other type", "create view v as select id from t", "create or replace view v as select id::bigint as id from t",
          expect=Refused("42P16")),
    _view("a view of a missing table is refused", "create view v as select id from nowhere", expect=Refused("42P01", "nowhere")),
    _view("a view cannot be inserted into", "create view v as select id from t", "insert into v values (1)", expect=Refused("42809", "v")),
    _view("a view keeps its query when its table is renamed", "create view v as select id from t", "alter table t rename to u",
          expect=Rows([[1], [2], [3]], "select id from v")),
    _view("a view keeps its columns when the table gets one more", "create view v as select * from t", "alter table t add column z int",
          expect=Rows([[1, "one"], [2, "two"], [3, "three"]], "select * from v")),
    _view("DROP VIEW IF EXISTS forgives", "drop view if exists v", expect=Succeeds()),
    _view("DROP VIEW of a missing view is refused", "drop view v", expect=Refused("42P01", "v")),
    _view("WITH CHECK OPTION is refused", "create view v as select id from t with check option", expect=Refused("0A000")),
    _view("IF NOT EXISTS is refused for a view", "create view if not exists v as select id from t", expect=_SYNTAX),
    _view("options of a view are refused", "create view v with (security_barrier) as select id from t", expect=Refused("0A000")),
)  # fmt: skip
_LATES: Final = (
    _late("a late-binding view gives its query's rows", _LATE, expect=Rows([[1], [2], [3]], "select id from v")),
    _late("a late-binding view may read a table that is not there yet", "create view v as select a from {schema}.later with no schema binding",
          "create table later (a int)", "insert into later values (7)", expect=Rows([[7]], "select a from v")),
    _late("a late-binding view of a missing table is refused when it is read",
          "create view v as select a from {schema}.nowhere with no schema binding", "select a from v", expect=Refused("42P01", "nowhere")),
    _late("a late-binding view needs its tables' schemas", "create view v as select id from t with no schema binding", expect=Refused("0A000", "qualified")),
    _late("a late-binding view outlives its table", _LATE, "drop table t", "create table t (id int)", "insert into t values (9)",
          expect=Rows([[9]], "select id from v")),
    _late("a late-binding view of a dropped table is refused when it is read", _LATE, "drop table t", "select id from v", expect=Refused("42P01", "t")),
    _late("a late-binding view follows a table's new column of another type", _LATE, "alter table t drop column id",
          "alter table t add column id varchar(5) default 'x'", expect=Rows([["x"], ["x"], ["x"]], "select id from v")),
    _late("a late-binding view is refused when its column is gone", _LATE, "alter table t drop column id", "select id from v", expect=Refused("42703", "id")),
    _late("a late-binding view follows a rename", _LATE, "alter table t rename to u", "create table t (id int)", expect=Rows([], "select id from v")),
    _late("a late-binding view is dropped", _LATE, "drop view v", "select id from v", expect=Refused("42P01", "v")),
    _late("a late-binding view is replaced", _LATE, "create or replace view v as select name from {schema}.t where id = 1 with no schema binding",
          expect=Rows([["one"]], "select name from v")),
    _late("a late-binding view that is there is refused", _LATE, _LATE, expect=Refused("42P07", "v")),
    _late("a late-binding view reads a view", "create view w as select id from t where id = 1",
          "create view v as select id from {schema}.w with no schema binding", expect=Rows([[1]], "select id from v")),
)  # fmt: skip


def _other(name: str, *run: str, expect: Expected, page: str) -> Case:
    return Case(rule=40, name=name, setup=_SETUP, run=run, expect=expect, page=page)


_USER: Final = "user_{schema}"
_MADE: Final = f"create user {_USER} password 'Abcdefg1'"
_RIGHTS: Final = (
    *(
        _other(f"GRANT {what} is taken", f"grant {what} to public", expect=Succeeds(), page="r_GRANT")
        for what in ("select on t", "insert, update, delete on t", "all on t", "all privileges on table t", "usage on schema {schema}",
                     "create on schema {schema}", "select on all tables in schema {schema}")
    ),
    _other("REVOKE is taken", "grant select on t to public", "revoke select on t from public", expect=Succeeds(), page="r_REVOKE"),
    _other("GRANT to a missing user is refused", "grant select on t to nobody_here", expect=Refused("42704", "nobody_here"), page="r_GRANT"),
    _other("GRANT on a missing table is refused", "grant select on nowhere to public", expect=Refused("42P01", "nowhere"), page="r_GRANT"),
    _other("GRANT of an unknown right is refused", "grant fly on t to public", expect=_SYNTAX, page="r_GRANT"),
    _other("GRANT TRIGGER is refused", "grant trigger on t to public", expect=Refused("0A000"), page="r_GRANT"),
    _other("a right that was given is there", _MADE, f"grant usage on schema {{schema}} to {_USER}", f"grant select on t to {_USER}",
           f"select has_table_privilege('{_USER}', '{{schema}}.t', 'select'), has_table_privilege('{_USER}', '{{schema}}.t', 'insert')",
           expect=Rows([[True, False]]), page="r_GRANT"),
    _other("a user is made and dropped", _MADE, f"drop user {_USER}", expect=Rows([[0]], f"select count(*) from pg_user where usename = '{_USER}'"),
           page="r_CREATE_USER"),
    _other("a user needs a password", f"create user {_USER}", expect=_SYNTAX, page="r_CREATE_USER"),
    _other("a password needs a digit", f"create user {_USER} password 'Abcdefgh'", expect=Refused("22023", "password"), page="r_CREATE_USER"),
    _other("a password needs eight characters", f"create user {_USER} password 'Abcdef1'", expect=Refused("22023", "password"), page="r_CREATE_USER"),
    _other("a missing user cannot be dropped", "drop user nobody_here", expect=Refused("42704", "nobody_here"), page="r_DROP_USER"),
    _other("a comment stands on a table", "comment on table t is 'all of it'", expect=Succeeds(), page="r_COMMENT"),
    _other("a comment stands on a column", "comment on column t.id is 'its number'", expect=Succeeds(), page="r_COMMENT"),
    _other("a comment stands on a view", "create view v as select id from t", "comment on view v is 'x'", expect=Succeeds(), page="r_COMMENT"),
    _other("a comment is taken away by NULL", "comment on table t is 'x'", "comment on table t is null", expect=Rows(
        [[None]], "select obj_description(c.oid, 'pg_class') from pg_class c join pg_namespace n on n.oid = c.relnamespace where"
        " c.relname = 't' and n.nspname = '{schema}'"), page="r_COMMENT"),
    _other("a comment on a missing column is refused", "comment on column t.z is 'x'", expect=Refused("42703", "z"), page="r_COMMENT"),
    _other("a comment on a missing table is refused", "comment on table nowhere is 'x'", expect=Refused("42P01", "nowhere"), page="r_COMMENT"),
)  # fmt: skip


def _cursor(name: str, *run: str, expect: Expected, block: bool = True) -> Case:
    return Case(rule=40, name=name, setup=_SETUP, run=run, expect=expect, block=block, page="declare")


_DECLARE: Final = "declare c cursor for select id from t order by id"
_CURSORS: Final = (
    _cursor("FETCH NEXT gives a row", _DECLARE, "fetch next from c", expect=Rows([[1]])),
    _cursor("FETCH goes on where it was", _DECLARE, "fetch forward 2 from c", "fetch next from c", expect=Rows([[3]])),
    _cursor("FETCH takes a number", _DECLARE, "fetch 2 from c", expect=Rows([[1], [2]])),
    _cursor("FETCH ALL gives the rest", _DECLARE, "fetch next from c", "fetch all from c", expect=Rows([[2], [3]])),
    _cursor("FETCH FORWARD ALL gives all", _DECLARE, "fetch forward all from c", expect=Rows([[1], [2], [3]])),
    _cursor("FETCH at the end gives nothing", _DECLARE, "fetch all from c", "fetch next from c", expect=Rows([])),
    _cursor("CLOSE ends a cursor", _DECLARE, "close c", "fetch next from c", expect=Refused("34000", "c")),
    _cursor("FETCH of a missing cursor is refused", "fetch next from nowhere", expect=Refused("34000", "nowhere")),
    _cursor("a cursor needs a block", _DECLARE, expect=Refused("25P01"), block=False),
    _cursor("a cursor ends with its block", "begin", _DECLARE, "commit", "fetch next from c", expect=Refused("34000", "c"), block=False),
    _cursor("a cursor does not go back", _DECLARE, "fetch backward 1 from c", expect=Refused("0A000")),
    _cursor("FETCH PRIOR is refused", _DECLARE, "fetch prior from c", expect=Refused("0A000")),
    _cursor("FETCH FIRST is refused", _DECLARE, "fetch first from c", expect=Refused("0A000")),
    _cursor("MOVE is refused", _DECLARE, "move next from c", expect=Refused("0A000")),
    _cursor("SCROLL is refused", "declare c scroll cursor for select id from t", expect=Refused("0A000")),
    _cursor("WITH HOLD is refused", "declare c cursor with hold for select id from t", expect=Refused("0A000")),
    _cursor("BINARY is refused", "declare c binary cursor for select id from t", expect=Refused("0A000")),
    _cursor("a second open cursor is refused", _DECLARE, "declare d cursor for select id from t", expect=Refused("0A000")),
    _cursor("a second cursor is taken after the first", _DECLARE, "close c", "declare d cursor for select id from t", "fetch 1 from d", expect=Succeeds()),
)  # fmt: skip

CASES: Final[tuple[Case, ...]] = (*_VIEWS, *_LATES, *_RIGHTS, *_CURSORS)
