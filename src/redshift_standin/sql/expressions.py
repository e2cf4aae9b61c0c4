"""The grammar of expressions: what stands between the clauses of a statement.

Everything read here comes out as backend text of our own. Binary operators are kept in one flat list inside parentheses:
Postgres gives the arithmetic ones, AND, OR and NOT the order that Redshift gives them; comparisons get parentheses.
"""

from __future__ import annotations

from typing import Final

from redshift_standin.errors import RedshiftError, refused, syntax_error, unknown
from redshift_standin.sql import calls, literals, predicates, queries, special_forms
from redshift_standin.sql.functions import lookup
from redshift_standin.sql.lexer import RESERVED, Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.scope import Gathered, Parts, Path, Piece, Scope, joined, render
from redshift_standin.sql.typenames import read_type

NESTING_MAX: Final = 100
_BINARY: Final = ("||", "+", "-", "*", "/", "%", "^", "&", "|", "#", "<<", ">>")
_UNARY: Final = ("+", "-", "~", "@", "|/", "||/")
# Types of Postgres's that catalog queries cast to.
_CATALOG_TYPES: Final = ("oid", "regclass", "regtype", "regproc", "name")
_PLAIN_WORDS: Final = {
    "current_date": "current_date",
    "current_user": "current_user",
    "session_user": "session_user",
    "user": "session_user",
    "sysdate": "redshift_standin.sysdate()",
    "current_user_id": "redshift_standin.current_user_id()",
}
_RESERVED_FUNCTIONS: Final = ("array", "current_user_id", "left", "right")
# Only the leader node knows them.
_LEADER_WORDS: Final = {
    "current_timestamp": "current_timestamp",
    "current_time": "current_time",
    "localtime": "localtime",
    "localtimestamp": "localtimestamp",
}


def read_expression(reader: Reader) -> Piece:
    """Anything that gives one value. Raises RedshiftError 42601, 54001 beyond NESTING_MAX."""
    if reader.token.kind in _LITERALS and reader.peek().text in (",", ")"):
        return _LITERALS[reader.token.kind](reader)  # Most of a long VALUES list; the way below would find the same.
    reader.nesting += 1
    if reader.nesting > NESTING_MAX:
        raise RedshiftError("54001", "stack depth limit exceeded")
    piece = _read_logical(reader)
    reader.nesting -= 1
    return piece


def read_condition(reader: Reader) -> Piece:
    """What WHERE, HAVING and ON take. A bare integer is a truth value here, as catalog queries write it: WHERE 1."""
    piece = read_expression(reader)
    return Piece(["(", *piece.parts, " <> 0)"]) if piece.integer else piece


def read_constant(reader: Reader) -> str:
    """An expression without columns, parameters and subqueries, as DEFAULT takes it; as backend SQL.

    Predicates need parentheses, because NOT NULL may follow. The caller has no scope of its own.
    """
    around, parameters = reader.scope, reader.parameters
    reader.scope = Scope(Gathered(), names_allowed=False)
    piece = read_operand(reader)
    if reader.scope.gathered.leader:
        raise unknown("a leader-node function as a default")
    reader.scope = around
    if reader.parameters != parameters:
        raise RedshiftError("42P02", "a default cannot have a parameter")
    return render(piece.parts)


def scope_of(reader: Reader) -> Scope:
    """The scope at this place; every statement sets one before it reads an expression."""
    if reader.scope is None:
        reader.scope = Scope(Gathered())
    return reader.scope


def _read_logical(reader: Reader) -> Piece:
    parts: Parts = []
    terms: list[Piece] = []
    words: set[str] = set()
    is_joined = False
    while True:
        is_negated = False
        while reader.accept("not"):
            parts.append("NOT ")
            words.add("not")
            is_negated = True
        term = predicates.read_predicate(reader)
        terms.append(term)
        is_joined = is_joined or (term.equality and not is_negated)
        word = reader.accept_any("and", "or")
        # Redshift takes an integer for a boolean here: `where 1 and …`.
        parts.extend(["(", *term.parts, " <> 0)"] if term.integer and (word or words) else term.parts)
        if not word:
            break
        words.add(word)
        parts.append(f" {word.upper()} ")
    if not words:
        return terms[0]
    if any(term.row > 1 for term in terms):
        raise refused("row values are only supported with IN and =")
    return Piece(["(", *parts, ")"], equality=is_joined and "or" not in words)


def read_operand(reader: Reader) -> Piece:
    """Arithmetic, ||, AT TIME ZONE, ::, without comparisons and AND/OR."""
    first = _read_signed(reader)
    if not (reader.is_operator(*_BINARY) or reader.are_words("at", "time", "zone")):
        return first
    parts: Parts = ["(", *first.parts]
    while True:
        if reader.accept("at", "time", "zone"):
            parts.append(" AT TIME ZONE ")
        elif operator := reader.accept_operator(*_BINARY):
            parts.append(f" {operator} ")
        else:
            break
        parts.extend(_read_signed(reader).parts)
    parts.append(")")
    return Piece(parts)


def _read_signed(reader: Reader) -> Piece:
    signs = []
    while operator := reader.accept_operator(*_UNARY):
        signs.append(f"{operator} ")
    piece = _read_cast(reader)
    return Piece(["(", *signs, *piece.parts, ")"]) if signs else piece


def _read_cast(reader: Reader) -> Piece:
    piece = _read_primary(reader)
    while True:
        if reader.accept_operator("::"):
            piece = cast_to(reader, piece)
        elif reader.is_operator("["):
            piece = _read_array_element(reader, piece)
        else:
            return piece


def cast_to(reader: Reader, piece: Piece) -> Piece:
    """The type after :: or AS."""
    if reader.is_word(*_CATALOG_TYPES) and scope_of(reader).names_allowed:
        scope_of(reader).gathered.leader = True
        name = reader.advance().value
        return Piece(
            ["(", *piece.parts, f"::pg_catalog.{name})"], label=piece.strong_label or name, weak=not piece.strong_label
        )
    return literals.cast(piece, read_type(reader))


def _read_array_element(reader: Reader, piece: Piece) -> Piece:
    """(current_schemas(true))[1]: arrays exist in the catalogs of the leader node only."""
    scope_of(reader).gathered.leader = True
    reader.expect_operator("[")
    position = reader.expect_integer()
    reader.expect_operator("]")
    return Piece(["(", *piece.parts, f")[{position}]"], label=piece.label)


def _read_primary(reader: Reader) -> Piece:
    if reader.is_operator("("):
        return _read_parenthesised(reader)
    if reader.token.kind not in _PRIMARIES:
        reader.fail()
    return _PRIMARIES[reader.token.kind](reader)


def _read_word(reader: Reader) -> Piece:
    word = reader.token.value
    called = reader.peek().kind is Kind.OPERATOR and reader.peek().value == "("
    if literals.is_typed(reader):
        return literals.read_typed(reader)
    if word == "interval" and reader.peek().kind is Kind.STRING:
        return literals.read_interval(reader)
    if word in ("true", "false"):
        return Piece([reader.advance().value], label="bool", weak=True)
    if word == "null":
        reader.advance()
        return Piece(["NULL"])
    if word == "case":
        return special_forms.read_case(reader)
    if called and word in special_forms.FORMS:
        return special_forms.FORMS[word](reader)
    if called and (word not in RESERVED or word in _RESERVED_FUNCTIONS):
        return calls.read_call(reader)
    if not called and word in _PLAIN_WORDS | _LEADER_WORDS:
        return _read_plain(reader)
    if word == "array" and reader.peek().text == "[":
        return _read_array(reader)
    if word == "approximate":
        lookup("approximate", reader.token.start + 1)
    # Reserved by its page, and yet every catalog query selects it.
    if word in RESERVED and word != "oid":
        reader.fail()
    return _read_name(reader)


def _read_array(reader: Reader) -> Piece:
    """ARRAY[…] over catalogs."""
    scope_of(reader).gathered.leader = True
    reader.advance()
    reader.expect_operator("[")
    values = reader.separated(lambda: read_expression(reader).parts)
    reader.expect_operator("]")
    return Piece(["(ARRAY[", *joined(values), "])"], label="array")


def _read_plain(reader: Reader) -> Piece:
    word = reader.advance().value
    if word in _LEADER_WORDS:
        scope_of(reader).gathered.leader = True
    return Piece([(_PLAIN_WORDS | _LEADER_WORDS)[word]], label=word)


def _read_parenthesised(reader: Reader) -> Piece:
    if reader.peek().kind is Kind.WORD and reader.peek().value in ("select", "with"):
        return read_subquery(reader)
    reader.expect_operator("(")
    first = read_expression(reader)
    pieces = [first]
    while reader.accept_operator(","):
        pieces.append(read_expression(reader))
    reader.expect_operator(")")
    if len(pieces) > 1:
        if not (reader.is_word("in") or reader.are_words("not", "in") or reader.is_operator("=")):
            raise refused("row values are only supported with IN and =")
        return Piece(["(", *joined([piece.parts for piece in pieces]), ")"], row=len(pieces))
    return Piece(["(", *first.parts, ")"], label=first.label, weak=first.weak, equality=first.equality)


def read_subquery(reader: Reader) -> Piece:
    """( query ), as a value, after IN, or after EXISTS."""
    scope = scope_of(reader)
    if not scope.names_allowed:
        raise refused("cannot use subquery in default expression")
    reader.expect_operator("(")
    parts = queries.read_nested(reader, scope)
    reader.expect_operator(")")
    return Piece(["(", *parts, ")"])


def _read_name(reader: Reader) -> Piece:
    """A column, or a dotted name with SUPER navigation, or a function with its schema."""
    first = reader.expect_label()
    if first == "pg_catalog" and reader.peek(2).kind is Kind.OPERATOR and reader.peek(2).value == "(":
        reader.expect_operator(".")
        if reader.token.kind is Kind.WORD and reader.token.value in special_forms.FORMS:
            return special_forms.FORMS[reader.token.value](reader)
        return calls.read_call(reader)
    steps: list[str | int] = [first]
    while True:
        if reader.accept_operator("."):
            steps.append(reader.expect_label())
        elif reader.accept_operator("["):
            steps.append(reader.expect_integer())
            reader.expect_operator("]")
        else:
            break
    scope = scope_of(reader)
    if not scope.names_allowed:
        raise refused("cannot use column references in default expression")
    if reader.is_operator("("):
        raise syntax_error("(", reader.token.start + 1)
    labels = [step for step in steps if isinstance(step, str)]
    return Piece([Path(scope, tuple(steps), scope.sorting, scope.filtering)], label=labels[-1])


_LITERALS: Final = {
    Kind.STRING: literals.read_string,
    Kind.NUMBER: literals.read_number,
    Kind.PARAMETER: literals.read_parameter,
}
_PRIMARIES: Final = {
    **_LITERALS,
    Kind.QUOTED: _read_name,
    Kind.WORD: _read_word,
}
