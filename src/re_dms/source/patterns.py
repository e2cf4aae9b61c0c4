"""Patterns that choose tables: `schema.table`, `table` (in schema public), `*` for any characters, "quoted" as in SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from re_dms.errors import ConfigurationError

_PART: Final = r'(?:"(?:[^"]|"")+"|[^".\s]+)'
_PATTERN: Final = re.compile(rf"(?:(?P<schema>{_PART})\.)?(?P<name>{_PART})")


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePattern:
    """A parsed pattern. Names match as they are written: there is no folding to lower case.

    `explicit`: it has no `*`, so it names one table, and it is a mistake when there is none.
    """

    text: str
    explicit: bool
    schema: re.Pattern[str]
    name: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> TablePattern:
        """Raises ConfigurationError for text that is no pattern."""
        found = _PATTERN.fullmatch(text.strip())
        if found is None:
            raise ConfigurationError(
                f"{text!r} is no pattern for tables",
                remedy='write schema.table, with * for any characters and "…" around unusual names',
            )
        schema, name = found["schema"] or "public", found["name"]
        return cls(
            text=text,
            explicit=not any("*" in part and not part.startswith('"') for part in (schema, name)),
            schema=_compile(schema),
            name=_compile(name),
        )

    def matches(self, schema: str, name: str) -> bool:
        """Whether it chooses the table of this schema and name."""
        return self.schema.fullmatch(schema) is not None and self.name.fullmatch(name) is not None


def parse_patterns(texts: Iterable[str]) -> tuple[TablePattern, ...]:
    """All of them; raises ConfigurationError for the first that is none."""
    return tuple(TablePattern.parse(text) for text in texts)


def _compile(part: str) -> re.Pattern[str]:
    if part.startswith('"'):
        return re.compile(re.escape(part[1:-1].replace('""', '"')), re.DOTALL)
    return re.compile(".*".join(re.escape(piece) for piece in part.split("*")), re.DOTALL)
