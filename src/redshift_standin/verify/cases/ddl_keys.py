"""Keys that nobody enforces; what LIKE and CREATE TABLE AS take along (rules 26 and 27)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Succeeds


def _key(name: str, *run: str, expect: Expected, page: str = "t_Defining_constraints") -> Case:
    return Case(rule=26, name=name, run=run, expect=expect, page=page)


def _copied(name: str, *run: str, expect: Expected, page: str = "r_CREATE_TABLE_NEW") -> Case:
    return Case(rule=27, name=name, setup=(_PARENT,), run=run, expect=expect, page=page)


def _as(name: str, *run: str, expect: Expected) -> Case:
    return _copied(name, "insert into p (id, c) values (1, 'one')", *run, expect=expect, page="r_CREATE_TABLE_AS")


_TWO: Final = Rows([[1], [1]], "select id from t")
_PARENT: Final = "create table p (id int not null, c varchar(10) default 'x', k varchar(10) unique, primary key (id)) distkey(id) sortkey(c)"

_KEYS: Final = (
    _key("a PRIMARY KEY takes the same value twice", "create table t (id int primary key)", "insert into t values (1), (1)", expect=_TWO),
    _key("a UNIQUE column takes the same value twice", "create table t (id int unique)", "insert into t values (1), (1)", expect=_TWO),
    _key("a PRIMARY KEY of two columns takes the same values twice", "create table t (id int, b int, primary key (id, b))",
         "insert into t values (1, 2), (1, 2)", expect=_TWO),
    _key("UNIQUE of the table takes the same values twice", "create table t (id int, b int, unique (id, b))",
         "insert into t values (1, 2), (1, 2)", expect=_TWO),
    _key("a named constraint is not enforced", "create table t (id int, constraint once unique (id))", "insert into t values (1), (1)", expect=_TWO),
    _key("an added PRIMARY KEY takes rows that are there twice", "create table t (id int not null)", "insert into t values (1), (1)",
         "alter table t add primary key (id)", expect=_TWO),
    _key("UPDATE may make a key twice", "create table t (id int primary key)", "insert into t values (1), (2)",
         "update t set id = 1", expect=_TWO),
    _key("INSERT of a query may make a key twice", "create table t (id int primary key)", "insert into t values (1)",
         "insert into t select id from t", expect=_TWO),
    Case(rule=26, name="COPY loads a key twice", setup=("create table t (id int primary key)",), files={"rows.csv": b"1\n1\n"},
         run="copy t from '{s3}/rows.csv' {auth} csv", expect=_TWO, page="r_COPY"),
    _key("a foreign key takes a value that its table does not have", "create table p (id int primary key)",
         "create table t (id int references p (id))", "insert into t values (1), (1)", expect=_TWO),
    _key("FOREIGN KEY of the table is not enforced", "create table p (id int primary key)",
         "create table t (id int, foreign key (id) references p (id))", "insert into t values (1), (1)", expect=_TWO),
    _key("a row that a foreign key names may be deleted", "create table p (id int primary key)", "create table t (id int references p)",
         "insert into p values (1)", "insert into t values (1), (1)", "delete from p", expect=_TWO),
    _key("a foreign key to a missing table is refused", "create table t (id int references nowhere (id))", expect=Refused("42P01", "nowhere")),
    _key("a PRIMARY KEY is NOT NULL", "create table t (id int primary key)", "insert into t values (null)", expect=Refused("23502", "NULL value")),
    _key("a UNIQUE column takes NULL", "create table t (id int unique)", "insert into t values (null)", expect=Rows([[None]], "select id from t")),
    _key("two PRIMARY KEYs are refused", "create table t (id int primary key, b int primary key)", expect=Refused("42P16", "primary key")),
    _key("a PRIMARY KEY of a missing column is refused", "create table t (id int, primary key (z))", expect=Refused("42703", "z")),
    _key("ON DELETE CASCADE is refused", "create table p (id int primary key)", "create table t (id int references p (id) on delete cascade)",
         expect=Refused("0A000")),
    _key("DEFERRABLE is refused", "create table t (id int unique deferrable)", expect=Refused("0A000")),
)  # fmt: skip

_LIKE: Final = "create table t (like p)"
_COPIES: Final = (
    _copied("LIKE takes names and types", _LIKE, expect=Rows(
        [["id", "integer"], ["c", "character varying(10)"], ["k", "character varying(10)"]],
        "select \"column\", type from pg_table_def where tablename = 't'")),
    _copied("LIKE takes NOT NULL", _LIKE, "insert into t (c) values ('a')", expect=Refused("23502", "NULL value")),
    _copied("LIKE takes no default", _LIKE, "insert into t (id) values (1)", expect=Rows([[None]], "select c from t")),
    _copied("LIKE takes defaults if asked", "create table t (like p including defaults)", "insert into t (id) values (1)",
            expect=Rows([["x"]], "select c from t")),
    _copied("EXCLUDING DEFAULTS is what is done anyway", "create table t (like p excluding defaults)", "insert into t (id) values (1)",
            expect=Rows([[None]], "select c from t")),
    _copied("LIKE takes distribution and sort keys", _LIKE, expect=Rows(
        [["id", True, 0], ["c", False, 1], ["k", False, 0]],
        "select \"column\", distkey, sortkey from pg_table_def where tablename = 't'")),
    _copied("LIKE takes no key, so that a column can be widened", _LIKE, "alter table t alter column k type varchar(20)", expect=Succeeds()),
    _copied("INCLUDING ALL is refused", "create table t (like p including all)", expect=Refused("0A000")),
    _copied("LIKE of a missing table is refused", "create table t (like nowhere)", expect=Refused("42P01", "nowhere")),
    _copied("a temporary table may be LIKE a permanent one", "create temp table t (like p)", "insert into t (id) values (1)",
            expect=Rows([[1]], "select id from t")),
    _as("AS takes rows and names", "create table t as select id, c from p", expect=Rows([[1, "one"]], "select id, c from t")),
    _as("AS takes no NOT NULL", "create table t as select id from p", "insert into t values (null)", expect=Rows([[1], [None]], "select id from t")),
    _as("AS takes no default", "create table t as select id, c from p", "insert into t (id) values (2)",
        expect=Rows([["one"], [None]], "select c from t")),
    _as("AS takes no key, so that a column can be widened", "create table t as select k from p",
        "alter table t alter column k type varchar(20)", expect=Succeeds()),
    _as("AS takes no IDENTITY", "create table i (id bigint identity(1, 1), a int)", "create table t as select id, a from i",
        "insert into t values (77, 1)", expect=Rows([[77, 1]], "select id, a from t")),
    _as("AS takes types with their sizes", "create table t as select id, c, 1.5::numeric(6,2) as n from p", expect=Rows(
        [["id", "integer"], ["c", "character varying(10)"], ["n", "numeric(6,2)"]],
        "select \"column\", type from pg_table_def where tablename = 't'")),
    _as("AS may name the columns", "create table t (a, b) as select id, c from p", expect=Rows([[1, "one"]], "select a, b from t")),
    _as("AS takes a distribution and a sort key", "create table t distkey(id) sortkey(c) as select id, c from p", expect=Rows(
        [["id", True, 0], ["c", False, 1]], "select \"column\", distkey, sortkey from pg_table_def where tablename = 't'")),
    _as("AS refuses two columns of one name", "create table t as select id, id from p", expect=Refused("42701", "id")),
    _as("AS may make a temporary table", "create temp table t as select id from p", expect=Rows([[1]], "select id from t")),
    _as("WITH NO DATA is refused", "create table t as select id from p with no data", expect=Refused("42601", "syntax error")),
    _as("SELECT INTO makes a table", "select id into t from p", expect=Rows([[1]], "select id from t")),
    _as("SELECT INTO TEMP makes a temporary table", "select id into temp t from p", expect=Rows([[1]], "select id from t")),
    _as("AS refuses a table that is there", "create table t (a int)", "create table t as select 1 as a", expect=Refused("42P07", "t")),
    _copied("a table that is there is refused", "create table p (a int)", expect=Refused("42P07", "p")),
    _copied("IF NOT EXISTS leaves a table that is there", "create table if not exists p (z int)", expect=Rows([], "select id, c from p")),
    _copied("a table without columns is refused", "create table t ()", expect=Refused("42601", "syntax error")),
    _copied("a missing schema is refused", "create table nowhere.t (a int)", expect=Refused("3F000", "nowhere")),
)  # fmt: skip


def _declared(name: str, kind: str, expect: Expected) -> Case:
    """A column of a type."""
    return Case(rule=27, name=name, run=f"create table t (c {kind})", expect=expect, page="c_Supported_data_types")


def _is(kind: str, shown: str) -> Case:
    """How a declared type is kept."""
    query = "select type from pg_table_def where tablename = 't'"
    return _declared(f"{kind} is {shown}", kind, Rows([[shown]], query))


_TYPES: Final = (
    *(
        _is(kind, shown)
        for kind, shown in (
            ("varchar", "character varying(256)"), ("text", "character varying(256)"), ("nvarchar(7)", "character varying(7)"),
            ("character varying(7)", "character varying(7)"), ("varchar(max)", "character varying(65535)"),
            ("varchar(65535)", "character varying(65535)"), ("char", "character(1)"), ("char(4096)", "character(4096)"),
            ("nchar(7)", "character(7)"), ("bpchar", "character(256)"), ("decimal", "numeric(18,0)"), ("decimal(5)", "numeric(5,0)"),
            ("numeric(38,37)", "numeric(38,37)"), ("decimal(19,2)", "numeric(19,2)"), ("int2", "smallint"), ("int4", "integer"),
            ("int8", "bigint"), ("float4", "real"), ("float8", "double precision"), ("float", "double precision"), ("bool", "boolean"),
            ("timestamp with time zone", "timestamp with time zone"), ("varbyte", "binary varying(64000)"),
            ("varbinary(10)", "binary varying(10)"), ("binary varying(10)", "binary varying(10)"),
            ("varbyte(1024000)", "binary varying(1024000)"),
        )
    ),
    *(
        _declared(f"{kind} is refused", kind, Refused("22023"))
        for kind in ("varchar(65536)", "varchar(0)", "char(4097)", "char(0)", "decimal(39,0)", "decimal(38,38)", "decimal(0,0)", "decimal(5,6)")
    ),
    _declared("a size for TEXT is refused", "text(10)", Refused("42601")),
    _declared("a size for INTEGER is refused", "int(11)", Refused("42601")),
    _declared("a missing type is refused", "notype", Refused("42704", "notype")),
    _declared("a column without a type is refused", "", Refused("42601", "syntax error")),
)  # fmt: skip

CASES: Final[tuple[Case, ...]] = (*_KEYS, *_COPIES, *_TYPES)
