"""Rule 9: dates, timestamps and times in COPY, and the options that say how they are written."""

from __future__ import annotations

from functools import partial
from typing import Final

from redshift_standin.verify.case import Case, LoadError, Unknown
from redshift_standin.verify.loads import load, rows

_TYPES: Final = "r_Datetime_types"
_FORMATS: Final = "r_DATEFORMAT_and_TIMEFORMAT_strings"
_TEXT: Final = "select a::varchar from t"
_AUTO: Final = "timeformat 'auto' dateformat 'auto'"
_date = partial(load, 9, columns="a date", page=_TYPES)
_timestamp = partial(load, 9, columns="a timestamp", page=_TYPES)
_zoned = partial(load, 9, columns="a timestamptz", page=_TYPES)
_time = partial(load, 9, columns="a time", page=_TYPES)
_timetz = partial(load, 9, columns="a timetz", page=_TYPES)

_DATES = (
    _date("a date is year, month, day", body='2024-02-29\n"1999-12-31"\n', expect=rows("2024-02-29", "1999-12-31", query=_TEXT)),
    _date("the years 1 and 9999 are dates", body="0001-01-01\n9999-12-31\n", expect=rows("0001-01-01", "9999-12-31", query=_TEXT)),
    _date("a day that its month does not have is no date", body="2023-02-29\n", expect=LoadError(1205, column="a", line=1)),
    _date("a thirteenth month is no date", body="2024-13-01\n", expect=LoadError(1205)),
    _date("a day zero is no date", body="2024-01-00\n", expect=LoadError(1205)),
    _date("a month zero is no date", body="2024-00-10\n", expect=LoadError(1205)),
    _date("zeros are no date", body="0000-00-00\n", expect=LoadError(1205)),
    _date("a word is no date", body="tomorrow-x\n", expect=LoadError(1205)),
    _date("a short word is no date", body="x\n", expect=LoadError(1205)),
    _date("another order than the format's is no date", body="31.12.2024\n", expect=LoadError(1205)),
    _date("DATEFORMAT sets the order", body="12/31/2024\n", options="dateformat 'MM/DD/YYYY'", expect=rows("2024-12-31", query=_TEXT)),
    _date("DATEFORMAT AS sets the order", body="31.12.2024\n", options="dateformat as 'DD.MM.YYYY'", expect=rows("2024-12-31", query=_TEXT)),
    _date("DATEFORMAT makes the default's form wrong", body="2024-12-31\n", options="dateformat 'MM/DD/YYYY'", expect=LoadError(1205)),
    _date("DATEFORMAT does not swap days and months", body="31/12/2024\n", options="dateformat 'MM/DD/YYYY'", expect=LoadError(1205)),
    _date("DATEFORMAT 'auto' takes the default's form", body="2024-12-31\n", options="dateformat 'auto'", expect=rows("2024-12-31", query=_TEXT)),
    _date("a bad date fails under DATEFORMAT 'auto' too", body="2023-02-29\n", options="dateformat 'auto'", expect=LoadError(1205)),
    _date("ACCEPTANYDATE makes a bad date NULL", body="2023-02-29\n2024-02-29\n", options="acceptanydate dateformat 'YYYY-MM-DD'", expect=rows(None, "2024-02-29", query=_TEXT)),
    _date("ACCEPTANYDATE does not help a number", columns="a int", body="x\n", options="acceptanydate dateformat 'auto'", expect=LoadError(1207)),
    _date("ACCEPTANYDATE does not get NULL into NOT NULL", columns="a date not null", body="2023-02-29\n", options="acceptanydate dateformat 'auto'", expect=LoadError(1213)),
)  # fmt: skip

_TIMESTAMPS = (
    _timestamp("a timestamp has a day and seconds", body="2024-01-02 03:04:05\n", expect=rows("2024-01-02 03:04:05", query=_TEXT)),
    _timestamp("a timestamp has up to six decimals", body="2024-01-02 03:04:05.6\n2024-01-02 03:04:05.000001\n", expect=rows("2024-01-02 03:04:05.6", "2024-01-02 03:04:05.000001", query=_TEXT)),
    _timestamp("a seventh decimal is refused", body="2024-01-02 03:04:05.0000001\n", expect=LoadError(1206, column="a", line=1)),
    _timestamp("a seventh decimal is refused with 'auto' too", body="2024-01-02 03:04:05.1234567\n", options=_AUTO, expect=LoadError(1206)),
    _timestamp("the last second of a day is a timestamp", body="9999-12-31 23:59:59.999999\n", expect=rows("9999-12-31 23:59:59.999999", query=_TEXT)),
    _timestamp("a sixtieth minute is no timestamp", body="2024-01-02 03:60:05\n", expect=LoadError(1206)),
    _timestamp("a twenty-fifth hour is no timestamp", body="2024-01-02 25:04:05\n", expect=LoadError(1206)),
    _timestamp("a day that its month does not have is no timestamp", body="2023-02-29 00:00:00\n", expect=LoadError(1206)),
    _timestamp("a word is no timestamp", body="yesterday\n", expect=LoadError(1206)),
    _timestamp("a T between day and time is not the default's form", body="2024-01-02T03:04:05\n", expect=LoadError(1206)),
    _timestamp("TIMEFORMAT 'auto' takes a T", body="2024-01-02T03:04:05.5\n", options=_AUTO, expect=rows("2024-01-02 03:04:05.5", query=_TEXT)),
    _timestamp("TIMEFORMAT 'auto' takes the default's form", body="2024-01-02 03:04:05.123456\n", options=_AUTO, expect=rows("2024-01-02 03:04:05.123456", query=_TEXT)),
    _timestamp("TIMEFORMAT sets the form", body="02.01.2024 03:04:05\n", options="timeformat 'DD.MM.YYYY HH:MI:SS'", expect=rows("2024-01-02 03:04:05", query=_TEXT)),
    _timestamp("TIMEFORMAT may say HH24", body="2024/01/02 23:04:05\n", options="timeformat as 'YYYY/MM/DD HH24:MI:SS'", expect=rows("2024-01-02 23:04:05", query=_TEXT)),
    _timestamp("TIMEFORMAT makes the default's form wrong", body="2024-01-02 03:04:05\n", options="timeformat 'DD.MM.YYYY HH:MI:SS'", expect=LoadError(1206)),
    _timestamp("TIMEFORMAT 'epochsecs' counts seconds", body="1700000000\n0\n", options="timeformat 'epochsecs'", expect=rows("2023-11-14 22:13:20", "1970-01-01 00:00:00", query=_TEXT)),
    _timestamp("TIMEFORMAT 'epochmillisecs' counts thousandths", body="1700000000123\n", options="timeformat 'epochmillisecs'", expect=rows("2023-11-14 22:13:20.123", query=_TEXT)),
    _timestamp("a date is no epoch", body="2024-01-02\n", options="timeformat 'epochsecs'", expect=LoadError(1206)),
    _timestamp("an epoch is no timestamp without its TIMEFORMAT", body="1700000000\n", expect=LoadError(1206)),
    _timestamp("TIMEFORMAT leaves dates to DATEFORMAT", columns="a date", body="2024-01-02\n", options="timeformat 'epochsecs'", expect=rows("2024-01-02", query=_TEXT)),
    _timestamp("ACCEPTANYDATE makes a bad timestamp NULL", body="2023-02-29 00:00:00\n", options=f"acceptanydate {_AUTO}", expect=rows(None, query=_TEXT)),
)  # fmt: skip

_ZONED = (
    _zoned("a timestamp with zone is kept in UTC", body="2024-01-02 03:04:05+00\n2024-01-02 03:04:05.5+02\n2024-01-02 03:04:05-05:30\n", expect=rows("2024-01-02 03:04:05+00", "2024-01-02 01:04:05.5+00", "2024-01-02 08:34:05+00", query=_TEXT)),
    _zoned("without a zone, a timestamp with zone is in UTC", body="2024-01-02 03:04:05\n", expect=rows("2024-01-02 03:04:05+00", query=_TEXT)),
    _zoned("TIMEFORMAT 'auto' takes +00", body="2024-01-02 03:04:05.123456+00\n", options=_AUTO, expect=rows("2024-01-02 03:04:05.123456+00", query=_TEXT)),
    _zoned("TIMEFORMAT 'auto' takes ISO with T and zone", body="2024-01-02T03:04:05+02\n", options=_AUTO, expect=rows("2024-01-02 01:04:05+00", query=_TEXT)),
    _zoned("an offset may change the day", body="2024-01-01 00:30:00+02\n", expect=rows("2023-12-31 22:30:00+00", query=_TEXT)),
    _zoned("a seventh decimal is refused with a zone too", body="2024-01-02 03:04:05.1234567+00\n", options=_AUTO, expect=LoadError(1206, column="a")),
    _zoned("a word is no timestamp with zone", body="now-or-never\n", expect=LoadError(1206)),
    _zoned("an explicit TIMEFORMAT drops the offset in silence", body="2024-01-02 03:04:05+02\n", options="timeformat 'YYYY-MM-DD HH:MI:SS'", expect=rows("2024-01-02 03:04:05+00", query=_TEXT)),
)  # fmt: skip

_TIMES = (
    _time("a time has up to six decimals", body="12:34:56\n00:00:00\n23:59:59.999999\n", expect=rows("12:34:56", "00:00:00", "23:59:59.999999", query=_TEXT)),
    _time("24:00:00 is the last time", body="24:00:00\n", expect=rows("24:00:00", query=_TEXT)),
    _time("24:00:01 is no time", body="24:00:01\n", expect=LoadError(1206, column="a")),
    _time("a seventh decimal is no time", body="12:34:56.1234567\n", expect=LoadError(1206)),
    _time("a sixtieth second is no time", body="12:34:60\n", expect=LoadError(1206)),
    _time("a word is no time", body="noon\n", expect=LoadError(1206)),
    _timetz("a time with zone is kept in UTC", body="12:34:56+00\n12:34:56+02\n00:30:00+01\n", expect=rows("12:34:56+00", "10:34:56+00", "23:30:00+00", query=_TEXT)),
    _timetz("a word is no time with zone", body="noon\n", expect=LoadError(1206, column="a")),
)  # fmt: skip

_TRAP_DATE = {
    "infinity": "a date of infinity",
    "-infinity": "a date of minus infinity",
    "0044-03-15 BC": "a date before Christ",
    "10000-01-01": "a date in a year of five digits",
    "294276-12-31": "a date in the last year that Redshift has",
}
_TRAP_TIMESTAMP = {
    "infinity": "a timestamp of infinity",
    "-infinity": "a timestamp of minus infinity",
    "0044-03-15 12:00:00 BC": "a timestamp before Christ",
    "10000-01-01 00:00:00": "a timestamp in a year of five digits",
}
_TRAPS = (
    *(
        load(37, f"{what} is not known", "a date", f"{text}\n", Unknown(), page=_TYPES)
        for text, what in _TRAP_DATE.items()
    ),
    *(
        load(
            37,
            f"{what} is not known with 'auto' either",
            "a date",
            f"{text}\n",
            Unknown(),
            options=_AUTO,
            page=_FORMATS,
        )
        for text, what in _TRAP_DATE.items()
    ),
    *(
        load(37, f"{what} is not known", "a timestamp", f"{text}\n", Unknown(), page=_TYPES)
        for text, what in _TRAP_TIMESTAMP.items()
    ),
    *(
        load(
            37,
            f"{what}, with zone, is not known",
            "a timestamptz",
            f"{text}\n",
            Unknown(),
            options=_AUTO,
            page=_FORMATS,
        )
        for text, what in _TRAP_TIMESTAMP.items()
    ),
)

CASES: tuple[Case, ...] = _DATES + _TIMESTAMPS + _ZONED + _TIMES + _TRAPS
