"""The kinds of values that keys take, and the options that name them on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from re_dms.config import checks


@dataclass(frozen=True, slots=True)
class Option:
    """How the command line names a key; keys without one live in the file and the environment only."""

    flag: str
    metavar: str | None = None


def _no_bool(value: object) -> object:
    # To Python true is the number 1; to the person who wrote it, it is a slip.
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def split_by(splitter: Callable[[str], tuple[str, ...]]) -> BeforeValidator:
    """A list of texts, of which each may be several in one."""

    # The environment has no lists: commas part the items. The same is taken from file and command line.
    def split(value: object) -> object:
        if isinstance(value, str):
            value = (value,)
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return tuple(word for item in value for word in splitter(item))
        return value

    return BeforeValidator(split)


def _not_set(value: object) -> object:
    return None if value == "" else value


def _each_pattern(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(checks.pattern(value) for value in values)


def secret_dsn(value: SecretStr) -> SecretStr:
    """A connection string that libpq can read."""
    checks.dsn(value.get_secret_value())
    return value


Whole = Annotated[int, BeforeValidator(_no_bool)]
Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
Identifier = Annotated[str, AfterValidator(checks.identifier)]
Patterns = Annotated[tuple[str, ...], split_by(checks.split_patterns), AfterValidator(_each_pattern)]
Region = Annotated[str, AfterValidator(checks.region)]
Unset = BeforeValidator(_not_set)


class Section(BaseModel):
    """One section of the file. Its docstring is its text in template and docs."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
