"""The output plugins that write a slot's changes, and what each is asked for.

Source: https://www.postgresql.org/docs/current/protocol-logical-replication.html (pgoutput)
        https://www.postgresql.org/docs/current/test-decoding.html
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql

from re_dms.errors import ConfigurationError
from re_dms.settings import PGOUTPUT, TEST_DECODING, SourceSettings
from re_dms.source.failures import reported

# COMMITs tell their time, which tells histories apart; nothing is sent of a transaction before its COMMIT is known.
_LINES: Final = {"include-xids": "on", "include-timestamp": "on", "skip-empty-xacts": "on"}
_NEWER_LINES: Final = {"stream-changes": "off"}
_NEWER_SINCE: Final = 140_000
_IN_PARTS: Final = {"proto_version": "2", "streaming": "on"}


def has_publication(source: SourceSettings) -> bool:
    """Whether a publication chooses what the source sends; else it sends the changes of all tables of the database."""
    return source.plugin != TEST_DECODING


def can_stream(connection: psycopg.Connection[Any], plugin: str) -> bool:
    """Whether large transactions can be sent while they run (pgoutput, since Postgres 14)."""
    return plugin == PGOUTPUT and connection.info.server_version >= _NEWER_SINCE


def start_query(
    connection: psycopg.Connection[Any], plugin: str, slot: str, publication: str, *, streaming: bool = False
) -> bytes:
    """START_REPLICATION from where the slot was confirmed, with the options that the plugin needs.

    `streaming`: large transactions come in parts while they run; see `can_stream`.
    """
    if plugin == TEST_DECODING:
        words = _LINES | (_NEWER_LINES if connection.info.server_version >= _NEWER_SINCE else {})
    else:
        names = sql.Identifier(publication).as_string(connection)
        words = (_IN_PARTS if streaming else {"proto_version": "1"}) | {"publication_names": names}
    options = [sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(word)) for name, word in words.items()]
    query = sql.SQL("START_REPLICATION SLOT {} LOGICAL 0/0 ({})")
    return query.format(sql.Identifier(slot), sql.SQL(", ").join(options)).as_bytes(connection)


def require_readable(connection: psycopg.Connection[Any]) -> None:
    """Raise ConfigurationError for a database whose lines of test_decoding nobody could read.

    A walsender passes the plugin's text on as it is, in the database's encoding. SQL_ASCII holds any bytes: those that
    are not UTF-8 stop the pipeline by name, as they do with pgoutput.
    """
    with reported("reading the database's encoding"):
        encoding = connection.execute("select getdatabaseencoding()").fetchall()[0][0]
    if encoding not in ("UTF8", "SQL_ASCII"):
        raise ConfigurationError(
            f"the database is {encoding}, and test_decoding sends its values unconverted",
            remedy="use the plugin pgoutput, whose values the server converts",
        )
