"""Dates and times in a load: the judges of single values.

Source: AWS Database Developer Guide, "DATEFORMAT and TIMEFORMAT strings", "Using automatic recognition with DATEFORMAT and
TIMEFORMAT", "Datetime types", "Data conversion parameters" (ACCEPTANYDATE). Reasons' texts: general knowledge.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final

from redshift_standin.copy.outcome import Bad, NotKnown
from redshift_standin.errors import not_yet
from redshift_standin.sql.statements import Copy

Judge = Callable[[str], str]

_TOKEN = re.compile(r"YYYY|HH24|HH(?!1)|MM|DD|MI|SS|[^A-Za-z0-9]")
_TOKEN_DIGITS: Final = {"YYYY": 4, "HH24": 2, "HH": 2, "MM": 2, "DD": 2, "MI": 2, "SS": 2}
_EPOCHS: Final = {"epochsecs": 1_000_000, "epochmillisecs": 1_000}
_EPOCH_DIGITS_MAX: Final = 18
_TIME = r"(?P<HH>[0-9]{2}):(?P<MI>[0-9]{2}):(?P<SS>[0-9]{2})(?P<fraction>\.[0-9]*)?"
_DAY = r"(?P<YYYY>[0-9]{4})-(?P<MM>[0-9]{2})-(?P<DD>[0-9]{2})"
_OFFSET = r"(?P<offset>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
_PATTERNS: Final = {
    "date": re.compile(_DAY),
    "timestamp without time zone": re.compile(f"{_DAY}(?P<between>[ T]){_TIME}{_OFFSET}"),
    "timestamp with time zone": re.compile(f"{_DAY}(?P<between>[ T]){_TIME}{_OFFSET}"),
    "time without time zone": re.compile(f"{_TIME}{_OFFSET}"),
    "time with time zone": re.compile(f"{_TIME}{_OFFSET}"),
}
_ODD = (
    (re.compile(r"[+-]?infinity", re.IGNORECASE), "infinity in COPY"),
    (re.compile(r".*\bBC", re.IGNORECASE), "a date before Christ in COPY"),
    (re.compile(r"[+-]?[0-9]{5,}-.*"), "a year of more than four digits in COPY"),
)
_ANY_OFFSET: Final = re.compile("[+-][0-9]{2}(?::?[0-9]{2})?")
_OFFSET_HOURS_MAX: Final = 14
_DAY_SECONDS: Final = 86_400


def or_null(text: str, judge: Judge, command: Copy) -> str | None:
    """DATE and TIMESTAMP under ACCEPTANYDATE: what cannot be read is NULL."""
    try:
        return judge(text)
    except Bad:
        if not command.accept_any_date:
            raise
        if command.date_format is None and command.time_format is None:
            raise NotKnown("ACCEPTANYDATE without a DATEFORMAT or TIMEFORMAT") from None
        return None


def judge(name: str, command: Copy) -> Judge:
    """What turns texts of a type into the backend's: ISO, and UTC with +00 where the type has a zone.

    Raises RedshiftError for a format that the stand-in does not have.
    """
    given = command.date_format if name == "date" else command.time_format
    if given is None or given == "auto":
        return partial(_iso, name=name, automatic=given == "auto")
    if given in _EPOCHS and name != "date":
        return partial(_epoch, name=name, microseconds=_EPOCHS[given])
    return partial(_by_format, name=name, pattern=_compiled(given), given=given)


def _compiled(given: str) -> re.Pattern[str]:
    parts: list[str] = []
    seen: set[str] = set()
    at = 0
    while at < len(given):
        match = _TOKEN.match(given, at)
        token = match[0] if match else ""
        name = token[:2] if token == "HH24" else token
        if not token or name in seen:
            raise not_yet(f"the date or time format '{given}'")
        if digits := _TOKEN_DIGITS.get(token):
            seen.add(name)
            parts.append(f"(?P<{name}>[0-9]{{{digits}}})")
        else:
            parts.append(re.escape(token))
        at += len(token)
    if not {"YYYY", "MM", "DD"} <= seen:
        raise not_yet(f"the date or time format '{given}'")
    return re.compile("".join(parts))


def _failed(name: str, text: str = "", given: str = "") -> Bad:
    if name == "date":
        if len(text) < 10:
            return Bad(1205, "Invalid Date Format - length must be 10 or more")
        return Bad(1205, f"Invalid Date Format [{given or 'YYYY-MM-DD'}]")
    if name.startswith("timestamp"):
        return Bad(1206, f"Invalid timestamp format or value [{given or 'YYYY-MM-DD HH24:MI:SS'}]")
    return Bad(1206, "Invalid time format or value [HH24:MI:SS]")


def _iso(text: str, name: str, *, automatic: bool) -> str:
    _refuse_odd(text)
    match = _PATTERNS[name].match(text)
    if match is None or match.end() < len(text):
        if automatic and re.search("[0-9]", text):
            raise NotKnown(f"a text that 'auto' may or may not read as {name}")
        if match or (name.startswith("timestamp") and _PATTERNS["date"].fullmatch(text)):
            raise NotKnown(f"a text that is longer or shorter than the format of {name}")
        raise _failed(name, text)
    parts = match.groupdict()
    if parts.get("between") == "T" and not automatic:
        raise _failed(name)
    if len(parts.get("fraction") or ".0") not in range(2, 8):
        raise _failed(name)
    return _rendered(parts, name, automatic=automatic)


def _refuse_odd(text: str) -> None:
    for pattern, what in _ODD:
        if pattern.fullmatch(text):
            raise NotKnown(what)


def _rendered(parts: dict[str, str | None], name: str, *, automatic: bool) -> str:
    if name == "date":
        return _day(parts, name).isoformat()
    fraction = parts.get("fraction") or ""
    offset = parts.get("offset")
    if offset and name.endswith("without time zone"):
        raise NotKnown(f"a zone in a field of type {name}")
    if offset and not automatic and not re.fullmatch(r"[+-][0-9]{2}(:[0-9]{2})?", offset):
        raise NotKnown("a zone other than +hh or +hh:mm under the default TIMEFORMAT")
    shift = _seconds(offset, name)
    if name.startswith("timestamp"):
        return _timestamp(parts, name, fraction, shift)
    return _time(parts, name, fraction, shift)


def _timestamp(parts: dict[str, str | None], name: str, fraction: str, shift: int) -> str:
    day = _day(parts, name)
    try:
        moment = datetime(day.year, day.month, day.day, *_clock(parts), tzinfo=UTC)
    except ValueError:
        raise _failed(name) from None
    try:
        moment -= timedelta(seconds=shift)
    except OverflowError:
        raise NotKnown("a year of more than four digits in COPY") from None
    text = moment.strftime(f"{moment.year:04}-%m-%d %H:%M:%S") + fraction
    return text + "+00" if name == "timestamp with time zone" else text


def _time(parts: dict[str, str | None], name: str, fraction: str, shift: int) -> str:
    hour, minute, second = _clock(parts)
    seconds = (hour * 60 + minute) * 60 + second
    if minute > 59 or second > 59 or seconds > _DAY_SECONDS or (seconds == _DAY_SECONDS and fraction.strip(".0")):
        raise _failed(name)
    if shift and seconds == _DAY_SECONDS:
        raise NotKnown("24:00:00 with a zone")
    if shift:
        seconds = (seconds - shift) % _DAY_SECONDS
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
    return text + "+00" if name == "time with time zone" else text


def _clock(parts: dict[str, str | None]) -> tuple[int, int, int]:
    return int(parts.get("HH") or 0), int(parts.get("MI") or 0), int(parts.get("SS") or 0)


def _day(parts: dict[str, str | None], name: str) -> date:
    try:
        return date(int(parts["YYYY"] or 0), int(parts["MM"] or 0), int(parts["DD"] or 0))
    except ValueError:
        raise _failed(name, "-" * 10) from None


def _seconds(offset: str | None, name: str) -> int:
    """East of Greenwich."""
    if offset is None or offset == "Z":
        return 0
    hours, minutes = int(offset[1:3]), int(offset[3:].lstrip(":") or 0)
    if hours > _OFFSET_HOURS_MAX or minutes > 59:
        raise _failed(name)
    return (hours * 3600 + minutes * 60) * (-1 if offset[0] == "-" else 1)


def _epoch(text: str, name: str, microseconds: int) -> str:
    if name.startswith("time "):
        raise NotKnown(f"an epoch for {name}")
    if re.fullmatch(r"-[0-9.]+|[0-9]+\.[0-9]*", text):
        raise NotKnown("an epoch that is negative or has a fraction")
    if not text.isascii() or not text.isdigit() or len(text) > _EPOCH_DIGITS_MAX:
        raise _failed(name)
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(text) * microseconds)
    except OverflowError:
        raise NotKnown("a year of more than four digits in COPY") from None
    rendered = moment.strftime("%Y-%m-%d %H:%M:%S")
    if moment.microsecond:
        rendered += f".{moment.microsecond:06}"
    return rendered + "+00" if name == "timestamp with time zone" else rendered


def _by_format(text: str, name: str, pattern: re.Pattern[str], given: str) -> str:
    _refuse_odd(text)
    if name.startswith("time "):
        raise NotKnown(f"an explicit TIMEFORMAT for {name}")
    match = pattern.match(text)
    if match is None:
        raise _failed(name, text, given)
    # An explicit format cannot hold a zone: an offset is dropped in silence.
    if match.end() < len(text) and not (
        name == "timestamp with time zone" and _ANY_OFFSET.fullmatch(text[match.end() :])
    ):
        raise NotKnown(f"text after what the format says in a field of type {name}")
    return _rendered(match.groupdict(), name, automatic=False)
