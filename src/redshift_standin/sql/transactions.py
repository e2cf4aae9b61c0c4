"""Transactions and cursors.

Source: AWS Database Developer Guide, "BEGIN" (r_BEGIN), "COMMIT", "ROLLBACK", "DECLARE" (declare), "FETCH", "CLOSE".
"""

from __future__ import annotations

from typing import Final

from redshift_standin.errors import not_yet, refused, unknown
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.statements import Begin, Close, Commit, Declare, Fetch, Rollback
from redshift_standin.sql.table_grammar import read_defining_query

_LEVELS: Final = (("serializable",), ("read", "uncommitted"), ("read", "committed"), ("repeatable", "read"))
_DIRECTIONS: Final = ("prior", "backward", "first", "last", "absolute", "relative")


def read_begin(reader: Reader) -> Begin:
    """BEGIN [WORK | TRANSACTION] and START TRANSACTION, with [ISOLATION LEVEL x] [READ WRITE]."""
    if reader.accept("start"):
        reader.expect("transaction")
        _modes(reader)
        return Begin(tag="START TRANSACTION")
    reader.expect("begin")
    reader.accept_any("work", "transaction")
    _modes(reader)
    return Begin()


def _modes(reader: Reader) -> None:
    """Every level is accepted and processed as the database's own, so nothing of it is kept."""
    if reader.accept("isolation", "level") and not any(reader.accept(*words) for words in _LEVELS):
        reader.fail()
    if reader.accept("read", "only"):
        raise not_yet("READ ONLY transactions")
    reader.accept("read", "write")
    if reader.is_word("deferrable") or reader.are_words("not", "deferrable"):
        raise refused("DEFERRABLE transactions are not supported")


def read_commit(reader: Reader) -> Commit:
    """COMMIT and END [WORK | TRANSACTION]."""
    reader.accept_any("commit", "end")
    _end(reader)
    return Commit()


def read_rollback(reader: Reader) -> Rollback:
    """ROLLBACK and ABORT [WORK | TRANSACTION]; to a savepoint there is no way back."""
    reader.accept_any("rollback", "abort")
    _end(reader)
    if reader.is_word("to"):
        raise refused("ROLLBACK TO SAVEPOINT unsupported")
    return Rollback()


def _end(reader: Reader) -> None:
    if reader.is_word("prepared"):
        raise refused("two-phase commit is not supported")
    reader.accept_any("work", "transaction")
    if reader.is_word("and"):
        raise refused("AND CHAIN is not supported")


def read_declare(reader: Reader) -> Declare:
    """DECLARE name CURSOR FOR query."""
    reader.expect("declare")
    name = reader.expect_name()
    if reader.is_word("binary", "insensitive", "asensitive", "scroll", "no"):
        raise refused(f"DECLARE … {reader.token.value.upper()} CURSOR is not supported")
    reader.expect("cursor")
    if reader.is_word("with", "without"):
        raise refused("cursors WITH HOLD are not supported")
    reader.expect("for")
    return Declare(name=name, query=read_defining_query(reader, "DECLARE"))


def read_fetch(reader: Reader) -> Fetch:
    """FETCH [NEXT | ALL | n | FORWARD [n | ALL]] FROM name."""
    reader.expect("fetch")
    if reader.is_word(*_DIRECTIONS) or reader.is_operator("-"):
        raise refused("cursors can only be read forward")
    count: int | None = 1
    if not reader.accept("next"):
        forward = reader.accept("forward")
        if reader.accept("all"):
            count = None
        elif reader.token.kind is Kind.NUMBER:
            count = reader.expect_integer()
        elif forward and reader.is_operator("-"):
            raise refused("cursors can only be read forward")
    reader.expect("from")
    if count == 0:
        raise unknown("FETCH 0")
    return Fetch(name=reader.expect_name(), count=count)


def read_close(reader: Reader) -> Close:
    """CLOSE name."""
    reader.expect("close")
    if reader.is_word("all"):
        raise refused("CLOSE ALL is not supported")
    return Close(name=reader.expect_name())
