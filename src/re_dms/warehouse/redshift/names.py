"""Names and literals for Redshift: the only place that quotes.

Redshift folds identifiers to lower case even when they are quoted, and cuts them at 127 bytes; a target's name is
therefore made from the source's by `fitting`, and what it became is recorded. Backslashes escape in string constants.
https://docs.aws.amazon.com/redshift/latest/dg/r_names.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

NAME_BYTES_MAX: Final = 127

# Columns that every table has already.
_SYSTEM_COLUMNS: Final = frozenset({"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


def quote(name: str) -> str:
    """`name` as an identifier; any character is allowed."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a string constant."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def folded(name: str) -> str:
    """`name` as Redshift keeps it: in lower case, at most 127 bytes, cut at a character's end."""
    return _cut(name.lower(), NAME_BYTES_MAX)


def fitting(name: str, taken: Collection[str]) -> str:
    """The target's name for the source's `name`: folded, and with a number behind it where `taken` has that already."""
    base = folded(name)
    if base.startswith("#"):  # a temporary table to Redshift
        base = _cut(f"_{base}", NAME_BYTES_MAX)
    if base not in taken:
        return base
    number = 2
    while (found := f"{_cut(base, NAME_BYTES_MAX - len(f'_{number}'))}_{number}") in taken:
        number += 1
    return found


def column_names(named: Iterable[tuple[int, str]], known: dict[int, str]) -> dict[int, str]:
    """Per attnum the target's column: as `known` has it, new ones fitted between those, in the order given."""
    given = dict(named)
    names = {attnum: name for attnum, name in known.items() if attnum in given}
    taken = set(names.values()) | _SYSTEM_COLUMNS
    for attnum, name in given.items():
        if attnum not in names:
            names[attnum] = fitting(name, taken)
            taken.add(names[attnum])
    return {attnum: names[attnum] for attnum in given}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """A table of the warehouse, by the names that Redshift has for it."""

    schema: str
    table: str

    @property
    def sql(self) -> str:
        """The name for SQL."""
        return f"{quote(self.schema)}.{quote(self.table)}"

    @property
    def full_name(self) -> str:
        """schema.table, for messages only."""
        return f"{self.schema}.{self.table}"


def target_of(schema: str, table: str) -> Target:
    """The target of a source table, unless that name is taken."""
    return Target(schema=folded(schema), table=fitting(table, ()))


def _cut(name: str, size: int) -> str:
    return name.encode()[:size].decode(errors="ignore")
