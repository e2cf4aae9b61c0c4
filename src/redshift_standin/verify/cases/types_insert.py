"""What INSERT takes for each type: the largest that fits, and one more (rules 8 and 9; COPY's codes are in other modules)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Unknown

_RANGE: Final = "22003"
_LONG: Final = "22001"
_DIGITS: Final = "9" * 38
_INT64_MAX: Final = 9223372036854775807


def _case(rule: int, name: str, kind: str, value: str, expect: Expected, page: str) -> Case:
    return Case(rule=rule, name=f"INSERT into {kind}: {name}", setup=(f"create table t (c {kind})",),
                run=f"insert into t values ({value})", expect=expect, page=page)  # fmt: skip


def _number(name: str, kind: str, value: str, expect: str | Refused | Unknown) -> Case:
    """`expect`: the value as text, or its refusal."""
    rows = Rows([[expect]], "select c::varchar(60) from t") if isinstance(expect, str) else expect
    return _case(9, name, kind, value, rows, "r_Numeric_types201")


def _boolean(word: str, *, value: bool) -> Case:
    """A word for a truth value."""
    return _case(9, f"{word} is {value}", "boolean", f"'{word}'", Rows([[value]], "select c from t"), "r_Boolean_type")


def _time(name: str, kind: str, value: str, expect: str | Refused | Unknown) -> Case:
    rows = Rows([[expect]], "select c::varchar(60) from t") if isinstance(expect, str) else expect
    return _case(9, name, kind, value, rows, "r_Datetime_types")


def _text(name: str, kind: str, value: str, expect: str | Refused) -> Case:
    rows = Rows([[expect]], "select c from t") if isinstance(expect, str) else expect
    return _case(8, name, kind, value, rows, "r_Character_types")


def _too_long(kind: str) -> Refused:
    return Refused(_LONG, f"value too long for type {kind}")


_OVERFLOW: Final = Refused(_RANGE)
_TEXTS: Final = (
    _text("as many bytes as it has", "varchar(3)", "'abc'", "abc"),
    _text("a byte too many", "varchar(3)", "'abcd'", _too_long("character varying(3)")),
    _text("two bytes a letter fit", "varchar(3)", "'éa'", "éa"),
    _text("two bytes a letter are counted", "varchar(3)", "'éé'", _too_long("character varying(3)")),
    _text("three bytes a letter fit", "varchar(3)", "'☃'", "☃"),
    _text("four bytes a letter are counted", "varchar(3)", "'𝄞'", _too_long("character varying(3)")),
    _text("blanks too many are cut", "varchar(3)", "'abc   '", "abc"),
    _text("blanks that fit are kept", "varchar(5)", "'abc  '", "abc  "),
    _text("an empty string is no NULL", "varchar(3)", "''", ""),
    _text("as many letters as it has", "char(3)", "'abc'", "abc"),
    _text("a letter too many", "char(3)", "'abcd'", _too_long("character(3)")),
    _text("blanks beyond its end are cut", "char(3)", "'abc   '", "abc"),
    _text("a letter beyond ASCII is refused", "char(3)", "'é'", Refused("22021")),
    _text("a text cut by a cast fits", "varchar(3)", "'abcdef'::varchar(3)", "abc"),
    _text("a cast cuts by bytes, at a letter's end", "varchar(3)", "cast('ééé' as varchar(3))", "é"),
    _text("a number is taken as its text", "varchar(5)", "12345", "12345"),
)  # fmt: skip

_NUMBERS: Final = (
    *(
        each
        for kind, bits in (("smallint", 15), ("int", 31), ("bigint", 63))
        for each in (
            _number("the most", kind, str(2**bits - 1), str(2**bits - 1)),
            _number("one more than the most", kind, str(2**bits), _OVERFLOW),
            _number("the least", kind, f"-{2**bits}", f"-{2**bits}"),
            _number("one less than the least", kind, f"-{2**bits + 1}", _OVERFLOW),
        )
    ),
    _number("a string of digits", "int", "'42'", "42"),
    _number("a string that is no number", "int", "'4x'", Refused("22P02")),
    _number("an empty string", "int", "''", Refused("22P02")),
    _number("a fraction is rounded", "int", "1.6", "2"),
    _number("decimals too many are rounded, not cut", "numeric(5,2)", "1.235", "1.24"),
    _number("decimals are filled with zeros", "numeric(5,2)", "1", "1.00"),
    _number("the most", "numeric(5,2)", "999.99", "999.99"),
    _number("rounded beyond the most", "numeric(5,2)", "999.995", _OVERFLOW),
    _number("a digit too many", "numeric(5,2)", "1000", _OVERFLOW),
    _number("18 digits", "numeric(18,0)", "9" * 18, "9" * 18),
    _number("19 digits", "numeric(18,0)", "9" * 19, _OVERFLOW),
    _number("19 digits as far as 64 bits reach", "numeric(19,0)", str(_INT64_MAX), str(_INT64_MAX)),
    _number("19 digits beyond 64 bits", "numeric(19,0)", str(_INT64_MAX + 1), _OVERFLOW),
    _number("the least that 19 digits hold", "numeric(19,0)", f"-{_INT64_MAX}", f"-{_INT64_MAX}"),
    _number("one less than the least that 19 digits hold", "numeric(19,0)", f"-{_INT64_MAX + 1}", _OVERFLOW),
    _number("19 digits with decimals as far as 64 bits reach", "numeric(19,2)", "92233720368547758.07", "92233720368547758.07"),
    _number("19 digits with decimals beyond 64 bits", "numeric(19,2)", "92233720368547758.08", _OVERFLOW),
    _number("20 digits are no 64 bits", "numeric(20,0)", "9" * 20, "9" * 20),
    _number("38 digits", "numeric(38,0)", _DIGITS, _DIGITS),
    _number("39 digits", "numeric(38,0)", f"1{_DIGITS}", _OVERFLOW),
    _number("37 decimals", "numeric(38,37)", f"9.{'9' * 37}", f"9.{'9' * 37}"),
    _number("NaN is refused", "numeric(10,2)", "'NaN'", Refused("22P02")),
    _number("NaN", "float8", "'NaN'", "NaN"),
    _number("Infinity", "float8", "'Infinity'", "Infinity"),
    _number("minus Infinity", "float8", "'-Infinity'", "-Infinity"),
    _number("NaN", "real", "'NaN'", "NaN"),
    _number("beyond the largest", "float8", "'1e309'", _OVERFLOW),
    _number("beyond the largest", "real", "'1e39'", _OVERFLOW),
    *(_boolean(word, value=True) for word in ("t", "true", "1", "y", "yes", "TRUE")),
    *(_boolean(word, value=False) for word in ("f", "false", "0", "n", "no")),
    _number("a word that is neither", "boolean", "'maybe'", Refused("22P02")),
)  # fmt: skip

_TIMES: Final = (
    _time("a day", "date", "'2024-02-29'", "2024-02-29"),
    _time("a day that is not in the calendar", "date", "'2023-02-29'", Refused("22008")),
    _time("a word that is no day", "date", "'someday'", Refused("22007")),
    _time("an empty string", "date", "''", Refused("22007")),
    _time("infinity is a trap", "date", "'infinity'", Unknown("")),
    _time("infinity is a trap", "timestamp", "'infinity'", Unknown("")),
    _time("minus infinity is a trap", "timestamptz", "'-infinity'", Unknown("")),
    _time("BC is a trap", "date", "'0044-03-15 BC'", Unknown("")),
    _time("a year of five digits is a trap", "date", "'10000-01-01'", Unknown("")),
    _time("the last day of four digits", "date", "'9999-12-31'", "9999-12-31"),
    _time("microseconds are kept", "timestamp", "'2024-01-02 03:04:05.123456'", "2024-01-02 03:04:05.123456"),
    _time("an offset is dropped", "timestamp", "'2024-01-02 03:04:05+02'", "2024-01-02 03:04:05"),
    _time("an offset is turned into UTC", "timestamptz", "'2024-01-02 03:04:05+02'", "2024-01-02 01:04:05+00"),
    _time("no offset is UTC", "timestamptz", "'2024-01-02 03:04:05'", "2024-01-02 03:04:05+00"),
    _time("24 o'clock", "time", "'24:00:00'", "24:00:00"),
    _time("a microsecond after 24 o'clock", "time", "'24:00:00.000001'", Refused("22008")),
    _time("61 seconds", "time", "'10:00:61'", Refused("22008")),
    _time("an offset is turned into UTC", "timetz", "'01:02:03+02'", "23:02:03+00"),
    _time("no offset is UTC", "timetz", "'01:02:03'", "01:02:03+00"),
)  # fmt: skip

CASES: Final[tuple[Case, ...]] = (*_TEXTS, *_NUMBERS, *_TIMES)
