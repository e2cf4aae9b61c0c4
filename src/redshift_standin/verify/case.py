"""One case of a rule: what is there, what is run, and what Redshift answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Rows:
    """The statement succeeds; `query` (or the statement itself, when empty) then gives these rows, as text, in any order.

    None is NULL; everything else is compared by str().
    """

    rows: Sequence[Sequence[Any]]
    query: str = ""


@dataclass(frozen=True, slots=True)
class Succeeds:
    """The statement succeeds, whatever it gives."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An error of this SQLSTATE (empty: of any, where it is not established) whose message holds the text, in any case."""

    sqlstate: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class LoadError:
    """COPY fails as a whole; STL_LOAD_ERRORS then has a row of this code, whose reason holds the text.

    `after`: what a query gives once the failure has been rolled back.
    """

    code: int
    text: str = ""
    column: str = ""
    line: int = 0
    after: Rows | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not established: the stand-in refuses it and names the unknown; a real cluster is asked what it does."""

    text: str = ""


Expected = Rows | Succeeds | Refused | LoadError | Unknown
AUTOCOMMIT: Final = False
BLOCK: Final = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`rule`: its number in the rulebook. `name`: what is promised, as part of a sentence; unique within its rule.

    Statements may hold {s3} (the URL of the case's own prefix, without a slash at its end), {auth} (an authorisation that
    is accepted) and {schema} (a schema of the run's own, which is first in the search path). `files`: keys below the prefix
    and their bytes. `setup` runs with autocommit; `run` in one transaction block when `block`, else with autocommit; all of `run`
    but the last statement has to succeed. `page`: the documentation's page.
    `after_error`: the statement before the last has to be refused. `standin_only`: it needs the stand-in's own settings or
    would harm a real cluster.
    """

    rule: int
    name: str
    run: str | Sequence[str]
    expect: Expected
    setup: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    block: bool = AUTOCOMMIT
    after_error: bool = False
    page: str = ""
    standin_only: bool = False

    @property
    def statements(self) -> list[str]:
        return [self.run] if isinstance(self.run, str) else list(self.run)

    @property
    def id(self) -> str:
        """For test ids and reports."""
        return f"rule {self.rule:02}: {self.name}"
