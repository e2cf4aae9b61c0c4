"""ALTER TABLE: one action a statement.

Source: AWS Database Developer Guide, "ALTER TABLE" (r_ALTER_TABLE).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from redshift_standin.errors import RedshiftError, not_yet, refused, syntax_error
from redshift_standin.names import TableName
from redshift_standin.sql.column_grammar import read_column, read_constraint, read_encoding
from redshift_standin.sql.ddl import (
    AddColumn,
    AddConstraint,
    AlterDesign,
    AlterEncode,
    AlterTable,
    AlterType,
    ChangeOwner,
    ColumnDef,
    Design,
    DropColumn,
    DropConstraint,
    RenameColumn,
    RenameTable,
    TableAction,
)
from redshift_standin.sql.design_grammar import DIST_STYLES, read_sort_columns
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.typenames import read_type
from redshift_standin.types import RsType

# First words of actions that real Redshift has or that only Postgres has.
_LATER: Final = ("append", "row", "masking", "partition", "location", "file")
_REFUSED: Final = (
    "set", "reset", "cluster", "without", "inherit", "no", "enable", "disable", "replica", "validate", "attach",
    "detach", "of", "not", "force", "split", "merge",
)  # fmt: skip


def read_alter_table(reader: Reader) -> AlterTable:
    """From the word TABLE on."""
    reader.expect("table")
    if reader.is_word("if", "only") or reader.are_words("all", "in"):
        raise refused(f"ALTER TABLE {reader.token.value.upper()} is not supported")
    table = reader.expect_table()
    word = reader.token.value
    if reader.is_word(*_LATER):
        raise not_yet(f"ALTER TABLE {word.upper()}")
    if reader.is_word(*_REFUSED):
        raise refused(f"ALTER TABLE {word.upper()} is not supported")
    if not reader.is_word(*_ACTIONS):
        reader.fail()
    reader.advance()
    return AlterTable(table=table, action=_ACTIONS[word](reader, table))


def _add(reader: Reader, table: TableName) -> TableAction:
    if reader.is_word("partition"):
        raise not_yet("ALTER TABLE ADD PARTITION")
    if not reader.is_word("column"):
        constraint = read_constraint(reader)
        if constraint is not None:
            return AddConstraint(constraint=constraint, name=constraint.name)
    reader.accept("column")
    if reader.is_word("if"):
        raise refused("ALTER TABLE ADD COLUMN IF NOT EXISTS is not supported")
    column = read_column(reader, table)
    _check_added(column)
    return AddColumn(column=column)


def _check_added(column: ColumnDef) -> None:
    """What a new table's column may have and an added one may not."""
    refusals = {
        "a PRIMARY KEY": column.primary_key,
        "UNIQUE": column.unique,
        "a foreign key": column.references is not None,
        "an IDENTITY": column.identity is not None,
        "the DISTKEY": column.distkey,
        "the SORTKEY": column.sortkey,
    }
    for what, found in refusals.items():
        if found:
            raise refused(f"ALTER TABLE ADD COLUMN cannot add a column that is {what}")
    if column.not_null and (column.default is None or column.default.lower() == "null"):
        raise refused("ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression")


def _drop(reader: Reader, _table: TableName) -> TableAction:
    if reader.accept("constraint"):
        _refuse_if_exists(reader, "DROP CONSTRAINT")
        return DropConstraint(name=reader.expect_name(), cascade=read_cascade(reader))
    if reader.is_word("partition"):
        raise not_yet("ALTER TABLE DROP PARTITION")
    reader.accept("column")
    _refuse_if_exists(reader, "DROP COLUMN")
    return DropColumn(name=reader.expect_name(), cascade=read_cascade(reader))


def _refuse_if_exists(reader: Reader, what: str) -> None:
    if reader.are_words("if", "exists"):
        raise refused(f"ALTER TABLE {what} IF EXISTS is not supported")


def read_cascade(reader: Reader) -> bool:
    """[CASCADE | RESTRICT]."""
    return reader.accept_any("cascade", "restrict") == "cascade"


def _rename(reader: Reader, _table: TableName) -> TableAction:
    if reader.accept("to"):
        return RenameTable(to=reader.expect_name())
    if reader.is_word("constraint"):
        raise refused("ALTER TABLE RENAME CONSTRAINT is not supported")
    reader.accept("column")
    name = reader.expect_name()
    reader.expect("to")
    return RenameColumn(name=name, to=reader.expect_new_column())


def _owner(reader: Reader, _table: TableName) -> TableAction:
    reader.expect("to")
    return ChangeOwner(to=reader.expect_name())


def _alter(reader: Reader, table: TableName) -> TableAction:
    """ALTER of the table's design, else of a column; a design word that a column may bear too is told by what follows."""
    if reader.accept("distkey"):
        return AlterDesign(design=Design(diststyle="key", distkey=reader.expect_name()))
    if reader.accept("diststyle"):
        return AlterDesign(design=_diststyle(reader))
    if reader.is_word("compound", "sortkey", "interleaved"):
        return AlterDesign(design=_sortkey(reader))
    if reader.accept("encode", "auto"):
        return AlterDesign(design=Design(encode_auto=True))
    reader.accept("column")
    name = reader.expect_name()
    if reader.accept("type"):
        return AlterType(name=name, type=_varchar(reader, name, table))
    if reader.accept("encode"):
        action = AlterEncode(name=name, encode=read_encoding(reader))
        if reader.is_operator(",") and reader.peek().value == "alter":
            raise not_yet("ALTER TABLE with the encodings of several columns")
        return action
    raise _column_refusal(reader)


def _varchar(reader: Reader, name: str, table: TableName) -> RsType:
    found = read_type(reader, column=f"{table.name}.{name}")
    if found.name != "character varying":
        raise refused("ALTER COLUMN TYPE is only supported for the size of VARCHAR columns")
    if reader.is_word("using", "collate"):
        raise refused(f"ALTER COLUMN TYPE … {reader.token.value.upper()} is not supported")
    return found


def _column_refusal(reader: Reader) -> RedshiftError:
    if not reader.is_word("set", "drop", "add", "reset"):
        return syntax_error(reader.token.text, reader.token.start + 1)
    words = [reader.token.value, reader.peek().value]
    if words[1] == "not":
        words.append(reader.peek(2).value)
    return refused(f"ALTER TABLE ALTER COLUMN {' '.join(words).upper()} is not supported")


def _diststyle(reader: Reader) -> Design:
    style = reader.accept_any(*DIST_STYLES)
    if not style:
        reader.fail()
    if style != "key":
        return Design(diststyle=style)
    reader.expect("distkey")
    return Design(diststyle="key", distkey=reader.expect_name())


def _sortkey(reader: Reader) -> Design:
    if reader.is_word("interleaved"):
        raise refused("ALTER TABLE ALTER INTERLEAVED SORTKEY is not supported")
    compound = reader.accept("compound")
    reader.expect("sortkey")
    if not compound and reader.accept("auto"):
        return Design(sort="auto")
    if not compound and reader.is_word("none"):
        raise not_yet("ALTER TABLE ALTER SORTKEY NONE")
    return Design(sort="compound", sortkey=read_sort_columns(reader, "compound"))


_ACTIONS: Final[dict[str, Callable[[Reader, TableName], TableAction]]] = {
    "add": _add,
    "drop": _drop,
    "rename": _rename,
    "owner": _owner,
    "alter": _alter,
}
