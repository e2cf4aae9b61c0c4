"""ClientSession: what the wire talks to."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from redshift_standin.errors import RedshiftError
from redshift_standin.names import full_name, quote
from redshift_standin.session.backend import Backend, Field
from redshift_standin.session.context import Context, Outcome
from redshift_standin.session.dispatch import execute, refuse_in_failed_block, takes_parameters
from redshift_standin.session.dml import Bound, relations
from redshift_standin.session.others import show_fields
from redshift_standin.session.settings import Settings
from redshift_standin.session.transaction import FAILED
from redshift_standin.session.world import User, World
from redshift_standin.sql.grammar import Parsed, parse
from redshift_standin.sql.query import Query
from redshift_standin.sql.statements import Delete, Fetch, Insert, Merge, Show, Statement, Update
from redshift_standin.types import BYTEA_OID, JSONB_OID, SUPER_OID, VARBYTE_OID
from redshift_standin.wire.session import Column, Notice, Result

_TO_BACKEND: Final = {SUPER_OID: JSONB_OID, VARBYTE_OID: BYTEA_OID, 705: 0}
_TO_CLIENT: Final = {JSONB_OID: SUPER_OID, BYTEA_OID: VARBYTE_OID}
_NAME_OID: Final = 19
_ALONE: Final = ("CREATE DATABASE", "DROP DATABASE", "ALTER TABLE APPEND")
_OUTSIDE_STRINGS = re.compile(rb'("(?:[^"\\]|\\.)*")|\s+')


class ClientSession:
    """One client's session over one backend connection; see wire.session.Session for what each method promises."""

    def __init__(self, world: World, user: User, settings: Settings) -> None:
        self._backend = Backend(world.dsn)
        self._context = Context(world, self._backend, settings, user)
        self.pid = self._backend.pid
        self.secret = secrets.randbits(31)
        self._backend.run(f"set session authorization {quote(user.name)}")

    @property
    def status(self) -> bytes:
        return self._context.transaction.status

    def parse(self, text: str, oids: Sequence[int]) -> PreparedStatement:
        self._context.transaction.refuse_after_death()
        found = self._parse(text)
        if len(found) > 1:
            raise RedshiftError("42601", "cannot insert multiple commands into a prepared statement")
        parsed = found[0]
        refuse_in_failed_block(self._context, parsed.statement)
        if not takes_parameters(parsed.statement):
            if parsed.parameters:
                raise RedshiftError("42601", "parameters are only allowed in SELECT, INSERT, UPDATE, DELETE and MERGE")
            return PreparedStatement(self, parsed, (), self._columns_of(parsed.statement))
        return self._described(parsed, oids)

    def run(self, text: str) -> Iterator[Result]:
        self._context.transaction.refuse_after_death()
        found = self._parse(text)
        implicit = len(found) > 1 and self.status == b"I"
        if implicit:
            self._context.transaction.begin()
        try:
            for parsed in found:
                if parsed.parameters:
                    raise RedshiftError("42P02", "there is no parameter $1")
                yield self._execute(parsed.statement, Bound())
        except BaseException:
            if implicit and self.status != b"I":
                self._roll_back()
            raise
        if implicit and self.status != b"I":
            self._context.transaction.commit()

    def sync(self) -> None:
        """Nothing waits: outside a block every statement has committed by itself."""

    def failed(self, error: RedshiftError) -> None:  # noqa: ARG002 - the wire tells which; the effect is the same
        self._context.transaction.fail()
        if self.status != FAILED:
            self._context.forget_settings()

    def cancel(self) -> None:
        self._backend.cancel()

    def parameter_statuses(self) -> Mapping[str, str]:
        return {
            "TimeZone": self._context.settings["timezone"],
            "is_superuser": self._context.settings.show("is_superuser"),
        }

    def close(self) -> None:
        self._context.transaction.close()
        self._backend.close()

    # ---------------------------------------------------------------- inside

    def _parse(self, text: str) -> list[Parsed]:
        """What runs outside a block only is refused inside one as Redshift does, even if it is not built."""
        try:
            return parse(text, case_sensitive=self._context.settings.is_on("enable_case_sensitive_identifier"))
        except RedshiftError as error:
            if alone := next((each for each in _ALONE if error.message.startswith(f"{each}: not in")), None):
                self._context.transaction.refuse_in_block(alone)
            raise

    def _execute(self, statement: Statement, bound: Bound) -> Result:
        outcome = execute(self._context, statement, bound)
        if outcome.tag == "ROLLBACK":
            self._context.forget_settings()
        return _result(outcome)

    def _roll_back(self) -> None:
        self._context.transaction.roll_back()
        self._context.forget_settings()

    def _described(self, parsed: Parsed, oids: Sequence[int]) -> PreparedStatement:
        """Types of parameters and columns; what it reads is there, what it writes is locked before a snapshot is taken."""
        context, statement = self._context, parsed.statement
        context.apply_settings()
        given = [_TO_BACKEND.get(oid, oid) for oid in oids]
        if isinstance(statement, Query):
            relations(context, statement.reads)
        if isinstance(statement, Insert | Update | Delete | Merge) and self.status == b"T":
            with context.writing(context.relation(statement.table)):
                parameters, fields = self._backend.describe(statement.sql, given)
        elif isinstance(statement, Merge) and not statement.sql:
            parameters, fields = [], None
        else:
            parameters, fields = self._backend.describe(getattr(statement, "sql", ""), given)
        return PreparedStatement(self, parsed, tuple(parameters), _columns(fields))

    def _columns_of(self, statement: Statement) -> Sequence[Column] | None:
        if isinstance(statement, Show):
            return _columns(show_fields(statement))
        if isinstance(statement, Fetch):
            fields = self._backend.execute(f"fetch 0 from {quote(statement.name)}").fields
            return _columns(fields)
        return None


@dataclass(frozen=True, slots=True)
class PreparedStatement:
    """A statement with its parameters' types."""

    session: ClientSession
    parsed: Parsed
    backend_oids: tuple[int, ...]
    columns: Sequence[Column] | None

    @property
    def parameter_oids(self) -> Sequence[int]:
        return [_TO_CLIENT.get(oid, oid) for oid in self.backend_oids]

    def execute(self, values: Sequence[bytes | None], formats: Sequence[int]) -> Result:
        self.session._context.transaction.refuse_after_death()
        return self.session._execute(self.parsed.statement, Bound(values, self.backend_oids, formats))


def _columns(fields: Sequence[Field] | None) -> list[Column] | None:
    if fields is None:
        return None
    return [
        Column(
            name=field.name,
            type_oid=_TO_CLIENT.get(field.oid, field.oid),
            type_size=field.size,
            type_modifier=field.modifier,
            table_oid=field.table,
            table_column=field.column,
            column_name=field.name if field.table else "",
        )
        for field in fields
    ]


def _result(outcome: Outcome) -> Result:
    notices = [Notice(each.severity, each.code, each.message) for each in outcome.told]
    if outcome.fields is None:
        return Result(tag=outcome.tag, notices=notices)
    rows = outcome.rows
    for j, field in enumerate(outcome.fields):
        convert = {JSONB_OID: _compact, BYTEA_OID: _bare_hex, _NAME_OID: _full}.get(field.oid)
        if convert is not None:
            for row in rows:
                value = row[j]
                row[j] = None if value is None else convert(value)
    return Result(tag=outcome.tag, columns=_columns(outcome.fields), rows=rows, notices=notices)


def _compact(value: bytes) -> bytes:
    """JSON as Redshift writes it: no blanks outside strings."""
    return _OUTSIDE_STRINGS.sub(lambda match: match[1] or b"", value)


def _bare_hex(value: bytes) -> bytes:
    return value.removeprefix(b"\\x")


def _full(value: bytes) -> bytes:
    return full_name(value.decode()).encode()
