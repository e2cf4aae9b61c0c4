"""Which value did not fit: asked only after a load has failed for one, of the data file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

from re_dms.errors import ReDmsError, ValueDoesNotFit, WarehouseError
from re_dms.manifest import DataFile, Manifest
from re_dms.schema import Relation
from re_dms.warehouse.duckdb.sql import read_file
from re_dms.warehouse.duckdb.types import duckdb_type, value

KEY_TEXT_MAX: Final = 100


def bad_value(manifest: Manifest, relation: Relation, file: DataFile, path: Path) -> ReDmsError:
    """The error that names table, column, key and LSN of the first value of the file that does not fit.

    The key of a keyed table is told (cut to 100 characters) so that the operator finds the row; the value is not.
    """
    source = read_file(path, file)
    tests = []
    for name in file.columns:
        if name[0] in "cf":
            column = relation.column(int(name[1:]))
            tests.append((column, f"{name} is not null and try({value(column.type, name)}) is null"))
    key = ", ".join(f"c{attnum}" for attnum in relation.key)
    try:
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            for column, test in tests:
                found = connection.execute(f"select {key or 'op'} from {source} where {test} limit 1").fetchone()
                if found is not None:
                    return ValueDoesNotFit(
                        f"{relation.full_name}: column {column.name!r} ({column.type.name}){_key(relation, found)} holds "
                        f"a value that {duckdb_type(column.type)} cannot hold; batch {manifest.number}, "
                        f"LSN {manifest.start} to {manifest.end}",
                        remedy=f"change the value in the source and run `re-dms reset --table {relation.full_name}`, "
                        "or exclude the table",
                    )
    except duckdb.Error:
        pass  # The file itself cannot be read: told below. DuckDB's text would quote the line.
    return WarehouseError(
        f"{relation.full_name}: data file {file.key} cannot be read as CSV; batch {manifest.number}",
        remedy="see whether the journal's objects are whole; if not, run `re-dms reset`",
    )


def _key(relation: Relation, values: tuple[str | None, ...]) -> str:
    if not relation.key:
        return ""
    names = ", ".join(relation.column(attnum).name for attnum in relation.key)
    text = ", ".join("NULL" if text is None else text for text in values)[:KEY_TEXT_MAX]
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return f" of the row with key ({names})=({shown})"
