"""Function calls: arguments, DISTINCT, WITHIN GROUP, OVER.

Source: AWS Database Developer Guide, "Window functions", "Aggregate functions", "LISTAGG function", "MEDIAN function".
"""

from __future__ import annotations

from redshift_standin.errors import RedshiftError, not_yet, refused
from redshift_standin.names import literal
from redshift_standin.sql import expressions
from redshift_standin.sql.functions import Form, Function, lookup
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.scope import Parts, Piece, joined


def read_call(reader: Reader) -> Piece:
    """name( … ) with what may follow it. Raises RedshiftError: 42883 for a function that does not exist."""
    token = reader.advance()
    if token.kind is not Kind.WORD:
        raise RedshiftError("42883", f"function {token.value}() does not exist", position=token.start + 1)
    match token.value:
        case "listagg":
            return _read_listagg(reader)
        case "median" | "percentile_cont":
            return _read_percentile(reader, token.value)
    function = lookup(token.value, token.start + 1)
    if function.form is Form.LEADER:
        expressions.scope_of(reader).gathered.leader = True
    parts: Parts = [f"{function.backend}(", *_read_arguments(reader, function), ")"]
    _refuse_modifiers(reader)
    if reader.is_word("over") and function.form in (Form.AGGREGATE, Form.WINDOW):
        parts.extend(_read_over(reader, function))
    elif function.form is Form.WINDOW:
        raise RedshiftError("42809", f"window function {function.name} requires an OVER clause")
    return Piece(parts, label=function.name)


def _read_arguments(reader: Reader, function: Function) -> Parts:
    reader.expect_operator("(")
    if reader.accept_operator(")"):
        _check_count(function, 0)
        return []
    if function.name == "count" and reader.accept_operator("*"):
        reader.expect_operator(")")
        return ["*"]
    prefix = ""
    if function.form is Form.AGGREGATE:
        prefix = {"distinct": "DISTINCT ", "all": ""}.get(reader.accept_any("distinct", "all"), "")
    arguments = reader.separated(lambda: expressions.read_expression(reader))
    if reader.is_word("ignore", "respect"):
        raise not_yet("IGNORE NULLS and RESPECT NULLS")
    reader.expect_operator(")")
    _check_count(function, len(arguments))
    return [prefix, *joined([argument.parts for argument in arguments])]


def _check_count(function: Function, count: int) -> None:
    if not function.least <= count <= function.most:
        raise RedshiftError(
            "42883", f"function {function.name}() does not exist", hint="a wrong number of arguments was given"
        )


def _refuse_modifiers(reader: Reader) -> None:
    if reader.is_word("filter") and reader.peek().text == "(":
        raise refused("FILTER is not supported")
    if reader.is_word("ignore", "respect") and reader.peek().text.lower() == "nulls":
        raise not_yet("IGNORE NULLS and RESPECT NULLS")


def _read_within_group(reader: Reader) -> Parts:
    """WITHIN GROUP (ORDER BY …): the ORDER BY."""
    reader.expect("within", "group")
    reader.expect_operator("(")
    parts = read_order_by(reader)
    reader.expect_operator(")")
    return parts


def _read_listagg(reader: Reader) -> Piece:
    """LISTAGG([DISTINCT] x [, delimiter]) [WITHIN GROUP (ORDER BY …)]."""
    reader.expect_operator("(")
    prefix = "DISTINCT " if reader.accept_any("distinct", "all") == "distinct" else ""
    value = expressions.read_expression(reader)
    delimiter: Parts = [literal("")]
    if reader.accept_operator(","):
        delimiter = expressions.read_expression(reader).parts
    reader.expect_operator(")")
    parts: Parts = [f"pg_catalog.string_agg({prefix}(", *value.parts, ")::text, (", *delimiter, ")::text"]
    if reader.is_word("within"):
        parts.extend([" ", *_read_within_group(reader)])
    if reader.is_word("over"):
        raise not_yet("LISTAGG as a window function")
    return Piece([*parts, ")"], label="listagg")


def _read_percentile(reader: Reader, name: str) -> Piece:
    """MEDIAN(x) and PERCENTILE_CONT(f) WITHIN GROUP (ORDER BY x)."""
    reader.expect_operator("(")
    argument = expressions.read_expression(reader)
    reader.expect_operator(")")
    if name == "median":
        parts: Parts = ["pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY ", *argument.parts, ")"]
    else:
        order = _read_within_group(reader)
        parts = ["pg_catalog.percentile_cont(", *argument.parts, ") WITHIN GROUP (", *order, ")"]
    if reader.is_word("over"):
        raise not_yet(f"{name.upper()} as a window function")
    return Piece(parts, label=name)


def _read_over(reader: Reader, function: Function) -> Parts:
    """OVER ([PARTITION BY …] [ORDER BY … [ROWS …]])."""
    reader.expect("over")
    reader.expect_operator("(")
    parts: Parts = [" OVER ("]
    if reader.accept("partition", "by"):
        items = reader.separated(lambda: expressions.read_expression(reader).parts)
        parts.extend(["PARTITION BY ", *joined(items), " "])
    ordered = reader.is_word("order")
    if ordered:
        parts.extend(read_order_by(reader))
    if reader.is_word("range", "groups"):
        raise refused("only ROWS frames are supported")
    if reader.is_word("rows"):
        parts.append(f" {_read_frame(reader)}")
    elif ordered and function.form is Form.AGGREGATE:
        raise refused("Aggregate window functions with an ORDER BY clause require a frame clause")
    reader.expect_operator(")")
    return [*parts, ")"]


def _read_frame(reader: Reader) -> str:
    reader.expect("rows")
    if not reader.accept("between"):
        return f"ROWS {_read_bound(reader)}"
    first = _read_bound(reader)
    reader.expect("and")
    return f"ROWS BETWEEN {first} AND {_read_bound(reader)}"


def _read_bound(reader: Reader) -> str:
    if reader.accept("current", "row"):
        return "CURRENT ROW"
    rows = "UNBOUNDED" if reader.accept("unbounded") else str(reader.expect_integer())
    direction = reader.accept_any("preceding", "following")
    if not direction:
        reader.fail()
    return f"{rows} {direction.upper()}"


def read_order_by(reader: Reader) -> Parts:
    """ORDER BY x [ASC | DESC] [NULLS FIRST | LAST], …"""
    reader.expect("order", "by")
    return ["ORDER BY ", *joined(reader.separated(lambda: _read_sort_key(reader)))]


def _read_sort_key(reader: Reader) -> Parts:
    parts = list(expressions.read_expression(reader).parts)
    if direction := reader.accept_any("asc", "desc"):
        parts.append(f" {direction.upper()}")
    if reader.accept("nulls"):
        where = reader.accept_any("first", "last")
        if not where:
            reader.fail()
        parts.append(f" NULLS {where.upper()}")
    return parts
