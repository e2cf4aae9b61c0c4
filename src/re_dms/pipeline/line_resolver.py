"""Whose rows the lines of test_decoding are, and how they look: lines name tables, and names change (protocol line 15).

The catalog of now is asked first. A name that it has no more, or has for another table, is looked for among the names
that the journal's registry holds: those of the tables that are carried, and of their partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from re_dms.decode.lines import Form, Layout, LayoutColumn, LineTable
from re_dms.errors import InvariantError, RelationChanged
from re_dms.pipeline.layouts import layout_of
from re_dms.pipeline.relations import KnownTables, TablesChanged, of_unknown_version
from re_dms.schema import Relation
from re_dms.source.candidates import SourceTables
from re_dms.source.catalog import CatalogTable

log = structlog.get_logger()

Name = tuple[str, str]

# What print_literal does not quote, by the names of format_type; domains over these have names of their own.
_FORMS: Final[dict[str, Form]] = {
    **dict.fromkeys(("smallint", "integer", "bigint", "oid", "real", "double precision", "numeric"), Form.BARE),
    "boolean": Form.BOOL,
    "bit": Form.BITS,
    "bit varying": Form.BITS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCatalog:
    """What is asked of a catalog, live or from a file: all tables, some of them in full, and which are to be carried."""

    tables: Callable[[], SourceTables]
    describe: Callable[[Iterable[int]], dict[int, CatalogTable]]
    wanted: Callable[[], set[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A table's own OID, and that of the carried relation that its rows fill."""

    own: int
    root: int


@dataclass
class LineResolver:
    """`locate` and `resolve` for one decoder. What `locate` said of a name holds for as long as the decoder lives."""

    relations: KnownTables
    catalog: LineCatalog
    _places: dict[Name, _Place] = field(default_factory=dict)

    def locate(self, names: Sequence[Name]) -> list[int | None]:
        """By (schema, name) the OID of the carried relation, None for tables that are not carried.

        Raises TablesChanged for a table that is to be carried and is not yet, RelationChanged where nobody can tell
        which table's rows they are, SourceUnavailable.
        """
        tables = self.catalog.tables()
        now = {(table.schema, table.name): table.oid for table in tables.values()}
        then = self._remembered()
        wanted: set[int] | None = None
        found: list[int | None] = []
        for name in names:
            oid = now.get(name)
            line = [] if oid is None else [table.oid for table in tables.line(oid)]
            if line and not any(each in self.relations.tables for each in line):
                wanted = self.catalog.wanted() if wanted is None else wanted
                if wanted.intersection(line):
                    raise TablesChanged(f"table {'.'.join(name)} is to be carried, too; starting again to copy it")
            place = self._place(name, line, then.get(name), tables)
            if place is None:
                self.relations.passed_over.add(name)
                if oid is None:
                    log.info("table_unknown", table=".".join(name), reason="it is not in the catalog any more")
            else:
                self._places[name] = place
            found.append(None if place is None else place.root)
        return found

    def _place(self, name: Name, line: Sequence[int], then: _Place | None, tables: SourceTables) -> _Place | None:
        root = next((oid for oid in line if oid in self.relations.tables), None)
        now = None if root is None else _Place(own=line[0], root=root)
        if then is None or (now is not None and now.root == then.root):
            return now
        if then.own == then.root:
            return then  # renamed or dropped: the watcher sees that too, and its target waits for a copy then
        if not line:
            # A partition that was renamed; the rows of one that is gone are gone as well, and the watcher tells it.
            return then if then.own in tables else None
        root_name = self.relations.tables[then.root].relation.full_name
        raise RelationChanged(
            f"table {'.'.join(name)} was a partition of {root_name} and is another table now: whose rows come under its"
            " name cannot be told",
            remedy=f"copy the table again: re-dms reset --table {root_name}",
        )

    def _remembered(self) -> dict[Name, _Place]:
        """The tables of the registry by the names that they had when it was written."""
        found: dict[Name, _Place] = {}
        for root, state in self.relations.tables.items():
            if state.watched is not None:
                for own, name in state.watched.leaf_names.items():
                    found[name] = _Place(own=own, root=root)
        for root, state in self.relations.tables.items():
            found[state.relation.schema, state.relation.name] = _Place(own=root, root=root)
        return found

    def resolve(self, asked: Sequence[LineTable]) -> list[Layout | None]:
        """The layouts of tables that `locate` has found, in stream order. Reads the catalog once.

        A version that nobody knows any more has a relation without columns (`relations.of_unknown_version`); of a table
        that no copy can mend it raises RelationChanged. Raises TablesChanged (a table is gone), SourceUnavailable.
        """
        places = [self._places.get((line.schema, line.name)) for line in asked]
        described = self.catalog.describe(sorted({oid for each in places if each for oid in (each.own, each.root)}))
        previous: dict[int, Relation] = {}
        found: list[Layout | None] = []
        for line, place in zip(asked, places, strict=True):
            if place is None:
                raise InvariantError(f"the layout of table {line.schema}.{line.name} was asked for before its place")
            known = previous.get(place.root, self.relations.tables[place.root].relation)
            layout = self._layout(line, place, described, known)
            if layout.relation.columns:
                previous[place.root] = layout.relation
            found.append(layout)
        return found

    def _layout(self, line: LineTable, place: _Place, described: dict[int, CatalogTable], known: Relation) -> Layout:
        table, root = described.get(place.own), described.get(place.root)
        try:
            return layout_of(line, table, root, known, oid=place.root)
        except RelationChanged:
            if root is None:
                raise TablesChanged(f"table {known.full_name} was dropped; looking again") from None
            if self.relations.tables[place.root].copied_at is None:
                raise  # what is replayed has no copies
        # Its rows are in the copy, as their COMMIT will tell; or the table waits for a copy from there on.
        columns = tuple(
            LayoutColumn(header=column.header, attnum=None, form=_FORMS.get(column.type, Form.QUOTED))
            for column in line.columns
        )
        return Layout(relation=of_unknown_version(known), columns=columns, leaf=place.own != place.root)
