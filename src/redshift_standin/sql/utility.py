"""The statements besides queries, DML and DDL, by their first word; what is not built is answered by name.

Source: AWS Database Developer Guide, "SQL commands" (c_SQL_commands) and "Unsupported PostgreSQL features".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from redshift_standin.errors import not_yet, refused
from redshift_standin.sql import maintenance, parameters, transactions
from redshift_standin.sql.copy_grammar import read_copy
from redshift_standin.sql.grant_grammar import read_grant
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.statements import Statement

Read = Callable[[Reader], Statement]

# Redshift has these statements.
LATER: Final = ("unload", "execute", "call", "cancel", "use", "attach", "detach", "refresh")
# Only Postgres has these.
REFUSED: Final = (
    "listen", "notify", "unlisten", "cluster", "reindex", "do", "discard", "checkpoint", "load",
    "move", "reassign", "security",
)  # fmt: skip


def _later(reader: Reader) -> Statement:
    raise not_yet(reader.token.value.upper())


def _refuse(reader: Reader) -> Statement:
    raise refused(f"{reader.token.value.upper()} is not supported")


def _savepoint(reader: Reader) -> Statement:
    """SAVEPOINT and RELEASE, in the words of ROLLBACK TO SAVEPOINT's refusal."""
    raise refused("SAVEPOINT unsupported" if reader.is_word("savepoint") else "RELEASE SAVEPOINT unsupported")


def _prepare(reader: Reader) -> Statement:
    """PREPARE name AS …; PREPARE TRANSACTION is Postgres's own."""
    reader.expect("prepare")
    if reader.is_word("transaction"):
        raise refused("two-phase commit is not supported")
    raise not_yet("PREPARE")


def _deallocate(reader: Reader) -> Statement:
    """DEALLOCATE name; psycopg's DEALLOCATE ALL is no statement of Redshift."""
    reader.expect("deallocate")
    reader.accept("prepare")
    if reader.is_word("all"):
        raise refused("DEALLOCATE ALL is not supported")
    raise not_yet("DEALLOCATE")


def _desc(reader: Reader) -> Statement:
    reader.expect("desc")
    if reader.is_word("datashare", "identity"):
        raise not_yet(f"DESC {reader.token.value.upper()}")
    reader.fail()


def _import(reader: Reader) -> Statement:
    reader.expect("import")
    if reader.are_words("foreign", "schema"):
        raise refused("IMPORT FOREIGN SCHEMA is not supported")
    reader.fail()


STATEMENTS: Final[dict[str, Read]] = {
    **dict.fromkeys(LATER, _later),
    **dict.fromkeys(REFUSED, _refuse),
    "copy": read_copy,
    "begin": transactions.read_begin,
    "start": transactions.read_begin,
    "commit": transactions.read_commit,
    "end": transactions.read_commit,
    "rollback": transactions.read_rollback,
    "abort": transactions.read_rollback,
    "declare": transactions.read_declare,
    "fetch": transactions.read_fetch,
    "close": transactions.read_close,
    "set": parameters.read_set,
    "reset": parameters.read_reset,
    "show": parameters.read_show,
    "lock": maintenance.read_lock,
    "vacuum": maintenance.read_vacuum,
    "analyze": maintenance.read_analyze,
    "analyse": maintenance.read_analyze,
    "grant": read_grant,
    "revoke": read_grant,
    "savepoint": _savepoint,
    "release": _savepoint,
    "prepare": _prepare,
    "deallocate": _deallocate,
    "desc": _desc,
    "import": _import,
}
