"""Kinds of objects that CREATE, ALTER, DROP and COMMENT of the stand-in do not know, and whose gap that is.

Source: AWS Database Developer Guide, "SQL commands" (c_SQL_commands) and "Unsupported PostgreSQL features".
"""

from __future__ import annotations

from typing import Final

from redshift_standin.errors import RedshiftError, not_yet, refused, syntax_error
from redshift_standin.sql.reader import Reader

# By the first word after the verb.
_LATER: Final = frozenset(
    [
        "database",
        "datashare",
        "external",
        "function",
        "identity",
        "library",
        "masking",
        "materialized",
        "model",
        "procedure",
        "rls",
        "role",
        "template",
    ]
)
_LATER_TO_ALTER: Final = frozenset(("default", "group", "schema", "system"))
_REFUSED: Final = frozenset(
    (
        "access", "aggregate", "cast", "collation", "constraint", "conversion", "domain", "event", "extension",
        "foreign", "global", "index", "language", "large", "operator", "owned", "policy", "publication", "recursive",
        "routine", "rule", "sequence", "server", "statistics", "subscription", "tablespace", "text", "transform",
        "trigger", "type", "unique", "unlogged", "view",
    )
)  # fmt: skip
LATER: Final = {
    "CREATE": _LATER,
    "CREATE OR REPLACE": _LATER,
    "ALTER": _LATER | _LATER_TO_ALTER,
    "DROP": _LATER,
    "COMMENT ON": frozenset(("constraint", "database")),
}
REFUSED: Final = _REFUSED | _LATER


def answer_by_name(reader: Reader, verb: str) -> RedshiftError:
    """The refusal of the kind of object at this word, by its name; 42601 if nobody knows it."""
    word = reader.token.value
    if reader.is_word(*LATER[verb]):
        return not_yet(f"{verb} {word.upper()}")
    if reader.is_word(*REFUSED):
        return refused(f"{verb} {word.upper()} is not supported")
    return syntax_error(reader.token.text, reader.token.start + 1)
