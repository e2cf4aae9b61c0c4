"""Which executor carries out which statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from redshift_standin.errors import RedshiftError, SessionEnds
from redshift_standin.session import alter, dml, loading, others, tables
from redshift_standin.session.context import Context, Outcome
from redshift_standin.session.dml import Bound
from redshift_standin.sql import ddl, statements
from redshift_standin.sql.query import Query
from redshift_standin.sql.statements import Statement

# What takes parameters; nothing else does.
_WITH_PARAMETERS: Final[dict[type, Callable[[Context, Any, Bound], Outcome]]] = {
    Query: dml.query,
    statements.Insert: dml.change,
    statements.Update: dml.change,
    statements.Delete: dml.change,
    statements.Merge: dml.merge,
}
_OTHERS: Final[dict[type, Callable[[Context, Any], Outcome]]] = {
    statements.Copy: loading.copy,
    ddl.CreateTable: tables.create_table,
    ddl.CreateTableAs: tables.create_table_as,
    ddl.CreateView: tables.create_view,
    ddl.CreateSchema: tables.create_schema,
    ddl.Drop: tables.drop,
    ddl.AlterTable: alter.alter_table,
    statements.Truncate: others.truncate,
    statements.Lock: others.lock,
    statements.Vacuum: others.vacuum,
    statements.Analyze: others.analyze,
    statements.Grant: others.grant,
    statements.Comment: others.comment,
    statements.CreateUser: others.create_user,
    statements.CreateGroup: others.create_group,
    statements.Begin: others.begin,
    statements.Commit: others.commit,
    statements.Rollback: others.roll_back,
    statements.Set: others.set_parameter,
    statements.Reset: others.reset_parameter,
    statements.Show: others.show,
    statements.AlterIsolation: others.alter_isolation,
    statements.Declare: dml.declare,
    statements.Fetch: dml.fetch,
    statements.Close: dml.close,
    statements.Empty: others.empty,
}
_ENDS_A_BLOCK: Final = (statements.Commit, statements.Rollback)
# Whether TRUNCATE has ended the block or begun another is not known; these mean the same either way, and loaders send them.
_THE_SAME_AFTER_TRUNCATE: Final = (statements.Begin, statements.Truncate)
_WITHOUT_BACKEND: Final = (
    *_ENDS_A_BLOCK,
    statements.Begin,
    statements.Set,
    statements.Reset,
    statements.Show,
    statements.Empty,
)


def takes_parameters(statement: Statement) -> bool:
    return type(statement) in _WITH_PARAMETERS


def refuse_in_failed_block(context: Context, statement: Statement) -> None:
    """Raises 25P02 for all but the end of a block that has failed."""
    if isinstance(statement, _ENDS_A_BLOCK):
        return
    context.transaction.refuse_if_failed()
    if not isinstance(statement, _THE_SAME_AFTER_TRUNCATE):
        context.transaction.refuse_after_truncate()


def execute(context: Context, statement: Statement, bound: Bound) -> Outcome:
    """Carry a statement out. Raises RedshiftError, SessionEnds."""
    refuse_in_failed_block(context, statement)
    _inject(context, statement)
    if not isinstance(statement, _WITHOUT_BACKEND):
        context.apply_settings()
    if with_parameters := _WITH_PARAMETERS.get(type(statement)):
        return with_parameters(context, statement, bound)
    return _OTHERS[type(statement)](context, statement)


def _inject(context: Context, statement: Statement) -> None:
    """Faults that wait for a statement; `match` is a kind of statement, such as "Copy"."""
    for order in context.world.faults.due("statement", type(statement).__name__):
        if order.kind == "restart":
            context.world.restart(order.seconds)
            raise SessionEnds
        raise RedshiftError("57014", "Query (0) cancelled on user's request")
