"""The grammar of FROM: tables, subqueries and joins.

Source: AWS Database Developer Guide, "FROM clause", "Unsupported PostgreSQL features".
"""

from __future__ import annotations

from typing import Final

from redshift_standin.errors import RedshiftError, not_yet, refused
from redshift_standin.names import quote
from redshift_standin.sql import expressions, queries
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.relations import read_relation
from redshift_standin.sql.scope import Parts, Scope, Source, joined

# Not reserved, but what they begin is no alias.
_NOT_ALIASES_NAMES = """
set qualify values connect start window fetch tablesample returning conflict ignore rows range within
"""
NOT_ALIASES: Final = frozenset(_NOT_ALIASES_NAMES.split())
_JOINS: Final = ("join", "inner", "left", "right", "full", "cross", "natural")


def read_from_list(reader: Reader, scope: Scope, *, outer_joins: bool = True) -> Parts:
    """item, item, …; their names are added to the scope. `outer_joins` False: UPDATE's FROM (0A000)."""
    items = reader.separated(lambda: _read_joined(reader, scope, outer_joins=outer_joins))
    if reader.is_word("window", "fetch", "tablesample"):
        raise refused(f"{reader.token.text.upper()} is not supported")
    if reader.is_word("connect") or reader.are_words("start", "with"):
        raise not_yet("CONNECT BY")
    return joined(items)


def is_alias(reader: Reader) -> bool:
    """A name without AS stands here."""
    return reader.is_name() and not (reader.token.kind is Kind.WORD and reader.token.value in NOT_ALIASES)


def _read_joined(reader: Reader, scope: Scope, *, outer_joins: bool) -> Parts:
    parts = _read_item(reader, scope, outer_joins=outer_joins)
    while reader.is_word(*_JOINS):
        natural = reader.accept("natural")
        kind = "CROSS" if not natural and reader.accept("cross") else _read_join_kind(reader)
        if kind in ("LEFT", "RIGHT", "FULL") and not outer_joins:
            raise refused("Target table must be part of an equijoin predicate")
        reader.expect("join")
        right = _read_item(reader, scope, outer_joins=outer_joins)
        parts = [*parts, f" {'NATURAL ' if natural else ''}{kind} JOIN ", *right]
        if kind == "CROSS" or natural:
            continue
        if reader.accept("on"):
            parts.extend([" ON ", *expressions.read_condition(reader).parts])
        elif reader.accept("using"):
            parts.append(f" USING ({', '.join(quote(name) for name in reader.expect_columns())})")
        else:
            reader.fail()
    return parts


def _read_join_kind(reader: Reader) -> str:
    if kind := reader.accept_any("left", "right", "full"):
        reader.accept("outer")
        return kind.upper()
    reader.accept("inner")
    return "INNER"


def _read_item(reader: Reader, scope: Scope, *, outer_joins: bool) -> Parts:
    if reader.is_operator("("):
        if _is_subquery(reader):
            return _read_subquery(reader, scope)
        reader.nesting += 1
        if reader.nesting > expressions.NESTING_MAX:
            raise RedshiftError("54001", "stack depth limit exceeded")
        reader.advance()
        parts = _read_joined(reader, scope, outer_joins=outer_joins)
        reader.expect_operator(")")
        reader.nesting -= 1
        return ["(", *parts, ")"]
    if reader.are_words("pg_get_late_binding_view_cols"):
        return _read_late_columns(reader, scope)
    text, source = read_relation(reader, scope)
    if reader.is_operator("("):
        raise refused("table functions are not supported")
    alias, columns = _read_alias(reader)
    if alias:
        scope.sources.append(Source(alias))
        return [f"{text} AS {quote(alias)}{columns}"]
    scope.sources.append(source)
    return [text]


def _read_late_columns(reader: Reader, scope: Scope) -> Parts:
    """pg_get_late_binding_view_cols() [AS] alias (name type, …): the one table function that drivers use."""
    reader.advance()
    reader.expect_operator("(")
    reader.expect_operator(")")
    scope.gathered.leader = True
    reader.accept("as")
    alias = reader.expect_name()
    columns = reader.parenthesised(lambda: _read_late_column(reader))
    scope.sources.append(Source(alias))
    return [f"redshift_standin.pg_get_late_binding_view_cols() AS {quote(alias)} ({', '.join(columns)})"]


def _read_late_column(reader: Reader) -> str:
    name = reader.expect_name()
    kind = reader.accept_any("name", "varchar", "int", "integer")
    if not kind:
        reader.fail()
    return f"{quote(name)} {kind}"


def _is_subquery(reader: Reader) -> bool:
    ahead = 1
    while reader.peek(ahead).text == "(":
        ahead += 1
    return reader.peek(ahead).kind is Kind.WORD and reader.peek(ahead).value in ("select", "with")


def _read_subquery(reader: Reader, scope: Scope) -> Parts:
    reader.expect_operator("(")
    # It sees what is around the SELECT, not the FROM items beside it.
    parts = queries.read_nested(reader, scope.parent or Scope(scope.gathered))
    reader.expect_operator(")")
    alias, columns = _read_alias(reader)
    if not alias:
        # AWS's own driver asks for its tables by a subquery without a name; nothing can refer to the one that it gets here.
        alias = f"?subquery {reader.at}?"
    scope.sources.append(Source(alias))
    return ["(", *parts, f") AS {quote(alias)}{columns}"]


def _read_alias(reader: Reader) -> tuple[str, str]:
    """[AS] alias [(columns)]: the alias, "" for none, and the column list for the backend."""
    if reader.is_word("pivot", "unpivot"):
        raise not_yet("PIVOT and UNPIVOT")
    if not (reader.accept("as") or is_alias(reader)):
        return "", ""
    alias = reader.expect_name()
    if not reader.is_operator("("):
        return alias, ""
    return alias, f" ({', '.join(quote(name) for name in reader.expect_columns())})"
