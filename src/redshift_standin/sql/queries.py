"""The grammar of queries.

Source: AWS Database Developer Guide, "SELECT", "SELECT INTO", "UNION, INTERSECT, and EXCEPT", "EXPLAIN".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from redshift_standin.errors import RedshiftError, not_yet, refused
from redshift_standin.names import TableName, quote
from redshift_standin.sql import calls, expressions
from redshift_standin.sql.ddl import CreateTableAs
from redshift_standin.sql.from_items import is_alias, read_from_list
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.literals import read_parameter
from redshift_standin.sql.query import Query
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.relations import read_target
from redshift_standin.sql.scope import Gathered, Parts, Path, Scope, Star, joined, render

UNNAMED: Final = "?column?"


@dataclass(slots=True)
class _Into:
    name: TableName
    temporary: bool


@dataclass(slots=True)
class _Body:
    """What ORDER BY follows. `scope`: the one in which ORDER BY's names are looked for."""

    parts: Parts
    scope: Scope
    top: int | None = None
    into: _Into | None = None


def read_query(reader: Reader) -> Query:
    """A query without INTO, for views, cursors, CTAS, and as a statement. Rendered: its names are all known here."""
    found = read_select(reader)
    if not isinstance(found, Query):
        raise RedshiftError("42601", "SELECT ... INTO is not allowed here")
    return found


def read_select(reader: Reader) -> Query | CreateTableAs:
    """A query; SELECT … INTO makes a table of it."""
    around, gathered = reader.scope, Gathered()
    reader.scope = Scope(gathered)
    parts, into = _read_expression(reader, reader.scope, may_have_into=True)
    reader.scope = around
    sql = render(parts)
    gathered.check(writes=into is not None)
    query = Query(sql=sql, reads=frozenset(gathered.reads))
    if into is None:
        return query
    return CreateTableAs(name=into.name, query=query, temporary=into.temporary)


def read_explain(reader: Reader) -> Query:
    """EXPLAIN [VERBOSE] query."""
    reader.expect("explain")
    verbose = " VERBOSE" if reader.accept("verbose") else ""
    if reader.is_word("insert", "update", "delete", "create"):
        raise not_yet(f"EXPLAIN {reader.token.text.upper()}")
    query = read_query(reader)
    return Query(sql=f"EXPLAIN{verbose} {query.sql}", reads=query.reads, explain=True)


def read_nested(reader: Reader, around: Scope) -> Parts:
    """A query inside a statement; the caller reads the parentheses."""
    reader.nesting += 1
    if reader.nesting > expressions.NESTING_MAX:
        raise RedshiftError("54001", "stack depth limit exceeded")
    before, reader.scope = reader.scope, around.child()
    parts, _ = _read_expression(reader, reader.scope, may_have_into=False)
    reader.scope = before
    reader.nesting -= 1
    return parts


def read_with(reader: Reader, scope: Scope) -> Parts:
    """WITH name [(columns)] AS (query), …, or nothing. The names are added to the scope."""
    if not reader.accept("with"):
        return []
    if reader.accept("recursive"):
        raise not_yet("WITH RECURSIVE")
    return ["WITH ", *joined(reader.separated(lambda: _read_cte(reader, scope))), " "]


def _read_cte(reader: Reader, scope: Scope) -> Parts:
    name = reader.expect_name()
    columns = ""
    if reader.is_operator("("):
        columns = f" ({', '.join(quote(column) for column in reader.expect_columns())})"
    reader.expect("as")
    reader.expect_operator("(")
    parts = read_nested(reader, scope)
    reader.expect_operator(")")
    if name in scope.ctes:
        raise RedshiftError("42712", f'WITH query name "{name}" specified more than once')
    scope.ctes.add(name)
    return [f"{quote(name)}{columns} AS (", *parts, ")"]


def _read_expression(reader: Reader, scope: Scope, *, may_have_into: bool) -> tuple[Parts, _Into | None]:
    parts = read_with(reader, scope)
    body = _read_set_operations(reader, scope)
    if body.into is not None and not may_have_into:
        raise RedshiftError("42601", "SELECT ... INTO is not allowed here")
    parts.extend(body.parts)
    if reader.is_word("order"):
        before, reader.scope = reader.scope, body.scope
        body.scope.sorting = True
        parts.extend([" ", *calls.read_order_by(reader)])
        body.scope.sorting = False
        reader.scope = before
    parts.extend(_read_limits(reader, body.top))
    if reader.is_word("for", "fetch", "window"):
        if reader.is_word("for"):
            raise refused("SELECT FOR UPDATE is not supported")
        raise refused(f"{reader.token.text.upper()} is not supported")
    return parts, body.into


def _read_limits(reader: Reader, top: int | None) -> Parts:
    parts: Parts = []
    for _ in range(2):
        if reader.is_word("limit"):
            if top is not None or any(str(part).startswith(" LIMIT") for part in parts):
                reader.fail()
            reader.advance()
            parts.append(" LIMIT ALL" if reader.accept("all") else f" LIMIT {_read_count(reader)}")
        elif reader.is_word("offset") and not any(str(part).startswith(" OFFSET") for part in parts):
            reader.advance()
            parts.append(f" OFFSET {_read_count(reader)}")
    if top is not None:
        parts.append(f" LIMIT {top}")
    return parts


def _read_count(reader: Reader) -> str:
    if reader.token.kind is Kind.PARAMETER:
        return render(read_parameter(reader).parts)
    return str(reader.expect_integer())


def _read_set_operations(reader: Reader, scope: Scope) -> _Body:
    body = _read_operand(reader, scope)
    if not reader.is_word("union", "intersect", "except", "minus"):
        return body
    if body.into is not None:
        raise not_yet("SELECT INTO with a set operation")
    parts = _in_set(body)
    while operator := reader.accept_any("union", "intersect", "except", "minus"):
        every = reader.accept("all")
        if every and operator != "union":
            raise refused(f"{operator.upper()} ALL is not supported")
        word = "EXCEPT" if operator == "minus" else operator.upper()
        right = _read_operand(reader, scope)
        if right.into is not None:
            raise RedshiftError("42601", "SELECT ... INTO is not allowed here")
        parts = [*parts, f" {word}{' ALL' if every else ''} ", *_in_set(right)]
    return _Body(parts, scope)


def _in_set(body: _Body) -> Parts:
    return body.parts if body.top is None else ["(", *body.parts, f" LIMIT {body.top})"]


def _read_operand(reader: Reader, scope: Scope) -> _Body:
    if reader.is_operator("("):
        reader.advance()
        parts = read_nested(reader, scope)
        reader.expect_operator(")")
        return _Body(["(", *parts, ")"], scope)
    return _read_select(reader, scope.child())


def _read_select(reader: Reader, scope: Scope) -> _Body:
    reader.expect("select")
    before, reader.scope = reader.scope, scope
    body = _Body(["SELECT "], scope)
    if reader.is_word("top") and reader.peek().kind is Kind.NUMBER:
        reader.advance()
        body.top = reader.expect_integer()
    elif reader.accept("distinct"):
        if reader.is_word("on"):
            raise refused("SELECT DISTINCT ON is not supported")
        body.parts.append("DISTINCT ")
    else:
        reader.accept("all")
    body.parts.extend(joined(reader.separated(lambda: _read_output(reader, scope))))
    if reader.accept("into"):
        body.into = _read_into(reader, scope)
    body.parts.extend(_read_clauses(reader, scope))
    reader.scope = before
    return body


def _read_into(reader: Reader, scope: Scope) -> _Into:
    temporary = bool(reader.accept_any("temp", "temporary"))
    reader.accept("table")
    name = read_target(reader, scope)
    return _Into(name, temporary or name.name.startswith("#"))


def _read_output(reader: Reader, scope: Scope) -> Parts:
    """An item of the select list; every one gets the name that Redshift would give it."""
    if reader.accept_operator("*"):
        return ["*"]
    if names := _read_star(reader):
        return [Star(scope, names)]
    piece = expressions.read_expression(reader)
    label = piece.label or UNNAMED
    if reader.accept("as"):
        label = reader.expect_label()
        scope.outputs.add(label)
        if len(piece.parts) == 1 and isinstance(piece.parts[0], Path):
            scope.aliases[label] = piece.parts[0]
    elif is_alias(reader):
        label = reader.expect_name()
        scope.outputs.add(label)
    return [*piece.parts, f" AS {quote(label)}"]


def _read_star(reader: Reader) -> tuple[str, ...]:
    """alias.* or schema.table.*: the names before the star; nothing is read if it is something else."""
    ahead = 1
    while reader.peek(ahead).text == "." and reader.peek(ahead + 1).kind in (Kind.WORD, Kind.QUOTED):
        ahead += 2
    if not (reader.is_name() and reader.peek(ahead).text == "." and reader.peek(ahead + 1).text == "*"):
        return ()
    names = [reader.expect_name()]
    while reader.accept_operator(".") and not reader.accept_operator("*"):
        names.append(reader.expect_label())
    return tuple(names)


def _read_clauses(reader: Reader, scope: Scope) -> Parts:
    """FROM, WHERE, GROUP BY, HAVING."""
    parts: Parts = []
    if reader.accept("from"):
        parts.extend([" FROM ", *read_from_list(reader, scope)])
    if reader.accept("where"):
        scope.filtering = True
        parts.extend([" WHERE ", *expressions.read_condition(reader).parts])
        scope.filtering = False
    if reader.is_word("connect") or reader.are_words("start", "with"):
        raise not_yet("CONNECT BY")
    if reader.accept("group", "by"):
        if reader.is_word("all", "rollup", "cube", "grouping"):
            raise not_yet(f"GROUP BY {reader.token.text.upper()}")
        scope.sorting = True
        keys = reader.separated(lambda: expressions.read_expression(reader).parts)
        scope.sorting = False
        parts.extend([" GROUP BY ", *joined(keys)])
    if reader.accept("having"):
        parts.extend([" HAVING ", *expressions.read_condition(reader).parts])
    if reader.is_word("qualify"):
        raise not_yet("QUALIFY")
    return parts
