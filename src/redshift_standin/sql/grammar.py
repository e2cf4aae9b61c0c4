"""The entry of the grammar: a text of statements in, statements out. What is not in the grammar is 42601, and never passed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from redshift_standin.errors import RedshiftError
from redshift_standin.sql.ddl_grammar import STATEMENTS as DDL
from redshift_standin.sql.dml import read_delete, read_insert, read_update
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.merge import read_merge
from redshift_standin.sql.queries import read_explain, read_select
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.statements import Empty, Statement
from redshift_standin.sql.utility import STATEMENTS as UTILITY


@dataclass(frozen=True, slots=True)
class Parsed:
    """One statement. `text`: its part of the client's text; `parameters`: the highest $n in it."""

    statement: Statement
    text: str
    parameters: int = 0


def parse(text: str, *, case_sensitive: bool = False) -> list[Parsed]:
    """All statements of a text, at least one (Empty). Nothing but RedshiftError is raised.

    `case_sensitive`: enable_case_sensitive_identifier is on.
    """
    try:
        return _parse(Reader(text, case_sensitive=case_sensitive))
    except RecursionError:
        raise RedshiftError("54001", "stack depth limit exceeded") from None


def _parse(reader: Reader) -> list[Parsed]:
    found: list[Parsed] = []
    while True:
        while reader.accept_operator(";"):
            pass
        if reader.token.kind is Kind.END:
            return found or [Parsed(Empty(), reader.text)]
        first = reader.token
        reader.parameters, reader.nesting, reader.scope = 0, 0, None
        statement = _read_statement(reader)
        _expect_end(reader)
        last = reader.tokens[reader.at - 1]
        found.append(Parsed(statement, reader.text[first.start : last.end], reader.parameters))


def _expect_end(reader: Reader) -> None:
    if reader.token.kind is not Kind.END and not reader.is_operator(";"):
        reader.fail()


def _read_statement(reader: Reader) -> Statement:
    if reader.is_operator("("):
        return read_select(reader)
    if reader.token.kind is not Kind.WORD or reader.token.value not in STATEMENTS:
        reader.fail()
    return STATEMENTS[reader.token.value](reader)


def _read_with(reader: Reader) -> Statement:
    """WITH begins a query, an UPDATE or a DELETE: the word after its list, outside of all parentheses, tells."""
    depth, ahead = 0, 1
    while (token := reader.peek(ahead)).kind is not Kind.END:
        if token.kind is Kind.OPERATOR:
            depth += {"(": 1, ")": -1}.get(token.value, 0)
        if depth == 0 and token.kind is Kind.WORD and token.value in ("select", "update", "delete"):
            break
        ahead += 1
    if token.value == "update":
        return read_update(reader)
    return read_delete(reader) if token.value == "delete" else read_select(reader)


STATEMENTS: Final[dict[str, Callable[[Reader], Statement]]] = {
    **UTILITY,
    **DDL,
    "select": read_select,
    "with": _read_with,
    "explain": read_explain,
    "insert": read_insert,
    "update": read_update,
    "delete": read_delete,
    "merge": read_merge,
}
