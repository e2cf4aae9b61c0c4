"""Comparisons, LIKE, BETWEEN, IN and IS.

Source: AWS Database Developer Guide, "Conditions". Two of them in a row without parentheses (`a = b IS NULL`) mean one thing in
Postgres 8.0 and another since 9.5; they are an unknown.
"""

from __future__ import annotations

from typing import Final

from redshift_standin.errors import not_yet, refused, unknown
from redshift_standin.sql import expressions
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.scope import Parts, Piece, joined

_COMPARISONS: Final = ("=", "<>", "!=", "<", ">", "<=", ">=")
_MATCHES: Final = ("~", "~*", "!~", "!~*", "~~", "!~~", "~~*", "!~~*")
_IS_TESTS: Final = ("null", "true", "false", "unknown")
_TAILS: Final = ("is", "isnull", "notnull", "between", "in", "like", "ilike")


def read_predicate(reader: Reader) -> Piece:
    """An operand, or a condition over operands."""
    left = expressions.read_operand(reader)
    piece = _read_tail(reader, left)
    if piece is left:
        if left.row > 1:
            raise refused("row values are only supported with IN and =")
        return left
    if _has_tail(reader):
        raise unknown("two conditions in a row without parentheses")
    return piece


def _has_tail(reader: Reader) -> bool:
    return (
        reader.is_operator(*_COMPARISONS, *_MATCHES)
        or reader.is_word(*_TAILS)
        or reader.are_words("similar", "to")
        or any(reader.are_words("not", word) for word in ("between", "in", "like", "ilike", "similar"))
    )


def _read_tail(reader: Reader, left: Piece) -> Piece:
    if reader.is_word("collate"):
        raise not_yet("COLLATE")
    if reader.is_word("overlaps"):
        raise not_yet("OVERLAPS")
    if not _has_tail(reader):
        return left
    if left.row > 1 and not (reader.is_word("in") or reader.are_words("not", "in") or reader.is_operator("=")):
        raise refused("row values are only supported with IN and =")
    if operator := reader.accept_operator(*_COMPARISONS, *_MATCHES):
        return _read_comparison(reader, left, operator)
    if reader.accept("isnull"):
        return Piece(["(", *left.parts, " IS NULL)"])
    if reader.accept("notnull"):
        return Piece(["(", *left.parts, " IS NOT NULL)"])
    if reader.accept("is"):
        return _read_is(reader, left)
    negation = "NOT " if reader.accept("not") else ""
    if reader.accept("between"):
        return _read_between(reader, left, negation)
    if reader.accept("in"):
        return _read_in(reader, left, negation)
    return _read_like(reader, left, negation)


def _read_comparison(reader: Reader, left: Piece, operator: str) -> Piece:
    if quantifier := reader.accept_any("any", "some", "all"):
        if reader.peek().text.lower() in ("select", "with"):
            right = expressions.read_subquery(reader)
        else:  # an array of a catalog: attnum = any(conkey)
            expressions.scope_of(reader).gathered.leader = True
            reader.expect_operator("(")
            inner = expressions.read_operand(reader)
            reader.expect_operator(")")
            right = Piece(["(", *inner.parts, ")"])
        return Piece(["(", *left.parts, f" {operator} {quantifier.upper()} ", *right.parts, ")"])
    right = expressions.read_operand(reader) if left.row == 1 else _read_member(reader, left.row)
    if right.row > 1:
        raise refused("row values are only supported with IN and =")
    return Piece(["(", *left.parts, f" {operator} ", *right.parts, ")"], equality=operator == "=")


def _read_is(reader: Reader, left: Piece) -> Piece:
    negation = "NOT " if reader.accept("not") else ""
    if reader.is_word("distinct"):
        raise refused("IS DISTINCT FROM is not supported")
    test = reader.accept_any(*_IS_TESTS)
    if not test:
        reader.fail()
    return Piece(["(", *left.parts, f" IS {negation}{test.upper()})"])


def _read_between(reader: Reader, left: Piece, negation: str) -> Piece:
    low = expressions.read_operand(reader)
    reader.expect("and")
    high = expressions.read_operand(reader)
    return Piece(["(", *left.parts, f" {negation}BETWEEN ", *low.parts, " AND ", *high.parts, ")"])


def _read_in(reader: Reader, left: Piece, negation: str) -> Piece:
    if reader.peek().text.lower() in ("select", "with"):
        right: Parts = expressions.read_subquery(reader).parts
    else:
        values = reader.parenthesised(lambda: _read_member(reader, left.row))
        right = ["(", *joined([value.parts for value in values]), ")"]
    return Piece(["(", *left.parts, f" {negation}IN ", *right, ")"])


def _read_member(reader: Reader, values: int) -> Piece:
    """A value of IN's list; with (a, b) on the left a row of as many."""
    if values == 1:
        return expressions.read_expression(reader)
    row = reader.parenthesised(lambda: expressions.read_expression(reader))
    if len(row) != values:
        reader.fail()
    return Piece(["(", *joined([value.parts for value in row]), ")"])


def _read_like(reader: Reader, left: Piece, negation: str) -> Piece:
    if reader.accept("similar"):
        reader.expect("to")
        operator = "SIMILAR TO"
    else:
        operator = reader.accept_any("like", "ilike").upper()
        if not operator:
            reader.fail()
    pattern = expressions.read_operand(reader)
    parts: Parts = ["(", *left.parts, f" {negation}{operator} ", *pattern.parts]
    if reader.accept("escape"):
        parts.extend([" ESCAPE ", *expressions.read_operand(reader).parts])
    return Piece([*parts, ")"])
