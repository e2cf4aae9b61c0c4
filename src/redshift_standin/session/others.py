"""Statements about transactions, settings, rights, comments and upkeep."""

from __future__ import annotations

from redshift_standin.errors import RedshiftError
from redshift_standin.names import literal, quote
from redshift_standin.session.backend import Field
from redshift_standin.session.context import Context, Outcome, Told
from redshift_standin.session.world import User
from redshift_standin.sql.statements import (
    AlterIsolation,
    Analyze,
    Begin,
    Comment,
    Commit,
    CreateGroup,
    CreateUser,
    Empty,
    Grant,
    Lock,
    Reset,
    Rollback,
    Set,
    Show,
    Truncate,
    Vacuum,
)

_TEXT_OID = 25


def begin(context: Context, statement: Begin) -> Outcome:
    """BEGIN."""
    if context.transaction.truncated:
        context.transaction.truncated = False
        return Outcome(statement.tag)
    if context.transaction.status != b"I":
        return Outcome(statement.tag, told=(Told("WARNING", "there is already a transaction in progress", "25001"),))
    context.transaction.begin()
    return Outcome(statement.tag)


def commit(context: Context, _statement: Commit) -> Outcome:
    """COMMIT; a failed block is rolled back instead, as the tag says."""
    if context.transaction.status == b"I":
        return Outcome("COMMIT", told=(Told("WARNING", "there is no transaction in progress", "25P01"),))
    return Outcome("COMMIT" if context.transaction.commit() else "ROLLBACK")


def roll_back(context: Context, _statement: Rollback) -> Outcome:
    """ROLLBACK."""
    if context.transaction.status == b"I":
        return Outcome("ROLLBACK", told=(Told("WARNING", "there is no transaction in progress", "25P01"),))
    context.transaction.roll_back()
    return Outcome("ROLLBACK")


def set_parameter(context: Context, statement: Set) -> Outcome:
    """SET; orders of faults are taken here as well."""
    if statement.name == "redshift_standin.fault":
        if not context.user.superuser:
            raise RedshiftError("42501", 'permission denied to set parameter "redshift_standin.fault"')
        context.world.faults.order(", ".join(statement.values))
    elif statement.local and context.transaction.status == b"I":
        return Outcome("SET", told=(Told("WARNING", "SET LOCAL can only be used in transaction blocks", "25P01"),))
    else:
        context.settings.set(statement.name, statement.values, local=statement.local)
    return Outcome("SET")


def reset_parameter(context: Context, statement: Reset) -> Outcome:
    """RESET."""
    context.settings.reset(statement.name)
    return Outcome("RESET")


def show(context: Context, statement: Show) -> Outcome:
    """SHOW."""
    if statement.name == "all":
        rows: list[list[bytes | None]] = [[name.encode(), value.encode()] for name, value in context.settings.all()]
        return Outcome("SHOW", show_fields(statement), rows)
    if statement.name == "transaction_isolation":
        return Outcome("SHOW", show_fields(statement), [[context.world.tracker.level.encode()]])
    return Outcome("SHOW", show_fields(statement), [[context.settings.show(statement.name).encode()]])


def show_fields(statement: Show) -> list[Field]:
    """The columns of SHOW."""
    names = ["name", "setting"] if statement.name == "all" else [statement.name]
    return [Field(name=name, oid=_TEXT_OID, modifier=-1, size=-1, table=0, column=0) for name in names]


def lock(context: Context, statement: Lock) -> Outcome:
    """LOCK: always ACCESS EXCLUSIVE; it takes no snapshot."""
    if context.transaction.status == b"I":
        raise RedshiftError("25P01", "LOCK TABLE can only be used in transaction blocks")
    tables = [context.relation(name) for name in statement.tables]
    context.transaction.start()
    for table in tables:
        context.run_as_superuser(f"lock table {table.quoted} in access exclusive mode")
    return Outcome("LOCK TABLE")


def truncate(context: Context, statement: Truncate) -> Outcome:
    """TRUNCATE commits the transaction that it is in, and cannot be undone."""
    table = context.relation(statement.table)
    in_block = context.transaction.status != b"I"
    with context.changing(table):
        context.backend.run(f"truncate {table.quoted}")
    if in_block:
        context.transaction.commit()
        context.transaction.begin()
        context.transaction.truncated = True
    return Outcome("TRUNCATE TABLE")


def vacuum(context: Context, statement: Vacuum) -> Outcome:
    """VACUUM, outside a transaction only."""
    context.transaction.refuse_in_block("VACUUM")
    if statement.table is not None:
        context.backend.run(f"vacuum {context.relation(statement.table).quoted}")
    return Outcome("VACUUM")


def analyze(context: Context, statement: Analyze) -> Outcome:
    """ANALYZE."""
    if statement.table is not None:
        table = context.relation(statement.table)
        columns = f" ({', '.join(quote(each) for each in statement.columns)})" if statement.columns else ""
        context.backend.run(f"analyze {table.quoted}{columns}")
    return Outcome("ANALYZE")


def grant(context: Context, statement: Grant) -> Outcome:
    """GRANT and REVOKE."""
    with context.transaction.work():
        context.backend.run(statement.sql)
    return Outcome(statement.tag)


def comment(context: Context, statement: Comment) -> Outcome:
    """COMMENT ON."""
    text = "null" if statement.text is None else literal(statement.text)
    if statement.kind == "schema":
        named = quote(statement.name.name)
    else:
        relation = context.relation(statement.name, kind={"table": "r", "view": "v"}.get(statement.kind, ""))
        named = relation.quoted + (f".{quote(statement.column)}" if statement.kind == "column" else "")
    with context.transaction.work():
        context.backend.run(f"comment on {statement.kind} {named} is {text}")
    return Outcome("COMMENT")


def create_user(context: Context, statement: CreateUser) -> Outcome:
    """CREATE USER and ALTER USER; whoever is made may log in at this server."""
    _refuse_unless_superuser(context)
    was = context.world.users.get(statement.name)
    if statement.alter and was is None:
        raise RedshiftError("42704", f'user "{statement.name}" does not exist')
    verb = "alter" if statement.alter else "create"
    superuser = statement.superuser or (was is not None and was.superuser)
    with context.transaction.work():
        context.backend.run(f"{verb} role {quote(statement.name)} login {'superuser' if superuser else 'nosuperuser'}")
    password = statement.password if statement.password is not None or was is None else was.password
    context.world.users[statement.name] = User(statement.name, password, superuser)
    return Outcome("ALTER USER" if statement.alter else "CREATE USER")


def create_group(context: Context, statement: CreateGroup) -> Outcome:
    """CREATE GROUP."""
    _refuse_unless_superuser(context)
    members = f" user {', '.join(quote(each) for each in statement.users)}" if statement.users else ""
    with context.transaction.work():
        context.backend.run(f"create group {quote(statement.name)}{members}")
    return Outcome("CREATE GROUP")


def alter_isolation(context: Context, statement: AlterIsolation) -> Outcome:
    """ALTER DATABASE … ISOLATION LEVEL, for all transactions from now on."""
    _refuse_unless_superuser(context)
    context.transaction.refuse_in_block("ALTER DATABASE ISOLATION LEVEL")
    context.world.tracker.level = statement.level
    return Outcome("ALTER DATABASE")


def empty(_context: Context, _statement: Empty) -> Outcome:
    """Nothing."""
    return Outcome("")


def _refuse_unless_superuser(context: Context) -> None:
    if not context.user.superuser:
        raise RedshiftError("42501", "must be superuser")
