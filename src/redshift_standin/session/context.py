"""What an executor works with: the session's connection, settings and transaction, and the relations that names mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from redshift_standin.catalog.install import HIDDEN, OPERATORS
from redshift_standin.errors import RedshiftError
from redshift_standin.isolation import not_in_snapshot
from redshift_standin.names import TableName, full_name, literal, quote
from redshift_standin.session.backend import Answer, Backend, Field
from redshift_standin.session.settings import Settings
from redshift_standin.session.transaction import TransactionState
from redshift_standin.session.world import User, World

# Parameters that functions of the catalog ask for.
_SEEN_BY_FUNCTIONS = ("json_parse_dedup_attributes", "json_parse_truncate_strings")


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation that is there. `kind`: pg_class.relkind ("r", "v"). `bases`: OIDs of the tables that it reads (itself)."""

    oid: int
    kind: str
    schema: str
    name: str
    bases: tuple[int, ...]

    @property
    def temporary(self) -> bool:
        return self.schema.startswith("pg_temp")

    @property
    def quoted(self) -> str:
        return f"{quote(self.schema)}.{quote(self.name)}"


@dataclass(frozen=True, slots=True)
class Told:
    """A notice. `severity`: INFO, NOTICE or WARNING."""

    severity: str
    message: str
    code: str = "00000"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement gives: `fields` None when it has no rows."""

    tag: str
    fields: list[Field] | None = None
    rows: list[list[bytes | None]] = field(default_factory=list)
    told: tuple[Told, ...] = ()

    @staticmethod
    def of(answer: Answer, tag: str = "") -> Outcome:
        return Outcome(tag or answer.tag, answer.fields or None, answer.rows)


class Context:
    """One session's belongings."""

    def __init__(self, world: World, backend: Backend, settings: Settings, user: User) -> None:
        self.world = world
        self.backend = backend
        self.settings = settings
        self.user = user
        self.transaction = TransactionState(world, backend, settings)
        self.last_copy_count = 0
        self.last_copy_id = -1
        self._applied: dict[str, str] = {}

    # ---------------------------------------------------------------- names

    def find(self, name: TableName) -> Relation | None:
        """The relation of a name, by the search path; None if there is none. Raises 1018 for one made after the snapshot."""
        rows = self.backend.fetch(
            "select oid, kind, schema, array_to_string(bases, ',') from redshift_standin.resolve($1)", name.quoted
        )
        if not rows or rows[0][2] in (*HIDDEN, "pg_catalog", "information_schema"):
            return None
        oid, kind, schema, bases = (value or "" for value in rows[0])
        if not kind:
            raise not_in_snapshot(int(oid))
        return Relation(int(oid), kind, schema, name.name, tuple(int(each) for each in bases.split(",") if each))

    def relation(self, name: TableName, *, kind: str = "r") -> Relation:
        """The table of a name. Raises 42P01, or 42809 for another kind of relation; `kind` "" takes any."""
        found = self.find(name)
        if found is None:
            raise missing(name)
        if kind and found.kind != kind:
            raise RedshiftError("42809", f'"{name.name}" is not a {"table" if kind == "r" else "view"}')
        return found

    def creation_schema(self, name: TableName) -> str:
        """Where a new relation goes. Raises 3F000 when there is no such schema."""
        wanted = (
            [name.schema] if name.schema else [self.user.name if s == "$user" else s for s in self.settings.search_path]
        )
        for schema in wanted:
            if self.backend.fetch("select 1 from pg_catalog.pg_namespace where nspname = $1", schema):
                if schema in ("pg_catalog", "information_schema", *HIDDEN):
                    raise RedshiftError("42501", f"permission denied for schema {schema}")
                return schema
        if name.schema:
            raise RedshiftError("3F000", f'schema "{name.schema}" does not exist')
        raise RedshiftError("3F000", "no schema has been selected to create in")

    # ---------------------------------------------------------------- work

    @contextmanager
    def writing(self, table: Relation, reads: Iterable[Relation] = (), *, reads_target: bool = False) -> Iterator[None]:
        """A transaction in which the table is locked against other writers; `reads_target`: its rows are read as well."""
        read = {oid for relation in reads for oid in relation.bases} | ({table.oid} if reads_target else set())
        locks = "" if table.temporary else f"lock table {table.quoted} in share row exclusive mode"
        with self.transaction.work(reads=sorted(read), writes=[table.oid], locks=self._as_superuser(locks)):
            yield

    @contextmanager
    def changing(self, *tables: Relation) -> Iterator[None]:
        """A transaction for DDL on these tables: nobody else reads or writes them until its end."""
        kept = [table for table in tables if not table.temporary and table.kind == "r"]
        names = ", ".join(table.quoted for table in sorted(kept, key=lambda each: each.oid))
        locks = f"lock table {names} in access exclusive mode" if kept else ""
        with self.transaction.work(writes=[table.oid for table in tables], locks=self._as_superuser(locks)):
            yield

    def apply_settings(self) -> None:
        """Bring the backend's settings in line with the session's; the backend's own roll back with its transaction."""
        path = ", ".join(
            quote(schema)
            for schema in (
                OPERATORS,
                "pg_catalog",
                *(self.user.name if s == "$user" else s for s in self.settings.search_path),
            )
        )
        wanted = {
            "search_path": path,
            "statement_timeout": self.settings["statement_timeout"],
            "timezone": self.settings["timezone"],
            "redshift_standin.last_copy_count": str(self.last_copy_count),
            "redshift_standin.last_copy_id": str(self.last_copy_id),
            "redshift_standin.isolation": self.world.tracker.level,
        }
        wanted |= {f"redshift_standin.{name}": self.settings[name] for name in _SEEN_BY_FUNCTIONS}
        if wanted == self._applied:
            return
        was = self._applied
        self._applied = wanted
        changed = [name for name, value in wanted.items() if was.get(name) != value]
        self.backend.run("; ".join(f"set {name} = {self._setting(name, wanted[name])}" for name in changed))

    def forget_settings(self) -> None:
        """A rollback may have taken the backend's settings back: set them all again."""
        self._applied = {}

    def run_as_superuser(self, sql: str) -> Answer:
        """Side tables and locks are not the client's to reach; what it may do was checked by the statement itself."""
        return self.backend.run(self._as_superuser(sql))

    def _as_superuser(self, sql: str) -> str:
        if self.user.superuser or not sql:
            return sql
        return f"reset session authorization; {sql}; set session authorization {quote(self.user.name)}"

    def _setting(self, name: str, value: str) -> str:
        return value if name == "search_path" else literal(value)


def missing(name: TableName) -> RedshiftError:
    """42P01."""
    return RedshiftError("42P01", f'relation "{name}" does not exist')


def column_names(answer: Answer) -> list[str]:
    return [full_name(each.name) for each in answer.fields]
