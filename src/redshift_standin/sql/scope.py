"""Names whose meaning is known only when a statement's FROM items are: kept as Path, rendered at the statement's end.

Source: AWS Database Developer Guide, "Querying semistructured data" (object and array navigation with dots and brackets).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from redshift_standin.errors import RedshiftError, refused, unknown
from redshift_standin.names import TableName, literal, quote

# Postgres has these columns and these one-argument functions, which `alias.name` could reach; Redshift has neither.
_HIDDEN_NAMES = """
ctid xmin xmax cmin cmax tableoid row_to_json to_json to_jsonb json_agg jsonb_agg array_agg pg_typeof num_nulls
num_nonnulls quote_nullable pg_column_size record_out record_send hash_record json_build_array json_build_object
jsonb_build_array jsonb_build_object
"""
_HIDDEN: Final = frozenset(_HIDDEN_NAMES.split())


@dataclass(slots=True)
class Gathered:
    """What a whole statement touches. `leader`: something that only the leader node can do."""

    reads: set[TableName] = field(default_factory=set)
    leader: bool = False
    whole_columns_only: bool = False  # MERGE

    def check(self, *, writes: bool = False) -> None:
        """Leader-node functions and catalogs do not mix with user tables (guide, "SQL functions supported on the leader node")."""
        if self.leader and (self.reads or writes):
            raise refused(
                "Specified types or functions (one per INFO message) not supported on Amazon Redshift tables."
            )


@dataclass(frozen=True, slots=True)
class Source:
    """A FROM item as names see it. `label`: alias or bare name; `table`: set when it may also be named with its schema."""

    label: str
    table: TableName | None = None
    qualified: str = ""  # how the backend knows the table with its schema


@dataclass(slots=True)
class Scope:
    """FROM items of one SELECT (or the CTEs of one query); `parent` is the scope around it.

    `names_allowed` False: a DEFAULT, which must not use columns or queries.
    """

    gathered: Gathered
    parent: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    ctes: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    sorting: bool = False  # reading GROUP BY or ORDER BY, where an output column's name is enough
    filtering: bool = False  # reading WHERE, where the alias of an output column may stand for it
    aliases: dict[str, Path] = field(
        default_factory=dict
    )  # of output columns that are a plain column under another name
    names_allowed: bool = True

    def child(self) -> Scope:
        return Scope(self.gathered, self)

    def around(self) -> Iterator[Scope]:
        """This scope and those around it, from the inside out."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def has_cte(self, name: str) -> bool:
        return any(name in scope.ctes for scope in self.around())

    def find(self, steps: Sequence[str | int]) -> tuple[str, int]:
        """The backend's prefix for the source that a dotted name begins with, and how many steps that took."""
        for scope in self.around():
            for source in scope.sources:
                if len(steps) >= 2 and source.label == steps[0] and isinstance(steps[1], str):
                    return quote(source.label) + ".", 1
                if len(steps) >= 3 and source.table is not None and isinstance(steps[2], str):
                    schema, name = source.table.schema, source.table.name
                    if name == steps[1] and steps[0] in (schema, schema or steps[0]):
                        qualified = source.qualified or f"{quote(str(steps[0]))}.{quote(name)}"
                        return qualified + ".", 2
        return "", 0

    def prefix_of_single(self, name: str, *, sorting: bool) -> str:
        """What goes before an unqualified name so that Postgres does not take it for a whole row."""
        labels = [source.label for scope in self.around() for source in scope.sources]
        if name not in labels or (sorting and name in self.outputs):
            return ""
        if labels.count(name) == len(labels):
            return quote(name) + "."
        raise unknown(f'the unqualified name "{name}", which is the name of a table here')

    def aliased(self, name: str) -> str:
        """What an output column's alias means in WHERE, "" when it is none: a column of FROM if there is one of that name, else
        the output column. Only over catalogs, whose columns are few: Postgres finds out which, in the innermost query first.
        """
        if name not in self.aliases or self.gathered.reads:
            return ""
        row = ", ".join(f"{quote(source.label)}.*" for source in self.sources)
        inner = f"(SELECT {quote(name)} FROM (SELECT {row}) AS from_items)"
        return f"(SELECT {inner} FROM (SELECT {self.aliases[name].render()} AS {quote(name)}) AS output)"


@dataclass(frozen=True, slots=True)
class Path:
    """A dotted name with SUPER navigation: names and array positions. `sorting`: it stands in GROUP BY or ORDER BY;
    `filtering`: in WHERE.
    """

    scope: Scope
    steps: tuple[str | int, ...]
    sorting: bool = False
    filtering: bool = False

    def render(self) -> str:
        """The backend's text; call it when all FROM items are known. Raises RedshiftError for hidden names."""
        if len(self.steps) == 1:
            name = str(self.steps[0])
            if self.filtering and (aliased := self.scope.aliased(name)):
                return aliased
            return self.scope.prefix_of_single(name, sorting=self.sorting) + _column(name)
        prefix, used = self.scope.find(self.steps)
        column = f"{prefix}{_column(str(self.steps[used]))}"
        navigation = self.steps[used + 1 :]
        if not navigation:
            return column
        if self.scope.gathered.whole_columns_only:
            raise refused("Partial reference of SUPER column is not supported in MERGE statement.")
        brackets = "".join(f"[{step}]" if isinstance(step, int) else f"[{literal(step)}]" for step in navigation)
        return f"({column}){brackets}"


@dataclass(frozen=True, slots=True)
class Star:
    """`alias.*` or `schema.table.*`."""

    scope: Scope
    names: tuple[str, ...]

    def render(self) -> str:
        prefix, used = self.scope.find((*self.names, "*"))
        if used != len(self.names):
            raise RedshiftError("42P01", f'missing FROM-clause entry for table "{self.names[-1]}"')
        return prefix + "*"


Part = str | Path | Star
Parts = list[Part]


@dataclass(slots=True)
class Piece:
    """A part of an expression. `label`: the name that it gives to an output column, "" for ?column?.

    `string`: it is a bare string literal with this value. `equality`: an = comparison, or an AND chain that holds one.
    `row`: how many values, of (a, b). `weak`: a cast around it gives its own label instead.
    """

    parts: Parts
    label: str = ""
    string: str | None = None
    integer: bool = False
    equality: bool = False
    row: int = 1
    weak: bool = False

    @property
    def strong_label(self) -> str:
        return "" if self.weak else self.label


def render(parts: Sequence[Part]) -> str:
    """The backend's text of a whole statement or of a part whose scopes are complete."""
    return "".join(part if isinstance(part, str) else part.render() for part in parts)


def joined(lists: Sequence[Parts], separator: str = ", ") -> Parts:
    """The parts of several, with a separator between."""
    found: Parts = []
    for i, each in enumerate(lists):
        if i:
            found.append(separator)
        found.extend(each)
    return found


def _column(name: str) -> str:
    if name in _HIDDEN:
        raise RedshiftError("42703", f'column "{name}" does not exist')
    return quote(name)
