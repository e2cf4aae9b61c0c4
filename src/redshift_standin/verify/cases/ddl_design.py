"""Distribution, sort order, encodings and backup: checked, kept and shown (rule 25)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Succeeds

_ENCODINGS: Final = (
    ("int", "az64"), ("int", "bytedict"), ("int", "delta"), ("int", "delta32k"), ("varchar(10)", "lzo"), ("bigint", "mostly8"),
    ("bigint", "mostly16"), ("bigint", "mostly32"), ("int", "raw"), ("int", "runlength"), ("varchar(10)", "text255"),
    ("varchar(10)", "text32k"), ("int", "zstd"),
)  # fmt: skip


def _design(name: str, *run: str, expect: Expected) -> Case:
    return Case(rule=25, name=name, run=run, expect=expect, page="r_CREATE_TABLE_NEW")


def _shown(name: str, create: str, columns: str, rows: list[list[object]]) -> Case:
    """What pg_table_def says of table t."""
    return Case(
        rule=25,
        name=name,
        run=create,
        expect=Rows(rows, f"select {columns} from pg_table_def where schemaname = '{{schema}}' and tablename = 't'"),
        page="r_PG_TABLE_DEF",
    )


def _info(name: str, create: str, columns: str, row: list[object]) -> Case:
    """What svv_table_info says of table t, which has a row."""
    return Case(
        rule=25,
        name=name,
        run=(create, "insert into t values (1, 2)"),
        expect=Rows([row], f"select {columns} from svv_table_info where \"schema\" = '{{schema}}' and \"table\" = 't'"),
        page="r_SVV_TABLE_INFO",
    )


_REFUSALS: Final = (
    _design("a DISTKEY of a missing column is refused", "create table t (a int) distkey(z)", expect=Refused("42703", "z")),
    _design("a SORTKEY of a missing column is refused", "create table t (a int) sortkey(z)", expect=Refused("42703", "z")),
    _design("two DISTKEY columns are refused", "create table t (a int distkey, b int distkey)", expect=Refused("42601")),
    _design("a DISTKEY of two columns is refused", "create table t (a int, b int) distkey(a, b)", expect=Refused("42601")),
    _design("DISTSTYLE KEY needs a DISTKEY", "create table t (a int) diststyle key", expect=Refused("42601")),
    _design("DISTSTYLE EVEN takes no DISTKEY", "create table t (a int) diststyle even distkey(a)", expect=Refused("42601")),
    _design("DISTSTYLE ALL takes no DISTKEY", "create table t (a int distkey) diststyle all", expect=Refused("42601")),
    _design("an unknown DISTSTYLE is refused", "create table t (a int) diststyle round", expect=Refused("42601", "round")),
    _design("SUPER is no DISTKEY", "create table t (a super) distkey(a)", expect=Refused("0A000")),
    _design("SUPER is no SORTKEY", "create table t (a super, b int) sortkey(b, a)", expect=Refused("0A000")),
    _design("VARBYTE is no DISTKEY", "create table t (a varbyte(10)) distkey(a)", expect=Refused("0A000")),
    _design("VARBYTE is no SORTKEY", "create table t (a varbyte(10)) sortkey(a)", expect=Refused("0A000")),
    _design("an unknown encoding is refused", "create table t (a int encode snappy)", expect=Refused("42601", "snappy")),
    _design("BACKUP takes YES or NO", "create table t (a int) backup maybe", expect=Refused("42601", "maybe")),
    _design(
        "an interleaved key of nine columns is refused",
        f"create table t ({', '.join(f'c{i} int' for i in range(9))}) interleaved sortkey({', '.join(f'c{i}' for i in range(9))})",
        expect=Refused("54011"),
    ),
    _design(
        "a sort key of 401 columns is refused",
        f"create table t ({', '.join(f'c{i} int' for i in range(401))}) sortkey({', '.join(f'c{i}' for i in range(401))})",
        expect=Refused("54011"),
    ),
    _design("WITH storage parameters are refused", "create table t (a int) with (fillfactor = 70)", expect=Refused("0A000")),
)  # fmt: skip

_ACCEPTED: Final = (
    _design("all attributes stand together", "create table t (a int not null, b varchar(10) encode lzo) backup no diststyle key distkey(a)"
            " compound sortkey(a, b)", expect=Succeeds()),
    _design("DISTSTYLE AUTO and SORTKEY AUTO are taken", "create table t (a int) diststyle auto sortkey auto", expect=Succeeds()),
    _design("ENCODE AUTO is taken", "create table t (a int) encode auto", expect=Succeeds()),
    _design("BACKUP YES is taken", "create table t (a int) backup yes", expect=Succeeds()),
    _design(
        "an interleaved key of eight columns is taken",
        f"create table t ({', '.join(f'c{i} int' for i in range(8))}) interleaved sortkey({', '.join(f'c{i}' for i in range(8))})",
        expect=Succeeds(),
    ),
    _design(
        "a sort key of 400 columns is taken",
        f"create table t ({', '.join(f'c{i} int' for i in range(400))}) sortkey({', '.join(f'c{i}' for i in range(400))})",
        expect=Succeeds(),
    ),
    *(
        _shown(f"encoding {encoding} is kept", f"create table t (a {kind} encode {encoding})", "encoding",
               [["none" if encoding == "raw" else encoding]])
        for kind, encoding in _ENCODINGS
    ),
    _shown("a DISTKEY is shown", "create table t (a int, b int) distkey(b)", '"column", distkey', [["a", False], ["b", True]]),
    _shown("sort keys are numbered in their order", "create table t (a int, b int, c int) sortkey(c, a)", '"column", sortkey',
           [["a", 2], ["b", 0], ["c", 1]]),
    _shown("interleaved sort keys have alternating signs", "create table t (a int, b int, c int) interleaved sortkey(a, b, c)",
           'abs(sortkey), sum(sign(sortkey)) over () in (1, -1)', [[1, True], [2, True], [3, True]]),
    _shown("NOT NULL is shown", "create table t (a int not null, b int)", '"column", "notnull"', [["a", True], ["b", False]]),
    _shown(
        "types are shown in their long names",
        "create table t (a smallint, b int, c bigint, d numeric(10,2), e real, f float8, g bool, h char(3), i varchar(7), j date, k timestamp,"
        " l timestamptz, m time, n timetz, o super, p text, q decimal)",
        '"column", type',
        [
            ["a", "smallint"], ["b", "integer"], ["c", "bigint"], ["d", "numeric(10,2)"], ["e", "real"], ["f", "double precision"],
            ["g", "boolean"], ["h", "character(3)"], ["i", "character varying(7)"], ["j", "date"], ["k", "timestamp without time zone"],
            ["l", "timestamp with time zone"], ["m", "time without time zone"], ["n", "time with time zone"], ["o", "super"],
            ["p", "character varying(256)"], ["q", "numeric(18,0)"],
        ],
    ),
    _info("a key's style is shown with its column", "create table t (a int, b int) distkey(a)", "diststyle", ["KEY(a)"]),
    _info("EVEN is shown", "create table t (a int, b int) diststyle even", "diststyle", ["EVEN"]),
    _info("ALL is shown", "create table t (a int, b int) diststyle all", "diststyle", ["ALL"]),
    _info("no style means AUTO", "create table t (a int, b int)", "diststyle like 'AUTO%'", [True]),
    _info("the first sort key is shown", "create table t (a int, b int) sortkey(b, a)", "sortkey1, sortkey_num", ["b", 2]),
    _info("rows are counted", "create table t (a int, b int)", "tbl_rows, estimated_visible_rows", [1, 1]),
    _design(
        "a column that is renamed keeps its key", "create table t (a int, b int) distkey(a) sortkey(a)", "alter table t rename column a to z",
        "select \"column\", distkey, sortkey from pg_table_def where tablename = 't'", expect=Rows([["z", True, 1], ["b", False, 0]]),
    ),
    _design(
        "ALTER DISTKEY moves the key", "create table t (a int, b int) distkey(a)", "alter table t alter distkey b",
        "select \"column\", distkey from pg_table_def where tablename = 't'", expect=Rows([["a", False], ["b", True]]),
    ),
    _design(
        "ALTER DISTSTYLE takes the key away", "create table t (a int, b int) distkey(a)", "alter table t alter diststyle even",
        "select \"column\", distkey from pg_table_def where tablename = 't'", expect=Rows([["a", False], ["b", False]]),
    ),
    _design(
        "ALTER SORTKEY sets the order", "create table t (a int, b int)", "alter table t alter sortkey (b)",
        "select \"column\", sortkey from pg_table_def where tablename = 't'", expect=Rows([["a", 0], ["b", 1]]),
    ),
    _design("ALTER DISTKEY to a missing column is refused", "create table t (a int)", "alter table t alter distkey z", expect=Refused("42703", "z")),
)  # fmt: skip

CASES: Final[tuple[Case, ...]] = (*_REFUSALS, *_ACCEPTED)
