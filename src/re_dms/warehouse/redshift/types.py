"""Which Redshift type a Postgres column gets, and the SQL that makes its value of what COPY has staged.

| Postgres                          | Redshift                     | why it is wide enough, or what does not fit               |
|-----------------------------------|------------------------------|-----------------------------------------------------------|
| boolean                           | boolean                      |                                                           |
| smallint, integer, bigint         | the same                     |                                                           |
| oid, xid, cid                     | bigint                       | 32 bits without sign                                      |
| xid8                              | numeric(20,0)                | 64 bits without sign                                      |
| real, double precision            | the same                     | NaN, infinities and denormals do not fit (COPY: unknown)  |
| numeric(p,s)                      | numeric(p,s), and p = 20     | DECIMAL(19) ends at int64; NaN does not fit               |
|                                   | where it is 19               |                                                           |
| numeric(p,-s), numeric(p,s > p)   | numeric(p+s,0), numeric(s,s) | as above                                                  |
| all other numeric                 | character varying(1024)      | exact text; longer than 1,024 bytes does not fit          |
| money                             | character varying(256)       | lossless text: what a sign means is the locale's business;|
|                                   |                              | 128 bytes of digits (cash_out's buffer), sign, symbol     |
| varchar(n), char(n)               | character varying(4n)        | a character has four bytes at most; char's padding goes   |
| text and other strings            | character varying(65535)     | longer does not fit                                       |
| "char", name, enums               | character varying(4), (256)  | `\\303`; names and labels have 63 bytes                    |
| uuid                              | character varying(36)        |                                                           |
| bytea                             | binary varying(1024000)      | longer than 1,023,999 bytes does not fit                  |
| date, timestamp, timestamptz,     | the same                     | infinity, BC and years over 9999 do not fit (COPY:        |
| time                              |                              | unknown)                                                  |
| timetz                            | character varying(24)        | 23:59:59.999999+15:59:59: Redshift's would lose the zone  |
| interval                          | character varying(128)       | 68 characters: Redshift's cannot hold months and days     |
| json, jsonb, arrays, hstores,     | super                        | see `json_values`                                         |
| composites                        |                              |                                                           |
| inet, cidr, macaddr, macaddr8     | character varying(64)        | 49 characters                                             |
| ranges of numbers of fixed size   | character varying(128)       | two quoted timestamptz with BC and brackets: 83           |
| and of dates and times            |                              |                                                           |
| bit(n), varbit(n)                 | character varying(n)         | one 0 or 1 a bit                                          |
| everything else                   | character varying(65535)     | the text; longer does not fit                             |

Spelt as Redshift's catalog prints them. The names are those of
https://docs.aws.amazon.com/redshift/latest/dg/c_Supported_data_types.html
"""

from __future__ import annotations

from typing import Final

from re_dms.odd import BYTEA_BYTES_MAX, JSON_KINDS, NUMERIC_BYTES_MAX, TEXT_BYTES_MAX
from re_dms.pgtypes import Kind, PgType
from re_dms.warehouse.redshift.names import literal

SUPER: Final = "super"
DIGITS_MAX: Final = 38
SCALE_MAX: Final = 37
_INT64_DIGITS: Final = 19
_BYTES_PER_CHARACTER: Final = 4


def _text(size: int) -> str:
    return f"character varying({min(size, TEXT_BYTES_MAX)})"


_BY_KIND: Final[dict[Kind, str]] = {
    Kind.BOOL: "boolean",
    Kind.INT2: "smallint",
    Kind.INT4: "integer",
    Kind.INT8: "bigint",
    Kind.FLOAT4: "real",
    Kind.FLOAT8: "double precision",
    Kind.ENUM: _text(256),
    Kind.BYTEA: f"binary varying({BYTEA_BYTES_MAX + 1})",
    Kind.DATE: "date",
    Kind.TIME: "time without time zone",
    Kind.TIMETZ: _text(24),
    Kind.TIMESTAMP: "timestamp without time zone",
    Kind.TIMESTAMPTZ: "timestamp with time zone",
    Kind.INTERVAL: _text(128),
    Kind.UUID: _text(36),
    **dict.fromkeys(JSON_KINDS, SUPER),
}
# src/include/catalog/pg_type.dat; a domain has an OID of its own, and is text of any length.
_BY_OID: Final[dict[int, str]] = {
    18: _text(4),  # "char"
    19: _text(256),  # name
    26: "bigint",  # oid
    28: "bigint",  # xid
    29: "bigint",  # cid
    650: _text(64),  # cidr
    774: _text(64),  # macaddr8
    790: _text(256),  # money
    829: _text(64),  # macaddr
    869: _text(64),  # inet
    3904: _text(128),  # int4range
    3908: _text(128),  # tsrange
    3910: _text(128),  # tstzrange
    3912: _text(128),  # daterange
    3926: _text(128),  # int8range
    5069: "numeric(20,0)",  # xid8
}
_LENGTH_IN_CHARACTERS: Final = frozenset({1042, 1043})  # char, varchar: typmod is the length and 4
_LENGTH_IN_BITS: Final = frozenset({1560, 1562})  # bit, varbit: typmod is the length


def redshift_type(pg: PgType) -> str:
    """The target column's type, spelt as Redshift's catalog prints it."""
    if pg.kind is Kind.NUMERIC:
        return _numeric(pg)
    if pg.oid in _LENGTH_IN_CHARACTERS and pg.typmod > 4:
        return _text(_BYTES_PER_CHARACTER * (pg.typmod - 4))
    if pg.oid in _LENGTH_IN_BITS and pg.typmod > 0:
        return _text(pg.typmod)
    return _BY_OID.get(pg.oid) or _BY_KIND.get(pg.kind) or _text(TEXT_BYTES_MAX)


def _numeric(pg: PgType) -> str:
    """https://docs.aws.amazon.com/redshift/latest/dg/r_Numeric_types201.html"""
    precision, scale = pg.precision_scale or (DIGITS_MAX + 1, 0)
    if scale < 0:
        precision, scale = precision - scale, 0
    precision = max(precision, scale)
    if precision == _INT64_DIGITS:
        precision += 1
    if precision > DIGITS_MAX or scale > SCALE_MAX:
        return _text(NUMERIC_BYTES_MAX)
    return f"numeric({precision},{scale})"


def stage_type(pg: PgType, *, odd: bool) -> str:
    """The type of a field in a staging table; `odd` as `adapt` has said it for the step.

    SUPER is staged as text unless it may be too long for that: what COPY makes of a NULL token in a SUPER column is not
    known, so such a file has empty fields in it instead.
    """
    target = redshift_type(pg)
    return _text(TEXT_BYTES_MAX) if target == SUPER and not odd else target


def value(pg: PgType, text: str, *, odd: bool) -> str:
    """SQL for the target's value of `text`, an SQL expression that gives the staged field."""
    if redshift_type(pg) == SUPER:
        return text if odd else f"json_parse({text})"
    if pg.kind is Kind.BYTEA:
        return f"substring({text}, 2)" if odd else text  # behind the byte that `adapt` has put in front
    return f"rtrim({text}, ' ')" if pg.kind is Kind.BPCHAR else text


def constant(pg: PgType, text: str) -> str:
    """SQL for a value in the journal's dialect, as `Column.missing` has it, with its type said.

    It has to fit; `adapt.constants` sees to that.
    """
    target = redshift_type(pg)
    if target == SUPER:
        return f"json_parse({literal(text)})"
    if pg.kind is Kind.BYTEA:
        return f"from_hex({literal(text.removeprefix(chr(92) + 'x'))})"
    return f"cast({literal(text.rstrip(' ') if pg.kind is Kind.BPCHAR else text)} as {target})"


def same(pg: PgType, left: str, right: str) -> str:
    """SQL: whether two values of the target's type, which are no NULLs, are the same as keys.

    Redshift takes 'a' and 'a ' for equal: https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html
    """
    equal = f"{left} = {right}"
    if redshift_type(pg).startswith("character varying"):
        return f"{equal} and octet_length({left}) = octet_length({right})"
    return equal


def can_be_key(pg: PgType) -> bool:
    """Whether Redshift can compare values of the type."""
    return redshift_type(pg) != SUPER


def bytes_max(pg: PgType) -> int | None:
    """How many bytes a value may have, None where the target is no VARCHAR or VARBYTE."""
    if pg.kind is Kind.BYTEA:
        return BYTEA_BYTES_MAX
    name, _, rest = redshift_type(pg).partition("(")
    return int(rest.removesuffix(")")) if name == "character varying" else None
