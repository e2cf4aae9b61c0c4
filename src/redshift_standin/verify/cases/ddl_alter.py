"""ALTER TABLE: the few things that Redshift can alter (rules 21 to 24)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Succeeds

_SETUP: Final = (
    "create table t (id int not null, name varchar(10), note varchar(20) default 'n')",
    "insert into t values (1, 'one', 'a'), (2, 'two', 'b')",
)
_SYNTAX: Final = Refused("42601", "syntax error")
_REFUSED: Final = Refused("0A000")


def _alter(rule: int, name: str, *run: str, expect: Expected, block: bool = False) -> Case:
    return Case(rule=rule, name=name, setup=_SETUP, run=run, expect=expect, block=block, page="r_ALTER_TABLE")


_ADD: Final = (
    _alter(21, "a new column is NULL in old rows", "alter table t add column z int", expect=Rows([[None], [None]], "select z from t")),
    _alter(21, "the word COLUMN may be left out", "alter table t add z int", expect=Rows([[None], [None]], "select z from t")),
    _alter(21, "a default fills old rows", "alter table t add column z int default 7", expect=Rows([[7], [7]], "select z from t")),
    _alter(21, "NOT NULL with a default is taken", "alter table t add column z int default 7 not null", expect=Rows([[7], [7]], "select z from t")),
    _alter(21, "NOT NULL before the default is taken", "alter table t add column z int not null default 7", expect=Rows([[7], [7]], "select z from t")),
    _alter(21, "NOT NULL without a default is refused", "alter table t add column z int not null", expect=_REFUSED),
    _alter(21, "NOT NULL without a default is refused on an empty table", "create table e (a int)",
           "alter table e add column z int not null", expect=_REFUSED),
    _alter(21, "NOT NULL with DEFAULT NULL is refused", "alter table t add column z int default null not null", expect=_REFUSED),
    _alter(21, "a second ADD COLUMN is refused", "alter table t add column y int, add column z int", expect=_SYNTAX),
    _alter(21, "ADD COLUMN beside DROP COLUMN is refused", "alter table t add column y int, drop column note", expect=_SYNTAX),
    _alter(21, "IF NOT EXISTS is refused", "alter table t add column if not exists z int", expect=_REFUSED),
    _alter(21, "a new column is no PRIMARY KEY", "alter table t add column z int primary key", expect=_REFUSED),
    _alter(21, "a new column is not UNIQUE", "alter table t add column z int unique", expect=_REFUSED),
    _alter(21, "a new column REFERENCES nothing", "create table p (id int primary key)", "alter table t add column z int references p (id)",
           expect=_REFUSED),
    _alter(21, "a new column is no IDENTITY", "alter table t add column z bigint identity(1, 1)", expect=_REFUSED),
    _alter(21, "a name that is there is refused", "alter table t add column name int", expect=Refused("42701", "name")),
    _alter(21, "a name that is there in other letters is refused", 'alter table t add column "NAME" int', expect=Refused("42701", "name")),
    _alter(21, "a system column's name is refused", "alter table t add column xmin int", expect=Refused("42701", "xmin")),
    _alter(21, "a missing table is refused", "alter table nowhere add column z int", expect=Refused("42P01", "nowhere")),
    _alter(21, "a view gets no column", "create view v as select id from t", "alter table v add column z int", expect=Refused("42809", "v")),
    _alter(21, "an encoding may be given", "alter table t add column z int encode zstd",
           expect=Rows([["zstd"]], "select encoding from pg_table_def where tablename = 't' and \"column\" = 'z'")),
    _alter(21, "columns are added one by one in a block", "alter table t add column y int", "alter table t add column z int",
           "update t set z = 1", expect=Rows([[None, 1], [None, 1]], "select y, z from t"), block=True),
)  # fmt: skip

_TO_20: Final = "alter table t alter column name type varchar(20)"
_LONG: Final = "insert into t (id, name) values (3, 'aaaaabbbbbcccccddddd')"


def _keyed(name: str, column: str, *before: str) -> Case:
    """A column that cannot be widened."""
    return _alter(
        22,
        name,
        *before,
        f"create table k (id int, {column})",
        "alter table k alter column c type varchar(20)",
        expect=_REFUSED,
    )


_WIDEN: Final = (
    _alter(22, "a VARCHAR column is widened", _TO_20, _LONG, expect=Rows([["aaaaabbbbbcccccddddd"]], "select name from t where id = 3")),
    _alter(22, "a widened column still has an end", _TO_20, "insert into t (id, name) values (3, 'aaaaabbbbbcccccddddde')",
           expect=Refused("22001", "value too long for type character varying(20)")),
    _alter(22, "the new size is counted in bytes", _TO_20, "insert into t (id, name) values (3, 'ééééééééééé')",
           expect=Refused("22001", "value too long for type character varying(20)")),
    _alter(22, "a widened column is described with its new size", _TO_20, expect=Rows(
        [["character varying(20)"]], "select type from pg_table_def where tablename = 't' and \"column\" = 'name'")),
    _alter(22, "65535 bytes are the most", "alter table t alter column name type varchar(65535)", expect=Succeeds()),
    _alter(22, "65536 bytes are refused", "alter table t alter column name type varchar(65536)", expect=Refused("22023")),
    _alter(22, "the same size is refused", "alter table t alter column name type varchar(10)",
           expect=Refused("0A000", 'cannot alter column "name" of relation "t", target column size should be different')),
    _alter(22, "a size that holds the data may be smaller", "alter table t alter column name type varchar(3)", expect=Succeeds()),
    _alter(22, "a size below the data is refused", "alter table t alter column name type varchar(2)", expect=_REFUSED),
    _alter(22, "a block is refused", "begin", _TO_20, expect=Refused("25001", "cannot run inside a transaction block")),
    _alter(22, "a default is refused", "alter table t alter column note type varchar(40)", expect=_REFUSED),
    _keyed("a PRIMARY KEY is refused", "c varchar(10) primary key"),
    _keyed("a UNIQUE column is refused", "c varchar(10) unique"),
    _keyed("a column of a table's PRIMARY KEY is refused", "c varchar(10), primary key (id, c)"),
    _keyed("a foreign key is refused", "c varchar(10) references p (c)", "create table p (c varchar(10) primary key)"),
    *(
        _keyed(f"encoding {encoding} is refused", f"c varchar(10) encode {encoding}")
        for encoding in ("bytedict", "runlength", "text255", "text32k")
    ),
    *(
        _alter(22, f"encoding {encoding} is no hindrance", f"create table k (c varchar(10) encode {encoding})",
               "alter table k alter column c type varchar(20)", expect=Succeeds())
        for encoding in ("lzo", "zstd", "raw")
    ),
    *(
        _alter(22, f"{was} does not become {to}", f"create table k (c {was})", f"alter table k alter column c type {to}", expect=_REFUSED)
        for was, to in (
            ("int", "bigint"), ("varchar(10)", "int"), ("int", "varchar(10)"), ("char(5)", "char(10)"), ("char(5)", "varchar(10)"),
            ("numeric(10,2)", "numeric(12,2)"), ("timestamp", "timestamptz"),
        )
    ),
    _alter(22, "a missing column is refused", "alter table t alter column z type varchar(20)", expect=Refused("42703", "z")),
    _alter(22, "USING is refused", "alter table t alter column name type varchar(20) using name", expect=_REFUSED),
    _alter(22, "two ALTER COLUMN are refused", f"{_TO_20}, alter column note type varchar(40)", expect=_SYNTAX),
)  # fmt: skip

_OTHERS: Final = (
    *(
        _alter(23, f"{words} is refused", f"alter table t {words}", expect=_REFUSED)
        for words in (
            "alter column name set not null", "alter column id drop not null", "alter column name set default 'x'",
            "alter column note drop default", "alter column name set statistics 100", "add check (id > 0)",
            "add constraint c check (id > 0)", "rename constraint c to d", "drop column if exists note", "disable trigger all",
            "set unlogged", "set tablespace pg_default", "cluster on c", "alter column id add generated always as identity",
        )
    ),
    _alter(23, "a table is renamed", "alter table t rename to u", expect=Rows([[1], [2]], "select id from u")),
    _alter(23, "the old name is free after RENAME TO", "alter table t rename to u", "select * from t", expect=Refused("42P01", "t")),
    _alter(23, "a name that is taken is refused", "create table u (a int)", "alter table t rename to u", expect=Refused("42P07", "u")),
    _alter(23, "RENAME TO takes no schema", "alter table t rename to public.u", expect=_SYNTAX),
    _alter(23, "a column is renamed", "alter table t rename column name to title", expect=Rows([["one"], ["two"]], "select title from t")),
    _alter(23, "the word COLUMN may be left out of RENAME", "alter table t rename name to title", expect=Rows([["one"], ["two"]], "select title from t")),
    _alter(23, "a column's new name must be free", "alter table t rename column name to note", expect=Refused("42701", "note")),
    _alter(23, "two RENAMEs are refused", "alter table t rename column name to a, rename column note to b", expect=_SYNTAX),
    _alter(23, "another type comes by a new column", "alter table t add column z bigint", "update t set z = id::bigint",
           "alter table t drop column id", "alter table t rename column z to id", expect=Rows([[1], [2]], "select id from t"), block=True),
    _alter(23, "a primary key may be added", "alter table t add primary key (id)", expect=Succeeds()),
    _alter(23, "a named key may be added and dropped", "alter table t add constraint k unique (name)", "alter table t drop constraint k",
           "alter table t alter column name type varchar(20)", expect=Succeeds()),
    _alter(23, "a key of a missing column is refused", "alter table t add primary key (z)", expect=Refused("42703", "z")),
    _alter(23, "a missing constraint cannot be dropped", "alter table t drop constraint k", expect=Refused("42704", "k")),
)  # fmt: skip


def _drop(name: str, *run: str, expect: Expected) -> Case:
    return Case(rule=24, name=name, setup=_SETUP, run=run, expect=expect, page="r_ALTER_TABLE")


_VIEW: Final = "create view v as select id, name from t"
_DROPS: Final = (
    _drop("a column is dropped", "alter table t drop column note", expect=Rows([[1, "one"], [2, "two"]], "select * from t")),
    _drop("the word COLUMN may be left out of DROP", "alter table t drop note", expect=Rows([[1, "one"], [2, "two"]], "select * from t")),
    _drop("a dropped column is gone", "alter table t drop column note", "select note from t", expect=Refused("42703", "note")),
    _drop("a missing column cannot be dropped", "alter table t drop column z", expect=Refused("42703", "z")),
    _drop("two columns at once are refused", "alter table t drop column name, drop column note", expect=_SYNTAX),
    _drop("the DISTKEY column is refused", "create table k (a int, b int) distkey(a)", "alter table k drop column a", expect=_REFUSED),
    _drop("a DISTKEY written beside its column is refused", "create table k (a int distkey, b int)", "alter table k drop column a", expect=_REFUSED),
    _drop("a SORTKEY column is refused", "create table k (a int, b int, c int) sortkey(a, b)", "alter table k drop column b", expect=_REFUSED),
    _drop("a SORTKEY written beside its column is refused", "create table k (a int sortkey, b int)", "alter table k drop column a", expect=_REFUSED),
    _drop("a column beside the keys is dropped", "create table k (a int, b int, c int) distkey(a) sortkey(b)", "alter table k drop column c",
          expect=Succeeds()),
    _drop("the DISTKEY is refused under its new name", "create table k (a int, b int) distkey(a)", "alter table k rename column a to z",
          "alter table k drop column z", expect=_REFUSED),
    _drop("the last column is refused", "create table k (a int)", "alter table k drop column a", expect=_REFUSED),
    _drop("a view hinders the drop of its column", _VIEW, "alter table t drop column name", expect=Refused("2BP01", "cannot drop")),
    _drop("RESTRICT is what is done anyway", _VIEW, "alter table t drop column name restrict", expect=Refused("2BP01", "cannot drop")),
    _drop("CASCADE drops the view with the column", _VIEW, "alter table t drop column name cascade", "select * from v",
          expect=Refused("42P01", "v")),
    _drop("a view does not hinder the drop of another column", _VIEW, "alter table t drop column note", expect=Rows([[1], [2]], "select id from v")),
    _drop("a view hinders the drop of its table", _VIEW, "drop table t", expect=Refused("2BP01", "cannot drop")),
    _drop("CASCADE drops the view with the table", _VIEW, "drop table t cascade", "select * from v", expect=Refused("42P01", "v")),
    _drop("a view hinders the drop of a view that it reads", _VIEW, "create view w as select id from v", "drop view v",
          expect=Refused("2BP01", "cannot drop")),
    _drop("a late-binding view hinders nothing", "create view v as select id, name from {schema}.t with no schema binding",
          "alter table t drop column name", "drop table t", expect=Succeeds()),
    _drop("DROP TABLE of a missing table is refused", "drop table nowhere", expect=Refused("42P01", "nowhere")),
    _drop("IF EXISTS forgives a missing table", "drop table if exists nowhere", expect=Succeeds()),
    _drop("DROP TABLE takes several tables", "create table k (a int)", "drop table k, t", "select * from t", expect=Refused("42P01", "t")),
    _drop("DROP TABLE takes no view", _VIEW, "drop table v", expect=Refused("42809", "v")),
    _drop("DROP VIEW takes no table", "drop view t", expect=Refused("42809", "t")),
)  # fmt: skip

CASES: Final[tuple[Case, ...]] = (*_ADD, *_WIDEN, *_OTHERS, *_DROPS)
