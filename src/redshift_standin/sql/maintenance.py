"""LOCK, VACUUM and ANALYZE.

Source: AWS Database Developer Guide, "LOCK" (r_LOCK), "VACUUM" (r_VACUUM_command), "ANALYZE" (r_ANALYZE).
"""

from __future__ import annotations

from typing import Final

from redshift_standin.errors import RedshiftError, not_yet, refused
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.statements import Analyze, Lock, Vacuum

PERCENT_MAX: Final = 100


def read_lock(reader: Reader) -> Lock:
    """LOCK [TABLE] t, …; the one mode there is may be named."""
    reader.expect("lock")
    reader.accept("table")
    if reader.is_word("only"):
        raise refused("LOCK ONLY is not supported")
    tables = reader.separated(reader.expect_table)
    if reader.accept("in") and not reader.accept("access", "exclusive", "mode"):
        raise refused("LOCK knows only ACCESS EXCLUSIVE MODE")
    if reader.is_word("nowait"):
        raise refused("LOCK … NOWAIT is not supported")
    return Lock(tables=tuple(tables))


def read_vacuum(reader: Reader) -> Vacuum:
    """VACUUM [FULL | SORT ONLY | DELETE ONLY | REINDEX | RECLUSTER] [t [TO n PERCENT] [BOOST]]."""
    reader.expect("vacuum")
    if reader.is_word("analyze", "analyse", "verbose", "freeze") or reader.is_operator("("):
        raise refused(f"VACUUM {reader.token.text.upper()} is not supported")
    needs_table = _vacuum_kind(reader)
    if not reader.is_name():
        if needs_table:
            reader.fail()
        return Vacuum()
    table = reader.expect_table()
    if reader.accept("to"):
        at = reader.token
        if reader.expect_integer() > PERCENT_MAX:
            raise RedshiftError("22023", f"vacuum threshold {at.text} must be between 0 and {PERCENT_MAX}")
        reader.expect("percent")
    reader.accept("boost")
    return Vacuum(table=table)


def _vacuum_kind(reader: Reader) -> bool:
    """Read the kind of vacuum; whether it must be followed by a table."""
    if reader.accept("full") or reader.accept("sort", "only") or reader.accept("delete", "only"):
        return False
    return bool(reader.accept_any("reindex", "recluster"))


def read_analyze(reader: Reader) -> Analyze:
    """ANALYZE [VERBOSE] [t [(columns)]] [PREDICATE COLUMNS | ALL COLUMNS]."""
    reader.accept_any("analyze", "analyse")
    if reader.is_word("compression"):
        raise not_yet("ANALYZE COMPRESSION")
    if reader.is_operator("("):
        raise refused("ANALYZE (…) is not supported")
    reader.accept("verbose")
    if reader.is_name() and not reader.are_words("predicate", "columns"):
        table = reader.expect_table()
        columns = reader.expect_columns() if reader.is_operator("(") else ()
        _which_columns(reader)
        return Analyze(table=table, columns=columns)
    _which_columns(reader)
    return Analyze()


def _which_columns(reader: Reader) -> None:
    """They say which statistics are worth their while; there are none to be kept here."""
    if not reader.accept("predicate", "columns"):
        reader.accept("all", "columns")
