"""What the lines of a table look like: a line of test_decoding, the catalog, and what was known before, put together.

A line has neither OIDs nor modifiers of types: its columns are found by name and type in the catalog of now, or in the
relation that was known; what is in neither stops by name (protocol line 15).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from re_dms.decode.lines import Form, Layout, LayoutColumn, LineColumn, LineTable
from re_dms.decode.wire import WireColumn, WireRelation
from re_dms.errors import RelationChanged
from re_dms.pgtypes import PgType
from re_dms.schema import Relation
from re_dms.source.catalog import CatalogColumn, CatalogTable
from re_dms.source.relations import relation_from_wire

# print_literal in contrib/test_decoding/test_decoding.c; a domain has an OID of its own, and is quoted.
_FORMS: Final[dict[int, Form]] = {
    **dict.fromkeys((20, 21, 23, 26, 700, 701, 1700), Form.BARE),
    16: Form.BOOL,
    1560: Form.BITS,
    1562: Form.BITS,
}
_MODIFIER: Final = re.compile(r"\(-?\d+(,-?\d+)?\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A column that the catalog or the relation before knows. `carried`: not a generated one."""

    name: str
    type: PgType
    carried: bool
    spelled: tuple[str, ...]


def layout_of(
    line: LineTable, table: CatalogTable | None, root: CatalogTable | None, previous: Relation | None, *, oid: int
) -> Layout:
    """How the lines of a table look, and the relation that they fill.

    `table` and `root` are what the catalog has now (None: gone); they are the same unless the line's table is a
    partition of the carried `root`. `previous` is the relation as it was known; `oid` is its (the root's). Pure.
    Raises RelationChanged for what is in neither catalog nor relation.
    """
    leaf = table is not None and root is not None and table.oid != root.oid
    known = _known_columns(table, previous)
    if not line.whole and previous is not None and not leaf and _says_nothing_new(line, root, previous):
        return Layout(relation=previous, columns=_columns_then(line, table, previous), leaf=False)
    if not line.whole:
        return _from_key(line, known, table, root, previous, oid=oid, leaf=leaf)
    found = [(column, _find(line, known, column)) for column in line.columns]
    carried = {known.name: known for _, known in found if known.carried}
    relation = _relation(line, carried, root, previous, oid=oid, leaf=leaf)
    attnums = {column.name: column.attnum for column in relation.columns}
    columns = tuple(
        LayoutColumn(
            header=column.header,
            attnum=attnums[known.name] if known.carried else None,
            form=_form(known.type),
        )
        for column, known in found
    )
    return Layout(relation=relation, columns=columns, leaf=leaf)


def _says_nothing_new(line: LineTable, root: CatalogTable | None, previous: Relation) -> bool:
    """Whether a line without all columns agrees with what was known: the catalog of now may be of later rows."""
    spelled = {column.name: _spelled_then(column.type) for column in previous.columns}
    if root is None or root.identity != previous.identity:
        return False
    if any(column.type not in spelled.get(column.name, ()) for column in line.columns):
        return False
    key = {previous.column(attnum).name for attnum in previous.key}
    return not line.columns or previous.identity == "f" or {column.name for column in line.columns} == key


def _columns_then(line: LineTable, table: CatalogTable | None, previous: Relation) -> tuple[LayoutColumn, ...]:
    """How the columns of a known relation are printed. What is guessed wrong here makes the next whole line be asked for."""
    told = {column.name: column.header for column in line.columns}
    now = {} if table is None else {column.attnum: column for column in table.columns}
    columns = []
    for column in previous.columns:
        there = now.get(column.attnum)
        same = there is not None and there.name == column.name and there.type.oid == column.type.oid
        header = (
            f" {there.quoted}[{there.printed}]:".encode()
            if there is not None and same
            else f" {column.name}[{_spelled_then(column.type)[0]}]:".encode()
        )
        columns.append(
            LayoutColumn(header=told.get(column.name, header), attnum=column.attnum, form=_form(column.type))
        )
    return tuple(columns)


def _from_key(
    line: LineTable,
    known: Mapping[str, list[_Known]],
    table: CatalogTable | None,
    root: CatalogTable | None,
    previous: Relation | None,
    *,
    oid: int,
    leaf: bool,
) -> Layout:
    """The line has the replica identity alone, or nothing: all else is as the catalog has it now, or as it was known."""
    told = {column.name: column for column in line.columns}
    for column in line.columns:
        _find(line, known, column)
    bare = any(column.type not in {each.spelled[0] for each in known[column.name]} for column in line.columns)
    if table is None:
        raise _changed(line, "the table, which is gone,")
    carried = {column.name: _now(column) for column in table.columns if not column.generated}
    relation = _relation(line, carried, root, previous, oid=oid, leaf=leaf)
    attnums = {column.name: column.attnum for column in relation.columns}
    columns = tuple(
        LayoutColumn(
            header=told[column.name].header
            if column.name in told
            else f" {column.quoted}[{column.bare if bare else column.printed}]:".encode(),
            attnum=attnums.get(column.name),
            form=_form(column.type),
        )
        for column in table.columns
    )
    if line.columns and relation.identity != "f":
        key = {column.name for column in relation.columns if column.attnum in relation.key}
        if key != set(told):
            raise _changed(line, "its replica identity")
    return Layout(relation=relation, columns=columns, leaf=leaf)


def _relation(
    line: LineTable,
    carried: Mapping[str, _Known],
    root: CatalogTable | None,
    previous: Relation | None,
    *,
    oid: int,
    leaf: bool,
) -> Relation:
    """The relation that the lines fill: what pgoutput would have said in a Relation message."""
    identity = root.identity if root is not None else previous.identity if previous is not None else "n"
    if root is not None:
        names = {column.attnum: column.name for column in root.columns}
        key = {names[attnum] for attnum in root.identity_key}
    else:
        key = set() if previous is None else {previous.column(attnum).name for attnum in previous.key}
    order = list(carried)
    if leaf:  # a partition may have its columns in another order than its root
        for columns in (root.columns if root is not None else (), previous.columns if previous is not None else ()):
            names_there = [column.name for column in columns]
            if set(carried) <= set(names_there):
                order = [name for name in names_there if name in carried]
                break
    where = (root.schema, root.name) if leaf and root is not None else (line.schema, line.name)
    wire = WireRelation(
        oid=oid,
        schema=where[0],
        name=where[1],
        identity=identity,
        columns=tuple(
            WireColumn(
                name=name,
                type_oid=carried[name].type.oid,
                typmod=carried[name].type.typmod,
                key=identity == "f" or name in key,
            )
            for name in order
        ),
        lsn=line.lsn,
    )
    return relation_from_wire(wire, root, previous)


def _known_columns(table: CatalogTable | None, previous: Relation | None) -> dict[str, list[_Known]]:
    """By name: as the catalog has it now, then as the relation before had it."""
    known: dict[str, list[_Known]] = {}
    for now in () if table is None else table.columns:
        known.setdefault(now.name, []).append(_now(now))
    for before in () if previous is None else previous.columns:
        known.setdefault(before.name, []).append(
            _Known(name=before.name, type=before.type, carried=True, spelled=_spelled_then(before.type))
        )
    return known


def _spelled_then(kind: PgType) -> tuple[str, str]:
    """A known type as lines may print it: qualified and bare."""
    plain = _MODIFIER.sub("", kind.name)
    return plain, plain.rpartition(".")[2]


def _now(column: CatalogColumn) -> _Known:
    return _Known(
        name=column.name,
        type=column.type,
        carried=not column.generated,
        spelled=(column.printed, column.bare),
    )


def _find(line: LineTable, known: Mapping[str, list[_Known]], column: LineColumn) -> _Known:
    for each in known.get(column.name, ()):
        if column.type in each.spelled:
            return each
    raise _changed(line, f"column {column.name!r} of type {column.type}")


def _form(kind: PgType) -> Form:
    return _FORMS.get(kind.oid, Form.QUOTED)


def _changed(line: LineTable, what: str) -> RelationChanged:
    return RelationChanged(
        f"table {line.schema}.{line.name}: a line has {what} as the catalog does not know it (any more)",
        remedy="copy the table again (re-dms reset --table), or for a replay give the catalog of that time with --schema",
    )
