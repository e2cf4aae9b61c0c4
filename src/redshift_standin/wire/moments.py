"""Dates and times in binary: days and microseconds from 2000-01-01, as Postgres sends them.

Read from text in DateStyle ISO; years are of any length, BC included, so Python's own types cannot do it.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from redshift_standin.errors import RedshiftError

_DATE: Final = rb"(?P<year>\d{4,})-(?P<month>\d\d)-(?P<day>\d\d)"
_CLOCK: Final = rb"(?P<hours>\d\d):(?P<minutes>\d\d):(?P<seconds>\d\d)(?:\.(?P<fraction>\d{1,6}))?"
_ZONE: Final = rb"(?P<zone>[+-]\d\d(?::\d\d){0,2})?"
_ERA: Final = rb"(?P<bc> BC)?"
_DATE_TEXT: Final = re.compile(_DATE + _ERA)
_TIME_TEXT: Final = re.compile(_CLOCK + _ZONE)
_TIMESTAMP_TEXT: Final = re.compile(_DATE + rb" " + _CLOCK + _ZONE + _ERA)

_DAY_MICROSECONDS: Final = 86_400_000_000
_DAYS_OF_2000: Final = 730_425  # from 0000-03-01, where this count of days begins
_INT32_MAX: Final = 2**31 - 1
_INT64_MAX: Final = 2**63 - 1


def date(text: bytes) -> bytes:
    """Days, 4 bytes."""
    if text in (b"infinity", b"-infinity"):
        return struct.pack("!i", _INT32_MAX if text == b"infinity" else -_INT32_MAX - 1)
    return struct.pack("!i", _days(_matched(_DATE_TEXT, text)))


def time(text: bytes) -> bytes:
    """Microseconds since midnight, 8 bytes."""
    return struct.pack("!q", _clock(_matched(_TIME_TEXT, text)))


def time_with_zone(text: bytes) -> bytes:
    """Microseconds since midnight and seconds west of Greenwich, 12 bytes; in UTC, as Redshift keeps TIMETZ."""
    found = _matched(_TIME_TEXT, text)
    offset = _offset(found)
    clock = _clock(found)
    return struct.pack("!qi", (clock - offset) % _DAY_MICROSECONDS if offset else clock, 0)


def timestamp(text: bytes) -> bytes:
    """Microseconds since 2000-01-01 00:00:00, with a zone since that moment in UTC; 8 bytes."""
    if text in (b"infinity", b"-infinity"):
        return struct.pack("!q", _INT64_MAX if text == b"infinity" else -_INT64_MAX - 1)
    found = _matched(_TIMESTAMP_TEXT, text)
    return struct.pack("!q", _days(found) * _DAY_MICROSECONDS + _clock(found) - _offset(found))


def _matched(pattern: re.Pattern[bytes], text: bytes) -> re.Match[bytes]:
    found = pattern.fullmatch(text)
    if found is None:
        raise RedshiftError("0A000", "stand-in: dates and times are sent in binary from DateStyle ISO only")
    return found


def _days(found: re.Match[bytes]) -> int:
    """Days since 2000-01-01 in the proleptic Gregorian calendar; years begin in March, so leap days come last."""
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    if found["bc"]:
        year = 1 - year
    if month < 3:
        year -= 1
    month_from_march = (month + 9) % 12
    before = 365 * year + year // 4 - year // 100 + year // 400
    return before + (153 * month_from_march + 2) // 5 + day - 1 - _DAYS_OF_2000


def _clock(found: re.Match[bytes]) -> int:
    seconds = (int(found["hours"]) * 60 + int(found["minutes"])) * 60 + int(found["seconds"])
    return seconds * 1_000_000 + int((found["fraction"] or b"").ljust(6, b"0"))


def _offset(found: re.Match[bytes]) -> int:
    """Microseconds east of Greenwich; 0 without a zone."""
    zone: bytes | None = found["zone"]
    if zone is None:
        return 0
    hours, minutes, seconds = ([int(part) for part in zone[1:].split(b":")] + [0, 0])[:3]
    offset = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000
    return -offset if zone.startswith(b"-") else offset
