"""What single fields become in columns of each type; every case runs the quick way and the slow way."""

from __future__ import annotations

import pytest

I64 = 9223372036854775807


# ---------------------------------------------------------------- rules 6 and 7: NULL and empty


@pytest.mark.parametrize("kind", ["int", "varchar(10)", "char(10)", "date", "boolean", "numeric(5,2)", "varbyte(4)"])
@pytest.mark.parametrize(("token", "options"), [(b"\\N", {}), (b"nil", {"null_as": "nil"})])
def test_rule_06_an_unquoted_null_string_is_null_in_any_type(loads, kind, token, options):
    assert loads.value(token, kind, **options) is None


@pytest.mark.parametrize("kind", ["int", "varchar(10)", "char(10)", "super"])
def test_rule_06_a_quoted_field_equal_to_the_null_string_is_refused(loads, kind):
    assert "a quoted field that equals the NULL AS string" in loads.value_trap(b'"\\N"', kind)


def test_rule_06_the_null_string_is_compared_with_the_whole_field(loads):
    assert loads.value(b"nil ", "varchar(10)", null_as="nil") == "nil "
    assert loads.value(b"Nil", "varchar(10)", null_as="nil") == "Nil"
    assert loads.value(b"\\N", "varchar(10)", null_as="nil") == "\\N"


def test_rule_06_an_empty_null_string_makes_null_of_an_unquoted_field_only(loads):
    assert loads.value(b"", "varchar(10)", null_as="") is None
    assert "a quoted field" in loads.value_trap(b'""', "varchar(10)", null_as="")


def test_rule_06_the_null_string_in_a_super_column_is_refused(loads):
    assert "the NULL AS string in a SUPER column" in loads.value_trap(b"nil", "super", null_as="nil")


EVERY_OTHER = [
    "smallint", "int", "bigint", "numeric(5,2)", "real", "float8", "boolean", "date", "time", "timetz", "timestamp",
    "timestamptz", "super", "varbyte(4)",
]  # fmt: skip


@pytest.mark.parametrize("kind", EVERY_OTHER)
@pytest.mark.parametrize("field", [b"", b'""', b"   ", b'"  "'])
def test_rule_07_an_empty_or_blank_field_is_null_unless_the_column_holds_characters(loads, kind, field):
    assert loads.value(field, kind) is None


@pytest.mark.parametrize("kind", ["varchar(10)", "char(10)"])
@pytest.mark.parametrize("field", [b"", b'""'])
def test_rule_07_an_empty_field_is_an_empty_string_in_a_character_column(loads, kind, field):
    assert loads.value(field, kind) == ""


@pytest.mark.parametrize("kind", ["varchar(10)", "char(10)"])
@pytest.mark.parametrize("field", [b"", b'""'])
def test_rule_07_emptyasnull_makes_null_of_it_even_when_it_is_quoted(loads, kind, field):
    assert loads.value(field, kind, empty_as_null=True) is None


def test_rule_07_blanks_are_kept_unless_blanksasnull(loads):
    assert loads.value(b"  ", "varchar(10)") == "  "
    assert loads.value(b"  ", "varchar(10)", empty_as_null=True) == "  "
    assert loads.value(b"  ", "varchar(10)", blanks_as_null=True) is None
    assert loads.value(b'"  "', "char(10)", blanks_as_null=True) is None
    assert loads.value(b" a ", "varchar(10)", blanks_as_null=True) == " a "


def test_rule_37_an_empty_field_under_blanksasnull_alone_is_refused(loads):
    assert "BLANKSASNULL without EMPTYASNULL" in loads.value_trap(b"", "varchar(10)", blanks_as_null=True)
    assert loads.value(b"", "varchar(10)", blanks_as_null=True, empty_as_null=True) is None


def test_trimblanks_removes_trailing_blanks_of_varchar_only(loads):
    assert loads.value(b" a  ", "varchar(10)", trim_blanks=True) == " a"
    assert loads.value(b"a  ", "char(10)", trim_blanks=True) == "a  "
    assert loads.value(b"   ", "varchar(10)", trim_blanks=True) == ""
    assert loads.value(b"a       x", "varchar(10)", trim_blanks=True) == "a       x"


# ---------------------------------------------------------------- rule 8: characters


@pytest.mark.parametrize(
    ("field", "kind", "expected"),
    [
        (b"abc", "varchar(3)", "abc"),
        ("é".encode(), "varchar(2)", "é"),
        ("€x".encode(), "varchar(4)", "€x"),
        (b"abc   ", "varchar(3)", "abc"),
        (b"abc ", "varchar(4)", "abc "),
        (b"abc   ", "char(3)", "abc"),
        (b"a\\b", "varchar(9)", "a\\b"),
        (b"\\.", "varchar(9)", "\\."),
        (b"\\n", "varchar(9)", "\\n"),
        (b"a\tb", "varchar(9)", "a\tb"),
        (b'"a\nb"', "varchar(9)", "a\nb"),
        (b'"a\r\nb"', "varchar(9)", "a\r\nb"),
        (b'"say ""x"""', "varchar(9)", 'say "x"'),
        (b'"a,b"', "varchar(9)", "a,b"),
        ("\ufdd0\ufffe\U0010ffff".encode(), "varchar(12)", "\ufdd0\ufffe\U0010ffff"),
        (b"x" * 65535, "varchar(65535)", "x" * 65535),
        (b"exactly12byt", "varchar(12)", "exactly12byt"),
        (b"thirteen byte", "varchar(13)", "thirteen byte"),
        (b"NULL", "varchar(9)", "NULL"),
    ],
)
def test_rule_08_text_is_kept_as_it_is(loads, field, kind, expected):
    assert loads.value(field, kind) == expected


@pytest.mark.parametrize(
    ("field", "kind"),
    [(b"abcd", "varchar(3)"), ("éé".encode(), "varchar(3)"), (b"abc d", "varchar(3)"), (b"abcd", "char(3)")],
)
def test_rule_08_more_bytes_than_declared_are_error_1204(loads, field, kind):
    error = loads.value_error(field, kind)
    assert (error.code, error.reason) == (1204, "String length exceeds DDL length")
    assert error.length == "3"


def test_rule_08_truncatecolumns_cuts_at_a_characters_end(loads):
    assert loads.value("aéé".encode(), "varchar(4)", truncate_columns=True) == "aé"
    assert loads.value(b"abcdef", "char(3)", truncate_columns=True) == "abc"


def test_rule_08_char_holds_single_byte_characters_only(loads):
    error = loads.value_error("né".encode(), "char(9)")
    assert error.code == 1220
    assert error.reason == "Multibyte character not supported for CHAR (Hint: try using VARCHAR). Invalid char: c3 a9"
    assert error.position == 1


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        (b"a\xff", "ff (error 1)"),
        (b"a\x80", "80 (error 3)"),
        (b"\xc3(", "c3 (error 4)"),
        (b"\xe2\x82", "e2 82 (error 2)"),
        (b"\xed\xa0\x80", "ed (error 5)"),
        (b"\xf4\x90\x80\x80", "f4 (error 4)"),
        (b"\xc0\x80", "c0 (error 4)"),
    ],
)
def test_rule_08_invalid_utf8_is_error_1220(loads, field, shown):
    error = loads.value_error(field, "varchar(9)")
    assert error.code == 1220
    assert error.reason == f"String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence: {shown}"
    assert loads.value_error(field, "char(9)").code == 1220


def test_rule_08_acceptinvchars_replaces_every_invalid_byte_in_varchar(loads):
    assert loads.value(b"a\xff\xfeb", "varchar(9)", accept_inv_chars="?") == "a??b"
    assert loads.value(b"\xed\xa0\x80", "varchar(9)", accept_inv_chars="^") == "^^^"
    assert loads.value("é\\".encode() + b"\xe2\x82", "varchar(9)", accept_inv_chars="\\") == "é\\\\\\"
    assert loads.value_error(b"a\xff", "char(9)", accept_inv_chars="?").code == 1220
    assert loads.value_error(b"a\xff\xff\xff", "varchar(3)", accept_inv_chars="?").code == 1204


# ---------------------------------------------------------------- rule 9: numbers


@pytest.mark.parametrize(
    ("field", "kind", "expected"),
    [
        (b"0", "int", "0"), (b"-0", "int", "0"), (b"007", "int", "7"), (b'"12"', "int", "12"),
        (b"32767", "smallint", "32767"), (b"-32768", "smallint", "-32768"),
        (b"2147483647", "int", "2147483647"), (b"-2147483648", "int", "-2147483648"),
        (b"9223372036854775807", "bigint", str(I64)), (b"-9223372036854775808", "bigint", str(-I64 - 1)),
        (b"1", "numeric(5,2)", "1"), (b"-123.45", "numeric(5,2)", "-123.45"), (b"1.999", "numeric(5,2)", "1.99"),
        (b"-1.999", "numeric(5,2)", "-1.99"), (b"999.999", "numeric(5,2)", "999.99"), (b"1.9", "numeric(5,0)", "1"),
        (b"0001.5", "numeric(5,2)", "0001.5"), (b"0.12345", "numeric(5,5)", "0.12345"), (b"-0.4", "numeric(5,0)", "-0"),
        (b"9" * 38, "numeric(38,0)", "9" * 38),
        (b"9223372036854775807", "numeric(19,0)", str(I64)),
        (b"-922337203685477.5807", "numeric(19,4)", "-922337203685477.5807"),
        (b"1.5", "real", "1.5"), (b"-1e10", "float8", "-1e10"), (b"1E-3", "float8", "1E-3"), (b".5", "float8", ".5"),
        (b"5.", "float8", "5."), (b"0", "float8", "0"), (b"0.000", "real", "0.000"), (b"1.7e308", "float8", "1.7e308"),
        (b"3.4028235e+38", "real", "3.4028235e+38"), (b"1.1754944e-38", "real", "1.1754944e-38"),
    ],
)  # fmt: skip
def test_rule_09_numbers_are_read(loads, field, kind, expected):
    assert loads.value(field, kind) == expected


@pytest.mark.parametrize(
    ("field", "kind", "code", "reason"),
    [
        (b"a", "int", 1207, "Invalid digit, Value 'a', Pos 0, Type: Integer"),
        (b"12.0", "int", 1207, "Invalid digit, Value '.', Pos 2, Type: Integer"),
        (b"1e3", "bigint", 1207, "Invalid digit, Value 'e', Pos 1, Type: Long"),
        (b"1 2", "smallint", 1207, "Invalid digit, Value ' ', Pos 1, Type: Short"),
        (b"-", "int", 1207, "Invalid digit, Value '-', Pos 0, Type: Integer"),
        (b"--1", "int", 1207, "Invalid digit, Value '-', Pos 1, Type: Integer"),
        ("٣".encode(), "int", 1207, "Invalid digit, Value '٣', Pos 0, Type: Integer"),
        (b"true", "int", 1207, "Invalid digit, Value 't', Pos 0, Type: Integer"),
        (b"32768", "smallint", 1222, "Overflow, Value '32768', Type: Short"),
        (b"2147483648", "int", 1222, "Overflow, Value '2147483648', Type: Integer"),
        (b"-2147483649", "int", 1222, "Overflow, Value '-2147483649', Type: Integer"),
        (b"9223372036854775808", "bigint", 1222, "Overflow, Value '9223372036854775808', Type: Long"),
        (b"9" * 5000, "bigint", 1222, f"Overflow, Value '{'9' * 40}', Type: Long"),
        (b"abc", "numeric(5,2)", 1209, "Invalid digit, Value 'a', Pos 0, Type: Decimal"),
        (b"1e5", "numeric(9,2)", 1209, "Invalid digit, Value 'e', Pos 1, Type: Decimal"),
        (b"1.2.3", "numeric(9,2)", 1209, "Invalid digit, Value '.', Pos 3, Type: Decimal"),
        (b"$1", "numeric(9,2)", 1209, "Invalid digit, Value '$', Pos 0, Type: Decimal"),
        (b"1000", "numeric(5,2)", 1209, "Overflow for NUMERIC(5,2)"),
        (b"9223372036854775808", "numeric(19,0)", 1209, "Overflow for NUMERIC(19,0)"),
        (b"-9223372036854775808", "numeric(19,0)", 1209, "Overflow for NUMERIC(19,0)"),
        (b"9" * 39, "numeric(38,0)", 1209, "Overflow for NUMERIC(38,0)"),
        (b"x1", "float8", 1208, "Invalid digit, Value 'x', Pos 0, Type: Double"),
        (b"1.5x", "real", 1208, "Invalid digit, Value 'x', Pos 3, Type: Float"),
        (b"1e", "real", 1208, "Invalid digit, Value 'e', Pos 1, Type: Float"),
        (b"maybe", "boolean", 1210, "Unknown boolean format, Value 'maybe'"),
        (b"2", "boolean", 1210, "Unknown boolean format, Value '2'"),
        (b"tr", "boolean", 1210, "Unknown boolean format, Value 'tr'"),
    ],
)
def test_rule_09_other_texts_are_errors_with_their_codes(loads, field, kind, code, reason):
    error = loads.value_error(field, kind)
    assert (error.code, error.reason) == (code, reason)
    assert error.raw_field == field.decode()[:1024]


@pytest.mark.parametrize(
    ("field", "kind", "expected"),
    [
        (b"1.995", "numeric(5,2)", "2.00"), (b"1.994", "numeric(5,2)", "1.99"), (b"-1.995", "numeric(5,2)", "-2.00"),
        (b"9.5", "numeric(5,0)", "10"), (b"0.5", "numeric(5,0)", "1"), (b"99.995", "numeric(5,2)", "100.00"),
        (b"1.0049", "numeric(5,2)", "1.00"), (b"1.5", "numeric(5,2)", "1.5"),
    ],
)  # fmt: skip
def test_rule_09_rounddec_rounds_instead_of_cutting(loads, field, kind, expected):
    assert loads.value(field, kind, round_dec=True) == expected


def test_rule_09_a_number_that_rounding_makes_too_large_is_an_error(loads):
    assert loads.value_error(b"999.995", "numeric(5,2)", round_dec=True).code == 1209


@pytest.mark.parametrize("field", [b" 12", b"12 ", b'" 12"', b"\t12"])
@pytest.mark.parametrize("kind", ["int", "numeric(5,2)", "float8", "boolean", "date", "varbyte(4)"])
def test_rule_37_blanks_around_a_value_are_refused(loads, field, kind):
    assert "blanks around a value" in loads.value_trap(field, kind)


@pytest.mark.parametrize("field", [b"NaN", b"nan", b"Infinity", b"-Infinity", b"inf", b"+inf"])
@pytest.mark.parametrize("kind", ["real", "float8", "numeric(5,2)"])
def test_rule_37_nan_and_infinity_are_refused(loads, field, kind):
    assert "NaN or Infinity in COPY" in loads.value_trap(field, kind)


@pytest.mark.parametrize(("field", "kind"), [(b"1e-320", "float8"), (b"1e-40", "real"), (b"1e-400", "float8")])
def test_rule_37_floats_below_the_normal_range_are_refused(loads, field, kind):
    assert "normal range" in loads.value_trap(field, kind)


@pytest.mark.parametrize(("field", "kind"), [(b"1e39", "real"), (b"-1e39", "real"), (b"1e309", "float8")])
def test_rule_37_floats_beyond_the_range_are_refused(loads, field, kind):
    assert "too large for its type" in loads.value_trap(field, kind)


@pytest.mark.parametrize(("field", "kind"), [(b"+5", "int"), (b"+5", "numeric(5,2)"), (b".5", "numeric(5,2)")])
def test_rule_37_unusual_spellings_of_numbers_are_refused(loads, field, kind):
    loads.value_trap(field, kind)


@pytest.mark.parametrize("field", [b"t", b"true", b"1", b"y", b"yes", b"TRUE", b"Yes", b"T"])
def test_rule_09_words_for_true(loads, field):
    assert loads.value(field, "boolean") == "t"


@pytest.mark.parametrize("field", [b"f", b"false", b"0", b"n", b"no", b"FALSE", b"No", b"F"])
def test_rule_09_words_for_false(loads, field):
    assert loads.value(field, "boolean") == "f"


# ---------------------------------------------------------------- rule 9: dates and times


@pytest.mark.parametrize(
    ("field", "kind", "options", "expected"),
    [
        (b"2024-02-29", "date", {}, "2024-02-29"),
        (b"0001-01-01", "date", {}, "0001-01-01"),
        (b"9999-12-31", "date", {"date_format": "auto"}, "9999-12-31"),
        (b"31.12.2024", "date", {"date_format": "DD.MM.YYYY"}, "2024-12-31"),
        (b"20241231", "date", {"date_format": "YYYYMMDD"}, "2024-12-31"),
        (b"2024-01-02 03:04:05", "timestamp", {}, "2024-01-02 03:04:05"),
        (b"2024-01-02 03:04:05.1", "timestamp", {}, "2024-01-02 03:04:05.1"),
        (b"2024-01-02 03:04:05.123456", "timestamp", {}, "2024-01-02 03:04:05.123456"),
        (b"2024-01-02T03:04:05.5", "timestamp", {"time_format": "auto"}, "2024-01-02 03:04:05.5"),
        (b"02/01/2024 03:04", "timestamp", {"time_format": "DD/MM/YYYY HH24:MI"}, "2024-01-02 03:04:00"),
        (b"20240102030405", "timestamp", {"time_format": "YYYYMMDDHHMISS"}, "2024-01-02 03:04:05"),
        (b"1262743733", "timestamp", {"time_format": "epochsecs"}, "2010-01-06 02:08:53"),
        (b"1262743733123", "timestamp", {"time_format": "epochmillisecs"}, "2010-01-06 02:08:53.123000"),
        (b"0", "timestamptz", {"time_format": "epochsecs"}, "1970-01-01 00:00:00+00"),
        (b"2024-01-02 03:04:05+00", "timestamptz", {}, "2024-01-02 03:04:05+00"),
        (b"2024-01-02 03:04:05.25+02", "timestamptz", {}, "2024-01-02 01:04:05.25+00"),
        (b"2024-01-02 03:04:05-05:30", "timestamptz", {}, "2024-01-02 08:34:05+00"),
        (b"2024-01-02 03:04:05", "timestamptz", {}, "2024-01-02 03:04:05+00"),
        (b"2024-01-02T03:04:05Z", "timestamptz", {"time_format": "auto"}, "2024-01-02 03:04:05+00"),
        (b"2024-01-01T00:04:05+0100", "timestamptz", {"time_format": "auto"}, "2023-12-31 23:04:05+00"),
        (b"03:04:05", "time", {}, "03:04:05"),
        (b"23:59:59.999999", "time", {"time_format": "auto"}, "23:59:59.999999"),
        (b"24:00:00", "time", {}, "24:00:00"),
        (b"03:04:05+00", "timetz", {}, "03:04:05+00"),
        (b"03:04:05.5+05:30", "timetz", {}, "21:34:05.5+00"),
        (b"03:04:05", "timetz", {}, "03:04:05+00"),
    ],
)
def test_rule_09_dates_and_times_are_read(loads, field, kind, options, expected):
    assert loads.value(field, kind, **options) == expected


def test_rule_09_an_explicit_timeformat_drops_the_offset_of_timestamptz_in_silence(loads):
    value = loads.value(b"2024-01-02 03:04:05+02", "timestamptz", time_format="YYYY-MM-DD HH:MI:SS")
    assert value == "2024-01-02 03:04:05+00"


STAMP = "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"


@pytest.mark.parametrize(
    ("field", "kind", "options", "code", "reason"),
    [
        (b"abc", "date", {}, 1205, "Invalid Date Format - length must be 10 or more"),
        (b"2024-1-2", "date", {}, 1205, "Invalid Date Format - length must be 10 or more"),
        (b"2024-02-30", "date", {}, 1205, "Invalid Date Format [YYYY-MM-DD]"),
        (b"2023-02-29", "date", {"date_format": "auto"}, 1205, "Invalid Date Format [YYYY-MM-DD]"),
        (b"0000-01-01", "date", {}, 1205, "Invalid Date Format [YYYY-MM-DD]"),
        (b"2024-13-01", "date", {}, 1205, "Invalid Date Format [YYYY-MM-DD]"),
        (b"01/02/2024", "date", {}, 1205, "Invalid Date Format [YYYY-MM-DD]"),
        (b"2024-01-02", "date", {"date_format": "DD.MM.YYYY"}, 1205, "Invalid Date Format [DD.MM.YYYY]"),
        (b"yesterday", "timestamp", {}, 1206, STAMP),
        (b"yesterday", "timestamp", {"time_format": "auto"}, 1206, STAMP),
        (b"2024-01-02T03:04:05", "timestamp", {}, 1206, STAMP),
        (b"2024-01-02 25:04:05", "timestamp", {}, 1206, STAMP),
        (b"2024-01-02 03:60:05", "timestamp", {}, 1206, STAMP),
        (b"2024-01-02 03:04:60", "timestamp", {}, 1206, STAMP),
        (b"2024-02-30 03:04:05", "timestamptz", {}, 1206, STAMP),
        (b"2024-01-02 03:04:05.1234567", "timestamp", {}, 1206, STAMP),
        (b"2024-01-02T03:04:05.1234567Z", "timestamptz", {"time_format": "auto"}, 1206, STAMP),
        (b"2024-01-02 03:04:05.", "timestamp", {}, 1206, STAMP),
        (b"2024-01-02 03:04:05+15", "timestamptz", {}, 1206, STAMP),
        (b"12x", "timestamp", {"time_format": "epochsecs"}, 1206, STAMP),
        (b"03:04", "time", {}, 1206, "Invalid time format or value [HH24:MI:SS]"),
        (b"24:00:01", "time", {}, 1206, "Invalid time format or value [HH24:MI:SS]"),
        (b"03:60:00", "time", {}, 1206, "Invalid time format or value [HH24:MI:SS]"),
    ],
)
def test_rule_09_other_dates_and_times_are_errors(loads, field, kind, options, code, reason):
    error = loads.value_error(field, kind, **options)
    assert (error.code, error.reason) == (code, reason)


@pytest.mark.parametrize(
    ("field", "kind", "options", "what"),
    [
        (b"infinity", "date", {}, "infinity"),
        (b"-infinity", "timestamp", {"time_format": "auto"}, "infinity"),
        (b"0044-03-15 BC", "date", {}, "before Christ"),
        (b"0044-03-15 00:00:00 BC", "timestamp", {"time_format": "auto"}, "before Christ"),
        (b"12024-01-01", "date", {}, "more than four digits"),
        (b"12024-01-01 00:00:00", "timestamptz", {"time_format": "auto"}, "more than four digits"),
        (b"9999-12-31 23:00:00-02", "timestamptz", {}, "more than four digits"),
        (b"2024-01-02 03:04:05", "date", {}, "longer or shorter"),
        (b"2024-01-02", "timestamp", {}, "longer or shorter"),
        (b"Jan 2 2024", "date", {"date_format": "auto"}, "may or may not read"),
        (b"2024-01-02 03:04", "timestamp", {"time_format": "auto"}, "may or may not read"),
        (b"2024-01-02 03:04:05+00", "timestamp", {"time_format": "auto"}, "a zone in a field"),
        (b"2024-01-02 03:04:05Z", "timestamptz", {}, "a zone other than"),
        (b"2024-01-02 03:04:05+02", "timestamp", {"time_format": "YYYY-MM-DD HH:MI:SS"}, "text after"),
        (b"2024-01-02 03:04:05.5", "timestamptz", {"time_format": "YYYY-MM-DD HH:MI:SS"}, "text after"),
        (b"-5", "timestamp", {"time_format": "epochsecs"}, "negative or has a fraction"),
        (b"1.5", "timestamp", {"time_format": "epochsecs"}, "negative or has a fraction"),
        (b"03:04:05+02", "time", {}, "a zone in a field"),
    ],
)
def test_rule_37_dates_and_times_of_unknown_treatment_are_refused(loads, field, kind, options, what):
    assert what in loads.value_trap(field, kind, **options)


def test_acceptanydate_loads_null_for_what_cannot_be_read(loads):
    options = {"accept_any_date": True, "date_format": "YYYY-MM-DD"}
    assert loads.value(b"00/00/00", "date", **options) is None
    assert loads.value(b"2024-01-02", "date", **options) == "2024-01-02"
    assert loads.value(b"0000-00-00 00:00:00", "timestamp", **options) is None
    assert loads.value_error(b"0000-00-00 00:00:00", "timestamptz", **options).code == 1206
    assert "ACCEPTANYDATE" in loads.value_trap(b"00/00/00", "date", accept_any_date=True)


# ---------------------------------------------------------------- rules 35 and 36


@pytest.mark.parametrize(
    "text",
    [
        "1", "-1.5e3", "true", "null", '"x"', "[]", "{}", '{"a": [1, {"b": null}]}', ' {"a":1} ', '"\\u00e9\\n"',
        '{"a":1,"A":2}', '"Ünïcode"', '{"back\\\\slash":"\\\\u0000"}', "9" * 38, '"' + "x" * 65535 + '"',
        "[" * 1000 + "]" * 1000, '["' + '[' * 1500 + '"]', '"\\ud83d\\ude00"',
    ],
)  # fmt: skip
def test_rule_35_json_is_kept_as_it_is(loads, text):
    field = b'"' + text.encode().replace(b'"', b'""') + b'"'
    assert loads.value(field, "super") == text


@pytest.mark.parametrize(
    "text",
    [
        "{", "abc", "{'a':1}", '{"a":1,}', "[1 2]", "01", "NaN", "Infinity", '{"a":1} x', '"a\tb"', '"\\x"', "+1", ".5",
        '{"a":1,"a":2}', '[{"k":{"a":1,"b":2,"a":3}}]', '"' + "x" * 65536 + '"', '["' + "é" * 32768 + '"]',
        '{"' + "k" * 65536 + '":1}', "[" * 1001 + "]" * 1001, "[" * 100_000, '[["' + "x" * 65536 + '"]]',
        '{"a":[["' + "x" * 65536 + '"]]}',
    ],
)  # fmt: skip
def test_rule_35_invalid_json_and_json_beyond_the_limits_is_error_1224(loads, text):
    field = b'"' + text.encode().replace(b'"', b'""') + b'"'
    assert loads.value_error(field, "super").code == 1224


def test_rule_35_json_has_to_be_utf8(loads):
    assert loads.value_error(b'"""\xff"""', "super").code == 1224


@pytest.mark.parametrize(
    "text", ['"\\u0000"', '{"\\u0000":1}', '[["\\ud800"]]', "9" * 39, "1e999", '"' + "[" * 1024 * 1024 + '"']
)
def test_rule_37_json_of_unknown_treatment_is_refused(loads, text):
    loads.value_trap(b'"' + text.encode().replace(b'"', b'""') + b'"', "super")


@pytest.mark.parametrize(
    ("field", "expected"), [(b"00ff", "\\x00ff"), (b"ABcd", "\\xabcd"), (b'"deadbeef"', "\\xdeadbeef")]
)
def test_rule_36_varbyte_is_bare_hex(loads, field, expected):
    assert loads.value(field, "varbyte(4)") == expected


@pytest.mark.parametrize(
    ("field", "code"), [(b"\\x00", 1207), (b"0g", 1207), (b"abc", 1207), (b"0011223344", 1204), (b"\xff\xff", 1207)]
)
def test_rule_36_other_texts_and_too_many_bytes_are_errors(loads, field, code):
    assert loads.value_error(field, "varbyte(4)").code == code
