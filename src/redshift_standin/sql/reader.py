"""A cursor over tokens, with what every part of the grammar needs: words, names, literals, lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

from redshift_standin.errors import RedshiftError, syntax_error
from redshift_standin.names import TableName, fold
from redshift_standin.sql.lexer import RESERVED, Kind, Token, tokens

if TYPE_CHECKING:
    from redshift_standin.sql.scope import Scope

T = TypeVar("T")
INTEGER_DIGITS_MAX = 19  # of bigint
SYSTEM_COLUMNS = frozenset(("oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))


class Reader:
    """Reads one statement's tokens from left to right; every `expect_` raises 42601 at the token that it met."""

    def __init__(self, text: str, *, case_sensitive: bool = False) -> None:
        self.text = text
        self.case_sensitive = case_sensitive
        self.tokens = tokens(text)
        self.at = 0
        self.scope: Scope | None = None  # whose names an expression at this place may use
        self.parameters = 0  # the highest $n of this statement so far
        self.nesting = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def peek(self, ahead: int = 1) -> Token:
        """The token after this one; the END token has no successor."""
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def advance(self) -> Token:
        token = self.token
        if token.kind is not Kind.END:
            self.at += 1
        return token

    def fail(self) -> NoReturn:
        """A syntax error at this token."""
        raise syntax_error(self.token.text, self.token.start + 1)

    # ---------------------------------------------------------------- words and operators

    def is_word(self, *words: str) -> bool:
        return self.token.kind is Kind.WORD and self.token.value in words

    def are_words(self, *words: str) -> bool:
        """These words follow one another here."""
        if self.token.value != words[0]:  # nearly always; asked at every token
            return False
        return all(self.peek(i).kind is Kind.WORD and self.peek(i).value == word for i, word in enumerate(words))

    def accept(self, *words: str) -> bool:
        """Read these words, one after the other, if all are there."""
        if not self.are_words(*words):
            return False
        self.at += len(words)
        return True

    def accept_any(self, *words: str) -> str:
        """Read one of these words if it is there; "" otherwise."""
        return self.advance().value if self.is_word(*words) else ""

    def expect(self, *words: str) -> None:
        """Read these words, one after the other."""
        for word in words:
            if not self.accept(word):
                self.fail()

    def is_operator(self, *operators: str) -> bool:
        return self.token.kind is Kind.OPERATOR and self.token.value in operators

    def accept_operator(self, *operators: str) -> str:
        return self.advance().value if self.is_operator(*operators) else ""

    def expect_operator(self, operator: str) -> None:
        if not self.accept_operator(operator):
            self.fail()

    def expect_end(self) -> None:
        """The statement's end, after any number of semicolons."""
        while self.accept_operator(";"):
            pass
        if self.token.kind is not Kind.END:
            self.fail()

    # ---------------------------------------------------------------- names

    def is_name(self) -> bool:
        return self.token.kind is Kind.QUOTED or (self.token.kind is Kind.WORD and self.token.value not in RESERVED)

    def expect_name(self) -> str:
        """A folded and cut identifier; reserved words only in quotes."""
        if not self.is_name():
            self.fail()
        return self._folded(self.advance())

    def expect_label(self) -> str:
        """A name after AS, where reserved words are allowed as well."""
        if self.token.kind not in (Kind.QUOTED, Kind.WORD):
            self.fail()
        return self._folded(self.advance())

    def expect_new_column(self) -> str:
        """The name of a column that is being made; the names of Postgres's system columns are refused."""
        at = self.token.start + 1
        name = self.expect_name()
        if name in SYSTEM_COLUMNS:
            raise RedshiftError("42701", f'column name "{name}" conflicts with a system column name', position=at)
        return name

    def expect_table(self) -> TableName:
        """[schema.]name; database.schema.name is not for the stand-in."""
        first = self.expect_name()
        if not self.accept_operator("."):
            return TableName(None, first)
        return TableName(first, self.expect_label())

    def _folded(self, token: Token) -> str:
        return fold(token.value, case_sensitive=self.case_sensitive and token.kind is Kind.QUOTED)

    # ---------------------------------------------------------------- literals and lists

    def expect_string(self) -> str:
        if self.token.kind is not Kind.STRING:
            self.fail()
        return self.advance().value

    def expect_integer(self) -> int:
        if self.token.kind is not Kind.NUMBER or not self.token.value.isdigit():
            self.fail()
        if len(self.token.value) > INTEGER_DIGITS_MAX:
            raise RedshiftError("22003", "integer out of range", position=self.token.start + 1)
        return int(self.advance().value)

    def parenthesised(self, each: Callable[[], T]) -> list[T]:
        """( each, each, … ), at least one."""
        self.expect_operator("(")
        found = self.separated(each)
        self.expect_operator(")")
        return found

    def separated(self, each: Callable[[], T]) -> list[T]:
        """each, each, …, at least one."""
        found = [each()]
        while self.accept_operator(","):
            found.append(each())
        return found

    def expect_columns(self) -> tuple[str, ...]:
        """( name, name, … ) without repetition (42701)."""
        names = self.parenthesised(self.expect_name)
        for name in names:
            if names.count(name) > 1:
                raise RedshiftError("42701", f'column "{name}" specified more than once')
        return tuple(names)
