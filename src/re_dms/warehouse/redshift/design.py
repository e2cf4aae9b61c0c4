"""How targets are laid out: Redshift's own choice (AUTO), or what the configuration says.

A line is `schema.table=attributes`, `*` stands for any characters of a name, later lines win. Attributes are Redshift's
words: `diststyle even|all|key|auto`, `distkey(column)`, `[compound|interleaved] sortkey(column, …)`, `sortkey auto`.
Columns are the source's. https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from re_dms.errors import ConfigurationError
from re_dms.schema import Relation
from re_dms.warehouse.redshift.names import quote

_ATTRIBUTE: Final = re.compile(
    r"\s*(?:diststyle\s+(?P<style>auto|even|all|key)"
    r"|distkey\s*\(\s*(?P<distkey>[^(),]+?)\s*\)"
    r"|(?P<order>compound\s+|interleaved\s+)?sortkey\s*\(\s*(?P<sortkey>[^()]+?)\s*\)"
    r"|sortkey\s+(?P<auto>auto))",
    re.IGNORECASE,
)
_EXAMPLE: Final = "public.orders=distkey(customer_id) sortkey(created_at)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One line. `tables` matches schema.table; the rest is None where the line says nothing."""

    tables: re.Pattern[str]
    style: str | None = None
    distkey: str | None = None
    sortkey: tuple[str, ...] = ()
    order: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The source columns that it names."""
        return ((self.distkey,) if self.distkey else ()) + self.sortkey

    def sql(self, names: Mapping[str, str]) -> str:
        """The attributes for CREATE TABLE; `names` are the target's columns by the source's."""
        parts = []
        if self.style:
            parts.append(f"diststyle {self.style}")
        if self.distkey:
            parts.append(f"distkey ({quote(names[self.distkey])})")
        if self.sortkey:
            parts.append(f"{self.order}sortkey ({', '.join(quote(names[name]) for name in self.sortkey)})")
        return "".join(f" {part}" for part in parts)


def parse(lines: Sequence[str]) -> tuple[Design, ...]:
    """The designs that the configuration's lines say. Raises ConfigurationError."""
    return tuple(_parse(line) for line in lines)


def _parse(line: str) -> Design:
    table, equals, attributes = line.partition("=")
    if not equals or not table.strip():
        raise _refused(line)
    pattern = ".*".join(re.escape(part) for part in table.strip().split("*"))
    found: dict[str, str] = {}
    at = 0
    while at < len(attributes.rstrip()):
        match = _ATTRIBUTE.match(attributes, at)
        if match is None:
            raise _refused(line)
        found |= {name: text for name, text in match.groupdict().items() if text}
        at = match.end()
    if not found:
        raise _refused(line)
    return Design(
        tables=re.compile(pattern, re.DOTALL),
        style=found["style"].lower() if "style" in found else None,
        distkey=found.get("distkey"),
        sortkey=tuple(name.strip() for name in found.get("sortkey", "").split(",") if name.strip()),
        order=f"{found['order'].strip().lower()} " if "order" in found else "",
    )


def design_of(designs: Sequence[Design], relation: Relation) -> Design | None:
    """The last line that names the table; None leaves all to Redshift. Raises ConfigurationError for unknown columns."""
    found = next((each for each in reversed(designs) if each.tables.fullmatch(relation.full_name)), None)
    if found is not None:
        missing = set(found.columns) - {column.name for column in relation.columns}
        if missing:
            raise ConfigurationError(
                f"warehouse.design: {relation.full_name} has no column {', '.join(map(repr, sorted(missing)))}",
                remedy="name columns as the source does",
            )
    return found


def _refused(line: str) -> ConfigurationError:
    shown = line if line.isprintable() and len(line) <= 200 else "a line"
    return ConfigurationError(f"warehouse.design: {shown} cannot be read", remedy=f"write it like {_EXAMPLE}")
