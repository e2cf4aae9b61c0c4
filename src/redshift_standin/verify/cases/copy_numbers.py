"""Rule 9: whole numbers, decimals, floats and booleans in COPY."""

from __future__ import annotations

from functools import partial
from typing import Final

from redshift_standin.verify.case import Case, Expected, LoadError, Unknown
from redshift_standin.verify.loads import load, rows

_load = partial(load, 9, page="r_Load_Error_Reference")
_RANGES: Final = {"smallint": 15, "integer": 31, "bigint": 63}
_NUMERIC: Final = "r_Numeric_types201"
_INT64_MAX: Final = 2**63 - 1
_AS_TEXT: Final = "select a::varchar from t"


def _whole(declared: str, bits: int) -> tuple[Case, ...]:
    """Both ends of a type of whole numbers."""
    least, most = -(2**bits), 2**bits - 1
    name = declared.upper()
    return (
        _load(
            f"{name} takes its least and its greatest number", f"a {declared}", f"{least}\n{most}\n", rows(least, most)
        ),
        _load(f"{name} refuses one more", f"a {declared}", f"{most + 1}\n", LoadError(1222, column="a", line=1)),
        _load(f"{name} refuses one less", f"a {declared}", f"{least - 1}\n", LoadError(1222, column="a")),
        _load(f"{name} refuses twenty digits", f"a {declared}", "9" * 20 + "\n", LoadError(1222, column="a")),
        _load(f"{name} refuses decimals", f"a {declared}", "1.0\n", LoadError(1207, "Invalid digit, Value '.', Pos 1")),
    )


_WHOLE = (
    *(case for declared, bits in _RANGES.items() for case in _whole(declared, bits)),
    _load("a whole number may have quotes and leading zeros", "a int", '"7"\n007\n-0\n', rows(7, 7, 0)),
    _load(
        "a letter is no digit",
        "a int",
        "a\n",
        LoadError(1207, "Invalid digit, Value 'a', Pos 0, Type: Integer", "a", 1),
    ),
    _load("a letter after digits is no digit", "a int", "12x\n", LoadError(1207, "Value 'x', Pos 2")),
    _load("an exponent is no whole number", "a int", "1e3\n", LoadError(1207)),
    _load("a minus alone is no number", "a int", "-\n", LoadError(1207)),
    _load("a grouped number is no number", "a int", '"1,000"\n', LoadError(1207, "Value ','")),
    _load("a hexadecimal number is no number", "a int", "0x1f\n", LoadError(1207)),
    _load("digits of other scripts are no digits", "a int", "\u0661\n", LoadError(1207)),
    _load("a truth value is no whole number", "a int", "true\n", LoadError(1207)),
    _load("the null string of others is no number", "a int", "NULL\n", LoadError(1207, "Value 'N'")),
    _load("the type is told with the digit", "a bigint", "x\n", LoadError(1207, "Type: Long")),
)


def _decimal(name: str, declared: str, body: str, expect: Expected, options: str = "") -> Case:
    return load(9, name, f"a {declared}", body, expect, options=options, page="copy-parameters-data-conversion")


def _number(name: str, declared: str, body: str, expect: Expected) -> Case:
    return load(9, name, f"a {declared}", body, expect, page=_NUMERIC)


_DECIMALS = (
    _decimal("surplus decimals are cut", "numeric(6,2)", "12.345\n-12.349\n0.009\n", rows("12.34", "-12.34", "0.00")),
    _decimal("ROUNDEC rounds surplus decimals", "numeric(6,2)", "12.345\n-12.349\n0.004\n", rows("12.35", "-12.35", "0.00"), "roundec"),
    _decimal("ROUNDEC carries", "numeric(6,2)", "99.995\n", rows("100.00"), "roundec"),
    _decimal("ROUNDEC may carry out of the precision", "numeric(4,2)", "99.995\n", LoadError(1209), "roundec"),
    _decimal("what would round out of the precision is cut without ROUNDEC", "numeric(4,2)", "99.995\n", rows("99.99")),
    _decimal("a scale is filled with zeros", "numeric(6,2)", "1\n1.5\n-0.5\n", rows("1.00", "1.50", "-0.50")),
    _decimal("DECIMAL is DECIMAL(18,0)", "decimal", "999999999999999999\n1.9\n", rows("999999999999999999", "1")),
    _number("a decimal takes as many digits as its precision", "numeric(5,2)", "999.99\n-999.99\n", rows("999.99", "-999.99")),
    _number("a decimal refuses one digit more", "numeric(5,2)", "1000\n", LoadError(1209, column="a", line=1)),
    _number("leading zeros do not count as digits", "numeric(5,2)", "000001.50\n", rows("1.50")),
    _number("a decimal may be all scale", "numeric(3,3)", "0.125\n", rows("0.125")),
    _number("a decimal that is all scale refuses one", "numeric(3,3)", "1\n", LoadError(1209)),
    _number("DECIMAL(38) takes 38 digits", "numeric(38,0)", "9" * 38 + "\n", rows("9" * 38, query=_AS_TEXT)),
    _number("DECIMAL(38) refuses 39 digits", "numeric(38,0)", "1" + "0" * 38 + "\n", LoadError(1209)),
    _number("DECIMAL(38,37) keeps 37 decimals", "numeric(38,37)", "1." + "3" * 37 + "\n", rows("1." + "3" * 37, query=_AS_TEXT)),
    _number("DECIMAL(19) takes the greatest of 64 bits", "numeric(19,0)", f"{_INT64_MAX}\n-{_INT64_MAX}\n", rows(_INT64_MAX, -_INT64_MAX)),
    _number("DECIMAL(19) refuses one more", "numeric(19,0)", f"{_INT64_MAX + 1}\n", LoadError(1209)),
    _number("DECIMAL(19) refuses one less", "numeric(19,0)", f"-{_INT64_MAX + 1}\n", LoadError(1209)),
    _number("DECIMAL(19,2) is bounded unscaled", "numeric(19,2)", "92233720368547758.07\n", rows("92233720368547758.07")),
    _number("DECIMAL(19,2) refuses one hundredth more", "numeric(19,2)", "92233720368547758.08\n", LoadError(1209)),
    _number("DECIMAL(20) is not bounded by 64 bits", "numeric(20,0)", f"{_INT64_MAX + 1}\n", rows(_INT64_MAX + 1)),
    _number("a letter is no decimal", "numeric(5,2)", "x\n", LoadError(1209, column="a")),
    _number("two points are no decimal", "numeric(5,2)", "1.2.3\n", LoadError(1209)),
    _number("a grouped decimal is no decimal", "numeric(9,2)", '"1,000.50"\n', LoadError(1209)),
    _number("a decimal with a currency is no decimal", "numeric(9,2)", "$1.50\n", LoadError(1209)),
)  # fmt: skip


def _float(name: str, declared: str, body: str, expect: Expected) -> Case:
    return load(9, name, f"a {declared}", body, expect, page=_NUMERIC)


_FLOATS = (
    _float(
        "a DOUBLE PRECISION may have an exponent",
        "float8",
        "1.5\n1e10\n-2.5E-3\n",
        rows("1.5", "10000000000.0", "-0.0025"),
    ),
    _float(
        "a DOUBLE PRECISION comes back as it was",
        "float8",
        "0.1\n1.7976931348623157e+308\n",
        rows("0.1", "1.7976931348623157e+308"),
    ),
    _float(
        "a REAL takes its greatest number",
        "real",
        "3.4028235e38\n",
        rows(1, query="select count(*) from t where a > 3.4e38::float8"),
    ),
    _float("FLOAT is DOUBLE PRECISION", "float", "0.30000000000000004\n", rows("0.30000000000000004")),
    _float("a letter is no float", "float8", "x\n", LoadError(1208, column="a", line=1)),
    _float("a letter is no REAL", "real", "1.5f\n", LoadError(1208, column="a")),
    _float("two points are no float", "float8", "1.2.3\n", LoadError(1208)),
    _float("an exponent alone is no float", "float8", "e5\n", LoadError(1208)),
    _float("a grouped float is no float", "float8", '"1,5"\n', LoadError(1208)),
    _float("NaN in COPY is not known", "float8", "NaN\n", Unknown("NaN")),
    _float("Infinity in COPY is not known", "float8", "Infinity\n", Unknown("Infinity")),
    _float("minus Infinity in COPY is not known", "float8", "-Infinity\n", Unknown("Infinity")),
    _float("inf in COPY is not known", "real", "inf\n", Unknown("Infinity")),
    _float("a float too large for a DOUBLE PRECISION is not known", "float8", "1e400\n", Unknown("float")),
    _float("a float too large for a REAL is not known", "real", "1e39\n", Unknown("float")),
    _float("a float too small for a DOUBLE PRECISION is not known", "float8", "1e-400\n", Unknown("float")),
    _float("a denormal is not known", "float8", "5e-324\n", Unknown("float")),
)


def _boolean(name: str, body: str, expect: Expected) -> Case:
    return load(9, name, "a boolean", body, expect, page="r_Boolean_type")


_BOOLEANS = (
    _boolean("the words for true", "t\ntrue\ny\nyes\n1\n", rows(*[True] * 5)),
    _boolean("the words for false", "f\nfalse\nn\nno\n0\n", rows(*[False] * 5)),
    _boolean("truth may have quotes", '"t"\n"0"\n', rows(True, False)),
    _boolean("another word is no truth", "maybe\n", LoadError(1210, column="a", line=1)),
    _boolean("2 is no truth", "2\n", LoadError(1210)),
    _boolean("the beginning of a word is no truth", "tru\n", LoadError(1210)),
)

CASES: tuple[Case, ...] = _WHOLE + _DECIMALS + _FLOATS + _BOOLEANS
