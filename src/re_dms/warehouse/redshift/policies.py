"""What becomes of values that do not fit, as the configuration says it per table or column."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from re_dms.errors import ConfigurationError
from re_dms.schema import Column, Relation

_PART: Final = r'(?:"(?:[^"]|"")+"|[^".\s]+)'
_NAMES: Final = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}")
_PLAIN: Final = re.compile(r"[^\".\s*=]+")


class Policy(StrEnum):
    """What becomes of a value that does not fit."""

    FAIL = "fail"  # the pipeline stops, and names it
    NULL = "null"
    CLAMP = "clamp"  # numbers and dates become the nearest that fits; a key that is twice in a JSON object counts once
    TRUNCATE = "truncate"  # text is cut at the end of a character, bytes are cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line. The patterns match schema, table and column; a line that names no column is for all of them."""

    names: tuple[re.Pattern[str], ...]
    policy: Policy

    def matches(self, relation: Relation, column: Column) -> bool:
        """Whether the line is about this column."""
        given = (relation.schema, relation.name, column.name)
        return all(pattern.fullmatch(name) for pattern, name in zip(self.names, given, strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All lines in their order: the last one that matches counts."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, lines: Sequence[str]) -> Policies:
        """Lines are `schema.table.column=policy`, `schema.table=policy` or `*=policy`; `*` stands for any characters of a
        name, and "…" is around unusual names. Raises ConfigurationError, which tells the line's number alone."""
        return cls(rules=tuple(_rule(line, number) for number, line in enumerate(lines, 1)))

    def of(self, relation: Relation, column: Column) -> Policy:
        """The policy of a column. A key is never altered: its policy is to fail."""
        if column.attnum in relation.key:
            return Policy.FAIL
        found = (rule.policy for rule in reversed(self.rules) if rule.matches(relation, column))
        return next(found, Policy.FAIL)


def line_for(relation: Relation, column: Column, policy: Policy) -> str:
    """How the configuration says a column's policy, as TOML."""
    names = (relation.schema, relation.name, column.name)
    shown = [name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"' for name in names]
    return f"warehouse.policies = {json.dumps(['.'.join(shown) + '=' + policy], ensure_ascii=False)}"


def _rule(line: str, number: int) -> Rule:
    names, equals, policy = line.rpartition("=")
    found = _NAMES.fullmatch(names.strip())
    parts = re.findall(_PART, names)
    if not equals or found is None or policy.strip() not in list(Policy) or (len(parts) == 1 and parts != ["*"]):
        raise ConfigurationError(
            f"warehouse.policies: entry {number} cannot be read",
            remedy=f"write it like public.orders.note=truncate, public.orders=null or *=clamp; policies are {', '.join(Policy)}",
        )
    return Rule(names=tuple(map(_pattern, parts)), policy=Policy(policy.strip()))


def _pattern(part: str) -> re.Pattern[str]:
    if part.startswith('"'):
        return re.compile(re.escape(part[1:-1].replace('""', '"')), re.DOTALL)
    return re.compile(".*".join(re.escape(piece) for piece in part.split("*")), re.DOTALL)
