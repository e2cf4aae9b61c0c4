"""COPY: files in, the backend's text out, or the errors.

Rows are judged in the order of the files. Whole blocks go through `scan` and `acceptors`; what these are not sure of goes
value by value through `csv` and `values`, which decide.
Source: AWS Database Developer Guide, COPY (r_COPY), "Data load operations" (MAXERROR, NOLOAD).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from redshift_standin.copy import manifest
from redshift_standin.copy.blocks import read_blocks
from redshift_standin.copy.compression import decompressed
from redshift_standin.copy.csv import Broken, Dialect, Unreadable, records
from redshift_standin.copy.journal import Journal, Place
from redshift_standin.copy.outcome import Loaded, LoadError, LoadFailed, TargetColumn
from redshift_standin.copy.rows import Rows
from redshift_standin.copy.s3 import S3Connection, S3Object, S3Source
from redshift_standin.copy.scan import scan
from redshift_standin.copy.target import file_columns
from redshift_standin.copy.values import Converter
from redshift_standin.sql.statements import Copy

__all__ = ["LoadError", "LoadFailed", "Loaded", "S3Source", "TargetColumn", "file_columns", "load"]


def load(
    command: Copy,
    columns: Sequence[TargetColumn],
    source: S3Source,
    sink: Callable[[bytes], None],
    *,
    evaluate: Callable[[str], str | None],
    fault: Callable[[int], int | None] | None = None,
) -> Loaded:
    """Load every file; `sink` gets the rows, in the backend's COPY text format, for exactly `file_columns`.

    `columns`: all of the table's. `evaluate`: the value of a column's default, as text, once a load. `fault`: a code of
    the load error reference with which row n (from 1, over all files) is to fail. Raises LoadFailed for bad data and
    RedshiftError for everything else; what the sink has got by then is not to be kept.
    """
    chosen = file_columns(command, columns)
    converters = [Converter(column, command) for column in chosen]
    connection = source.connect(command.authorization, command.region)
    found = manifest.objects(command, connection)
    for converter in converters:
        if converter.column.not_null and converter.column.default is not None:
            converter.default = evaluate(converter.column.default)
    journal = Journal(command)
    rows = Rows(command, converters, _nowhere if command.no_load else sink, journal, fault)
    files = tuple((each.url, _load_file(command, each, connection, rows, journal)) for each in found)
    return Loaded(rows=rows.loaded, files=files, errors=tuple(journal.errors))


def _nowhere(_: bytes) -> None:
    """NOLOAD parses only."""


def _load_file(command: Copy, file: S3Object, connection: S3Connection, rows: Rows, journal: Journal) -> int:
    """The lines of the file."""
    dialect = Dialect(ord(command.delimiter), ord(command.quote) if command.csv else None)

    def take(buffer: bytes, lines_before: int, final: bool) -> int:
        place = Place(file.url, lines_before + 1, buffer)
        table = scan(buffer, dialect, rows.width)
        if table is None:
            return _by_record(buffer, place, dialect, rows, journal, final=final)
        rows.add_table(table, place)
        if not final or table.consumed == len(buffer):
            return table.consumed
        # What is left of the last buffer has no end: whatever it is, it may not be passed over.
        rest = buffer[table.consumed :]
        after = Place(file.url, place.at(table.consumed).line_number, rest)
        return table.consumed + _by_record(rest, after, dialect, rows, journal, final=True)

    pieces = decompressed(connection.body(file.bucket, file.key), command.compression, file.url)
    return read_blocks(pieces, dialect, header_lines=command.ignore_header, url=file.url, take=take)


def _by_record(buffer: bytes, place: Place, dialect: Dialect, rows: Rows, journal: Journal, *, final: bool) -> int:
    """The slow way through a buffer."""
    consumed = 0
    try:
        for record in records(buffer, dialect, final=final):
            rows.add_record(record, place)
            consumed = record.end + 1
    except Broken as bad:
        journal.broken(bad, place)
    except Unreadable as error:
        raise journal.unknown(error, place.at(error.start)) from None
    finally:
        rows.flush()
    return consumed
