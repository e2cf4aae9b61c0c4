"""Two roads to one value: what Postgres says that it is, and what the warehouse holds. No text of ours is on either.

Postgres tells the bytes of a type's send function, or compares; Redshift's own functions print what is in the target.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from redshift.sources import Source
from warehouse.building import RedshiftBench

_Y2K: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NUMERIC_NAN: Final = 0xC000


@dataclass(frozen=True, slots=True)
class Road:
    """`said` is SQL of {0} in Postgres, `seen` SQL of {0} in Redshift; the decoders make comparable values of both.

    With `same`, Redshift's value goes to Postgres instead, in `said` as {1}: SQL for whether it is the same.
    """

    said: str
    seen: str = "{0}"
    decode: Callable[[Any], Any] = lambda value: value
    comparable: Callable[[Any], Any] = lambda value: value
    same: bool = False


def _int(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def numeric(data: bytes) -> str:
    """numeric_send: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/utils/adt/numeric.c"""
    count, weight, sign, scale = struct.unpack_from(">hhHh", data)
    if sign >= _NUMERIC_NAN:
        return {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}[sign]
    units = 0
    for digit in struct.unpack_from(f">{count}h", data, 8):
        units = units * 10_000 + digit
    shift = 4 * (weight - count + 1) + scale  # units * 10 ** shift, in units of the last decimal
    units = units * 10**shift if shift >= 0 else units // 10**-shift
    return _decimal(("-" if sign else "") + str(units) + f"e-{scale}")


def _decimal(text: str) -> str:
    """All of a Decimal, its scale too; zero has no sign."""
    value = Decimal(text)
    return repr((value.as_tuple()[0] if value else 0, *value.as_tuple()[1:])) if value.is_finite() else str(value)


def _days(text: str) -> int:
    return (date.fromisoformat(text) - _Y2K.date()).days


def _moment(text: str) -> int:
    passed = datetime.fromisoformat(text).replace(tzinfo=UTC) - _Y2K
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def _zoned(text: str) -> int:
    assert text.endswith("+00")
    return _moment(text.removesuffix("+00"))


def _clock(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3_600_000_000 + int(minutes) * 60_000_000 + int(Decimal(seconds) * 1_000_000)


def _half(data: bytes) -> str:
    return repr(struct.unpack(">f", data)[0])


def _double(data: bytes) -> str:
    return repr(struct.unpack(">d", data)[0])


def _single(value: float) -> str:
    return repr(struct.unpack(">f", struct.pack(">f", value))[0])


TRUTH = Road("boolsend({0})", "case when {0} then 1 when not {0} then 0 end", _int)
INTEGER = Road("int8send(({0})::int8)", "{0}", _int)
UNSIGNED = Road("{0}::text", "{0}", int, int)  # xid8 and its like have no cast to a number
EXACT = Road("numeric_send({0})", "{0}", numeric, lambda value: _decimal(str(value)))
FLOAT4 = Road("float4send({0})", "{0}", _half, _single)
FLOAT8 = Road("float8send({0})", "{0}", _double, repr)
TEXT = Road("textsend({0}::text)", "{0}", lambda data: data.decode())
BLANKLESS = Road("textsend(rtrim(({0})::text, ' '))", "{0}", lambda data: data.decode())
BYTES = Road("byteasend({0})", "to_hex({0})", bytes, bytes.fromhex)
DAY = Road("date_send({0})", "{0}::varchar", _int, _days)
MOMENT = Road("timestamp_send({0})", "{0}::varchar", _int, _moment)
ZONED = Road("timestamptz_send({0})", "{0}::varchar", _int, _zoned)
CLOCK = Road("time_send({0})", "{0}::varchar", _int, _clock)
JSON = Road("({0})::jsonb = {1}::jsonb", "json_serialize({0})", same=True)


def json_of(expression: str) -> Road:
    """SUPER: Postgres's own JSON of the value, `expression` of {0}, equals what is in the target."""
    return Road(f"{expression} = {{1}}::jsonb", "json_serialize({0})", same=True)


def text_of(type_: str) -> Road:
    """A text of the type: Postgres reads it, and sends the same bytes as for its own value."""
    return Road(f"record_send(row({{0}})) = record_send(row({{1}}::{type_}))", "{0}", same=True)


def differences(source: Source, bench: RedshiftBench, table: str, roads: Mapping[str, Road]) -> list[Any]:
    """(column, id, in Postgres, in Redshift) where the values of `kinds.<table>` differ; `id` alone where a row is missing."""
    names = list(roads)
    seen = ", ".join(f'{road.seen.format(_quoted(name))} as "{name}"' for name, road in roads.items())
    found = {
        row[0]: dict(zip(names, row[1:], strict=True)) for row in bench.query(f"select id, {seen} from kinds.{table}")
    }
    ids = [row[0] for row in source.ask(f"select id from kinds.{table} order by id")]
    wrong: list[Any] = sorted(set(ids) ^ set(found))
    count = bench.query(f"select count(*) from kinds.{table}")[0][0]
    wrong += [("rows", count, len(ids))] if count != len(ids) else []
    for name, road in roads.items():
        texts = {id_: found[id_][name] for id_ in ids if id_ in found}
        wrong += _compared(source, table, name, road, texts)
    return wrong


def _compared(source: Source, table: str, name: str, road: Road, texts: Mapping[int, Any]) -> list[Any]:
    null = f"not ({_quoted(name)} is distinct from null)"
    wrong: list[Any] = []
    if road.same:
        same = road.said.format(f"t.{_quoted(name)}", "x.text")
        query = (
            f"select t.id, case when not (t.{_quoted(name)} is distinct from null) then x.text is null "
            f"else x.text is not null and {same} end from kinds.{table} t "
            "join unnest(%s::int[], %s::text[]) x(id, text) on x.id = t.id"
        )
        for id_, is_same in source.ask(query, [list(texts), list(texts.values())]):
            if not is_same:
                said = source.ask(f"select {_quoted(name)}::text from kinds.{table} where id = %s", [id_])[0][0]
                wrong.append((name, id_, _short(said), _short(texts[id_])))
        return wrong
    for id_, is_null, said in source.ask(
        f"select id, {null}, {road.said.format(_quoted(name))} from kinds.{table} where id = any(%s)", [list(texts)]
    ):
        expected = None if is_null else road.decode(said)
        really = None if texts[id_] is None else road.comparable(texts[id_])
        if expected != really:
            wrong.append((name, id_, _short(expected), _short(really)))
    return wrong


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _short(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:60]}…{len(text)}"
