"""Records become rows of the backend's text, one by one or a table at once, with the same result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import polars as pl

from redshift_standin.copy import backend_text
from redshift_standin.copy.acceptors import accept
from redshift_standin.copy.csv import ROW_BYTES_MAX, Field, Record
from redshift_standin.copy.journal import Journal, Place
from redshift_standin.copy.outcome import Bad, NotKnown
from redshift_standin.copy.scan import Flags, Table
from redshift_standin.copy.values import CHARACTER_TYPES, Converter
from redshift_standin.sql.statements import Copy

_ESCAPED_TYPES: Final = (*CHARACTER_TYPES, "super")
_SPECIAL: Final = b"\\\t\r"
_FLUSH_ROWS: Final = 10_000


class Rows:
    """Where the rows of one load go, in their order. `loaded` counts the good ones."""

    def __init__(
        self,
        command: Copy,
        converters: Sequence[Converter],
        sink: Callable[[bytes], None],
        journal: Journal,
        fault: Callable[[int], int | None] | None,
    ) -> None:
        self.loaded = 0
        self.width = len(converters)
        self._command = command
        self._converters = converters
        self._sink = sink
        self._journal = journal
        self._fault = fault
        self._seen = 0
        self._lines: list[bytes] = []

    # ---------------------------------------------------------------- one record

    def add_record(self, record: Record, place: Place) -> None:
        """Judge a record; its row is kept until `flush`."""
        here = place.at(record.start)
        if not record.fields:
            if not self._command.ignore_blank_lines:
                raise self._journal.unknown(NotKnown("a blank line without IGNOREBLANKLINES"), here)
            return
        injected = self._faulty(1).get(0)
        self._seen += 1
        try:
            if injected:
                raise injected
            fields = self._fitted(record)
        except Bad as bad:
            self._journal.note(bad, here)
            return
        except NotKnown as error:
            raise self._journal.unknown(error, here) from None
        values: list[str | None] = []
        for converter, field in zip(self._converters, fields, strict=True):
            good, value = self._judged(converter, field, here)
            if not good:
                return
            values.append(value)
        self._lines.append(backend_text.line(values))
        self.loaded += 1
        if len(self._lines) >= _FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Give the rows of `add_record` to the sink."""
        if self._lines:
            self._sink(b"".join(self._lines))
            self._lines = []

    def _fitted(self, record: Record) -> list[Field | None]:
        """A field for every column; None where FILLRECORD stands in."""
        fields: list[Field | None] = list(record.fields)
        if record.end - record.start > ROW_BYTES_MAX:
            raise Bad(1216, f"Input line is not valid: longer than {ROW_BYTES_MAX} bytes")
        if len(fields) > self.width:
            last = record.fields[-1]
            if not self._command.csv and len(fields) == self.width + 1 and not last.data:
                raise NotKnown("a delimiter after the last column")
            raise Bad(1202, "Extra column(s) found")
        if len(fields) < self.width:
            if not self._command.fill_record:
                raise Bad(1214, "Delimiter not found")
            fields += [None] * (self.width - len(fields))
        return fields

    def _judged(self, converter: Converter, field: Field | None, place: Place) -> tuple[bool, str | None]:
        """Whether the value is good, and its text. What is bad has been noted."""
        try:
            return True, converter.missing() if field is None else converter(field)
        except Bad as bad:
            self._journal.note(bad, place, converter.column, field.data if field else b"")
            return False, None
        except NotKnown as error:
            raise self._journal.unknown(error, place, converter.column) from None

    # ---------------------------------------------------------------- a table

    def add_table(self, table: Table, place: Place) -> None:
        """Judge whole records at once and give their rows to the sink."""
        series, quoted = self._series(table)
        frame = pl.DataFrame([*series, *(pl.Series(f"q{i}", flags) for i, flags in enumerate(quoted))])
        judged = [
            accept(pl.col(f"c{i}"), pl.col(f"q{i}"), converter.column, self._command)
            for i, converter in enumerate(self._converters)
        ]
        result = frame.select(
            *(good.alias(f"g{i}") for i, (good, _) in enumerate(judged)),
            *(text.alias(f"t{i}") for i, (_, text) in enumerate(judged)),
        )
        sure = [result[f"g{i}"].to_numpy() for i in range(self.width)]
        patches, dropped = self._doubtful(table, sure, place)
        special = self._has_special(table)
        columns = [self._finished(i, result[f"t{i}"], patches[i], special=special) for i in range(self.width)]
        if dropped:
            kept = np.ones(table.rows, np.bool_)
            kept[dropped] = False
            columns = [column.filter(pl.Series(kept)) for column in columns]
        self._seen += table.rows
        self.loaded += table.rows - len(dropped)
        if table.rows > len(dropped):
            self._sink(backend_text.lines(columns))

    def _series(self, table: Table) -> tuple[list[pl.Series], list[Flags]]:
        series, quoted = [], []
        for number in range(self.width):
            data, flags = table.column(number)
            text = _decoded(data)
            if table.doubled:
                quote = chr(table.dialect.quote or 0)
                single = text.str.replace_all(quote * 2, quote, literal=True)
                text = single.zip_with(pl.Series(flags), text)
            series.append(text.alias(f"c{number}"))
            quoted.append(flags)
        return series, quoted

    def _doubtful(self, table: Table, sure: list[Flags], place: Place) -> tuple[list[dict[int, str | None]], list[int]]:
        """The single judgements: new texts by column and row, and the rows that are bad."""
        patches: list[dict[int, str | None]] = [{} for _ in range(self.width)]
        dropped: list[int] = []
        starts = table.record_starts
        faulty = self._faulty(table.rows)
        doubtful = np.flatnonzero(~np.logical_and.reduce(sure)).tolist()
        for row in sorted({*doubtful, *faulty}):
            here = place.at(int(starts[row]))
            if row in faulty:
                self._journal.note(faulty[row], here)
                dropped.append(row)
                continue
            for number, converter in enumerate(self._converters):
                if sure[number][row]:
                    continue
                good, value = self._judged(converter, table.field(row, number), here)
                if not good:
                    dropped.append(row)
                    break
                patches[number][row] = value
        return patches, dropped

    def _faulty(self, rows: int) -> dict[int, Bad]:
        """Of the next rows, from 0, those that are to fail."""
        if self._fault is None:
            return {}
        codes = ((row, self._fault(self._seen + row + 1)) for row in range(rows))
        return {row: _injected(code) for row, code in codes if code is not None}

    def _finished(self, number: int, texts: pl.Series, patches: dict[int, str | None], *, special: bool) -> pl.Series:
        """A column with the single judgements in their places, escaped."""
        if patches:
            places = np.arange(len(texts))
            places[list(patches)] = len(texts) + np.arange(len(patches))
            texts = pl.concat([texts, pl.Series(list(patches.values()), dtype=pl.String)]).gather(places)
        name = self._converters[number].column.type.name
        if patches or name == "varbyte" or (special and name in _ESCAPED_TYPES):
            return backend_text.escaped(texts)
        return texts

    def _has_special(self, table: Table) -> bool:
        """A byte that the backend's format escapes may be in some field."""
        content = table.data[: table.consumed]
        feeds = np.count_nonzero(content == 0x0A) > table.rows
        return bool(feeds) or any((content == byte).any() for byte in _SPECIAL)


def _decoded(data: pl.Series) -> pl.Series:
    """Bytes as texts, null where they are not UTF-8."""
    try:
        return data.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series([_text(each) for each in data], dtype=pl.String)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _injected(code: int) -> Bad:
    return Bad(code, "Injected by a fault of the stand-in")
