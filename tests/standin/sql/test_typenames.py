"""Type names: aliases, lengths and refusals ("Data types", "Unsupported PostgreSQL data types")."""

from __future__ import annotations

import pytest

from redshift_standin import types
from redshift_standin.errors import RedshiftError
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.typenames import read_type
from redshift_standin.types import RsType

READ = {
    "smallint": "smallint", "int2": "smallint", "integer": "integer", "int": "integer", "INT4": "integer",
    "bigint": "bigint", "int8": "bigint",
    "decimal": "numeric(18,0)", "numeric": "numeric(18,0)", "numeric(38)": "numeric(38,0)",
    "decimal(38, 37)": "numeric(38,37)", "numeric(19,4)": "numeric(19,4)",
    "real": "real", "float4": "real", "float(1)": "real", "float(24)": "real",
    "float": "double precision", "float8": "double precision", "float(25)": "double precision",
    "float(53)": "double precision", "double precision": "double precision",
    "boolean": "boolean", "bool": "boolean",
    "char": "character(1)", "char(10)": "character(10)", "character(4096)": "character(4096)", "nchar(3)": "character(3)",
    "national character(3)": "character(3)", "national char": "character(1)",
    "bpchar": "character(256)",
    "varchar": "character varying(256)", "varchar(65535)": "character varying(65535)",
    "varchar(MAX)": "character varying(65535)", "nvarchar(max)": "character varying(65535)",
    "nvarchar": "character varying(256)", "character varying(7)": "character varying(7)",
    "char varying(7)": "character varying(7)", "nchar varying(7)": "character varying(7)",
    "national character varying(7)": "character varying(7)", "character varying(max)": "character varying(65535)",
    "text": "character varying(256)",
    "date": "date",
    "time": "time without time zone", "time without time zone": "time without time zone",
    "timetz": "time with time zone", "time with time zone": "time with time zone",
    "timestamp": "timestamp without time zone", "timestamp without time zone": "timestamp without time zone",
    "timestamptz": "timestamp with time zone", "timestamp with time zone": "timestamp with time zone",
    "super": "super",
    "varbyte": "binary varying(64000)", "varbinary(10)": "binary varying(10)", "binary varying(10)": "binary varying(10)",
    "varbyte(max)": "binary varying(1024000)",
}  # fmt: skip

REFUSED = {
    "serie": ("42704", 'type "serie" does not exist'),
    "double": ("42704", 'type "double" does not exist'),
    "int[]": ("0A000", 'type "array" is not supported'),
    "int[3]": ("0A000", 'type "array" is not supported'),
    "varchar(3) array": ("0A000", 'type "array" is not supported'),
    '"varchar"': ("0A000", "may not be quoted"),
    "geometry": ("0A000", "not in the stand-in yet"),
    "geography": ("0A000", "not in the stand-in yet"),
    "hllsketch": ("0A000", "not in the stand-in yet"),
    "interval year to month": ("0A000", "not in the stand-in yet"),
    "interval day to second": ("0A000", "not in the stand-in yet"),
    "varchar(0)": ("22023", "must be at least 1"),
    "varchar(65536)": ("22023", "cannot exceed 65535"),
    "character varying(65536)": ("22023", "cannot exceed 65535"),
    "char(4097)": ("22023", "cannot exceed 4096"),
    "varbyte(1024001)": ("22023", "cannot exceed 1024000"),
    "varchar(99999999999999999999999)": ("22023", "out of range"),
    "varchar(1,2)": ("42601", "invalid type modifier"),
    "varchar()": ("42601", "syntax error"),
    "varchar(-1)": ("42601", "syntax error"),
    "varchar(a)": ("42601", "syntax error"),
    "varchar($1)": ("42601", "syntax error"),
    "varchar('1')": ("42601", "syntax error"),
    "char(max)": ("42601", "syntax error"),
    "text(10)": ("42601", "type modifier is not allowed"),
    "bpchar(10)": ("42601", "type modifier is not allowed"),
    "int(4)": ("42601", "type modifier is not allowed"),
    "date(3)": ("42601", "type modifier is not allowed"),
    "timestamp(6)": ("42601", "type modifier is not allowed"),
    "timestamp with time zone (6)": ("42601", "type modifier is not allowed"),
    "super(3)": ("42601", "type modifier is not allowed"),
    "decimal(39)": ("22023", "precision 39 must be between 1 and 38"),
    "decimal(0)": ("22023", "precision 0 must be between 1 and 38"),
    "decimal(38,38)": ("22023", "scale 38 must be between 0 and 37"),
    "decimal(5,6)": ("22023", "scale 6 must be between 0 and 5"),
    "decimal(5,1,1)": ("42601", "invalid type modifier"),
    "float(0)": ("22023", "at least 1 bit"),
    "float(54)": ("22023", "less than 54 bits"),
    "float(1,2)": ("42601", "syntax error"),
    "": ("42601", "at end of input"),
    "1": ("42601", "syntax error"),
    "'int'": ("42601", "syntax error"),
    "timestamp with time": ("42601", "at end of input"),
}  # fmt: skip


def read(text: str) -> RsType:
    """The type, of which nothing may be left over."""
    reader = Reader(text)
    found = read_type(reader)
    reader.expect_end()
    return found


@pytest.mark.parametrize(("text", "printed"), READ.items())
def test_rule_27_a_type_is_read_with_redshifts_own_defaults(text: str, printed: str) -> None:
    assert str(read(text)) == printed


@pytest.mark.parametrize(("text", "refusal"), REFUSED.items())
def test_rule_27_what_is_no_type_or_beyond_its_limits_is_refused(text: str, refusal: tuple[str, str]) -> None:
    with pytest.raises(RedshiftError) as caught:
        read(text)
    assert (caught.value.sqlstate, refusal[1] in caught.value.message) == (refusal[0], True), caught.value


@pytest.mark.parametrize("name", sorted(types.UNSUPPORTED))
def test_rule_28_every_unsupported_postgres_type_is_refused_by_name(name: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        read(name)
    assert (caught.value.sqlstate, caught.value.message) == ("0A000", f'type "{name}" is not supported')
    with pytest.raises(RedshiftError, match=f'Column "t.c" has unsupported type "{name}".'):
        read_type(Reader(name), column="t.c")


def test_a_type_ends_where_the_next_word_is_not_its_own() -> None:
    reader = Reader("timestamp with no schema binding")
    assert read_type(reader).name == "timestamp without time zone"
    assert reader.is_word("with")
