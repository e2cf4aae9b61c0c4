"""The tables that are carried, the publication that sends them, and what the role may do with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import sql

from re_dms.finding import Finding, asked, error, ok, warning
from re_dms.settings import SourceSettings
from re_dms.source.carried import plan_tables
from re_dms.source.connection import Connection
from re_dms.source.failures import printable
from re_dms.source.plugins import has_publication
from re_dms.source.preflight.asking import NAMED_MAX, PLACE, and_more, listed, oids, quoted, row, rows
from re_dms.source.publication import PublicationPlan, PublishedTable


def check_tables(
    connection: Connection, source: SourceSettings, pipeline: str
) -> tuple[PublicationPlan | None, list[Finding]]:
    """The tables, and their publication: what a start would plan, what the tables hold that is not carried."""
    found: list[PublicationPlan] = []

    def question() -> Iterator[Finding]:
        plan = plan_tables(connection, source, pipeline=pipeline)
        found.append(plan)
        if not has_publication(source):
            yield ok(
                PLACE,
                "publication",
                f"{len(plan.tables)} tables are carried; {source.plugin} needs no publication, and sends us the"
                " changes of all others too",
            )
            return
        words = (
            f"publication {source.publication} sends"
            if plan.exists
            else f"publication {source.publication} will be made for"
        )
        more = f", {len(plan.to_add)} more will be added" if plan.to_add else ""
        yield ok(PLACE, "publication", f"{words} {len(plan.tables)} tables{more}")

    findings = list(asked(PLACE, "publication", question))
    plan = found[0] if found else None
    if plan is not None:
        findings += _hidden_rows(connection, (*plan.tables, *plan.to_add))
        findings += notes(connection, plan)
    findings += _not_carried(connection)
    return plan, findings


def check_role(connection: Connection, plan: PublicationPlan | None) -> Iterator[Finding]:
    """What the role may do, below and beyond need. `plan`: which tables, as far as that is known."""
    about = row(
        connection,
        "select current_user, rolsuper, rolreplication, rolbypassrls, rolcreaterole, rolcreatedb,"
        " exists (select from pg_roles r where r.rolname = 'rds_replication' and pg_has_role(current_user, r.oid, 'member')),"
        " has_database_privilege(current_database(), 'create'), current_database()"
        " from pg_roles where rolname = current_user",
    )
    user, is_super, replication, bypass, create_role, create_db, rds, may_create, database = about
    role = sql.Identifier(user).as_string(None)
    if is_super or replication or rds:
        yield ok(PLACE, "replication", f"role {printable(user)} may replicate")
    else:
        yield error(
            PLACE,
            "replication",
            f"role {printable(user)} may not replicate",
            f"alter role {role} replication;",
            exit_code=3,
        )
    more = [word for word, has in (("superuser", is_super), ("bypassrls", bypass), ("createrole", create_role), ("createdb", create_db)) if has]  # fmt: skip
    if more:
        mend = f"alter role {role} {' '.join('no' + word for word in more)};"
        yield warning(
            PLACE, "beyond_need", f"role {printable(user)} can do more than it needs: {', '.join(more)}", mend
        )
    else:
        yield ok(PLACE, "beyond_need", f"role {printable(user)} has no attribute beyond need")
    if plan is None:
        return
    if not plan.exists and not may_create and not is_super:
        name = sql.Identifier(database).as_string(None)
        yield error(
            PLACE,
            "publication_right",
            "the role may not make the publication",
            f"grant create on database {name} to {role};",
            exit_code=3,
        )
    tables = (*plan.tables, *plan.to_add)
    yield from _table_rights(
        connection,
        tables,
        role=role,
        owns=() if plan.exists and not plan.to_add else plan.to_add if plan.exists else plan.tables,
    )


def notes(connection: Connection, plan: PublicationPlan) -> Iterator[Finding]:
    """What is told at every start: columns that the stream leaves out."""
    found = rows(
        connection,
        "select n.nspname, c.relname, string_agg(a.attname, ', ' order by a.attnum) from pg_attribute a"
        " join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
        " where c.oid = any (%s::oid[]) and a.attgenerated <> '' and not a.attisdropped group by 1, 2 order by 1, 2",
        [oids([table for table in (*plan.tables, *plan.to_add) if not table.generated])],
    )
    if found:
        words = "; ".join(printable(f"{schema}.{name} ({columns})") for schema, name, columns in found[:NAMED_MAX])
        why, more = (
            "not sent by the server and ",
            " (or, on Postgres 18, publish them: publish_generated_columns = stored)",
        )
        if not plan.name:
            why = more = ""
        yield warning(
            PLACE,
            "generated_columns",
            f"generated columns are {why}not carried: {words}{and_more(found)}",
            f"compute them in a view of the warehouse{more}",
        )


def _table_rights(
    connection: Connection, tables: Sequence[PublishedTable], *, role: str, owns: Sequence[PublishedTable]
) -> Iterator[Finding]:
    found = rows(
        connection,
        "select c.oid::int8, has_schema_privilege(n.oid, 'usage'), has_table_privilege(c.oid, 'select'),"
        " pg_has_role(c.relowner, 'usage'), has_schema_privilege(n.oid, 'create')"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = any (%s::oid[])",
        [oids(tables)],
    )
    by_oid = {table.oid: table for table in tables}
    schemas = sorted({by_oid[oid].schema for oid, usage, *_ in found if not usage})
    if schemas:
        names = sql.SQL(", ").join(map(sql.Identifier, schemas)).as_string(None)
        yield error(
            PLACE,
            "schema_usage",
            f"the role may not look into schema {printable(', '.join(schemas))}",
            f"grant usage on schema {names} to {role};",
            exit_code=3,
        )
    unread = [by_oid[oid] for oid, _, select, *_ in found if not select]
    if unread:
        yield error(
            PLACE,
            "select",
            f"the role may not read {listed(unread)}",
            f"grant select on table {quoted(unread)} to {role};",
            exit_code=3,
        )
    else:
        yield ok(PLACE, "select", f"the role may read all {len(tables)} tables")
    wanted = {table.oid for table in owns}
    foreign = [by_oid[oid] for oid, _, _, owner, _ in found if oid in wanted and not owner]
    if foreign:
        yield error(
            PLACE, "ownership", f"only their owner can put tables into a publication: {listed(foreign)}",
            "let the owner make it: create publication … for table …; and name it with --publication", exit_code=3,
        )  # fmt: skip
    writable = sorted({by_oid[oid].schema for oid, *_, create in found if create})
    if writable and not row(connection, "select rolsuper from pg_roles where rolname = current_user")[0]:
        names = sql.SQL(", ").join(map(sql.Identifier, writable)).as_string(None)
        yield warning(
            PLACE,
            "schema_create",
            f"the role may make tables in schema {printable(', '.join(writable))}, and need not",
            f"revoke create on schema {names} from {role};",
        )


def _hidden_rows(connection: Connection, tables: Sequence[PublishedTable]) -> Iterator[Finding]:
    found = rows(
        connection, "select oid::int8 from unnest(%s::oid[]) t (oid) where row_security_active(oid)", [oids(tables)]
    )
    hidden = [table for table in tables if (table.oid,) in found]
    if hidden:
        yield error(
            PLACE,
            "row_security",
            f"row-level security would hide rows from the copy, while the stream sends all: {listed(hidden)}",
            "let a superuser run: alter role … bypassrls; (a role with replication reads every row of the stream anyway)",
            exit_code=3,
        )
    else:
        yield ok(PLACE, "row_security", "no policy hides rows from the copy")


def _not_carried(connection: Connection) -> Iterator[Finding]:
    found = rows(
        connection,
        "select case when relpersistence = 'u' and relkind = 'r' then 'unlogged tables' when relkind = 'S' then 'sequences'"
        " when relkind = 'v' then 'views' when relkind = 'm' then 'materialized views' else 'foreign tables' end as kind,"
        " count(*), (array_agg(n.nspname || '.' || c.relname order by 1))[1:3]"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname not like 'pg\\_%%' and n.nspname <> 'information_schema'"
        " and (relkind in ('S', 'v', 'm', 'f') or relpersistence = 'u' and relkind = 'r') group by 1 order by 1",
        [],
    )
    objects = row(connection, "select count(*) from pg_largeobject_metadata")[0]
    words = [
        f"{count} {kind} ({printable(', '.join(names))}{' …' if count > len(names) else ''})"
        for kind, count, names in found
    ]
    if objects:
        words.append(f"{objects} large objects")
    yield ok(
        PLACE,
        "not_carried",
        f"not carried: {'; '.join(words)}" if words else "everything in the database can be carried",
    )
