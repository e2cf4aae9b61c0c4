"""The extended protocol's prepared statements and portals of one connection.

Source: PostgreSQL, "Frontend/Backend Protocol: Extended Query". Every method handles one message and raises
RedshiftError; that the rest of the batch is then skipped is the conversation's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redshift_standin.errors import RedshiftError
from redshift_standin.wire import messages, values
from redshift_standin.wire.channel import Channel
from redshift_standin.wire.messages import Body, violation
from redshift_standin.wire.session import Column, Prepared, Result, Session


@dataclass(slots=True)
class Portal:
    """A statement with its parameters. `result` is set by the first Execute; `sent` counts the rows that went out."""

    statement: str
    prepared: Prepared
    parameters: Sequence[bytes | None]
    parameter_formats: Sequence[int]
    columns: Sequence[Column] | None
    formats: Sequence[int]
    encoders: Sequence[values.Encoder | None]
    result: Result | None = None
    sent: int = 0


class Extended:
    """Statements live until they are closed, portals until the transaction ends."""

    def __init__(self, channel: Channel, session: Session, protocol: int) -> None:
        self._channel = channel
        self._session = session
        self._protocol = protocol
        self._statements: dict[str, Prepared] = {}
        self._portals: dict[str, Portal] = {}
        self.handlers: dict[bytes, Callable[[Body], None]] = {
            b"P": self.parse,
            b"B": self.bind,
            b"D": self.describe,
            b"E": self.execute,
            b"C": self.close,
        }

    def forget_portals(self) -> None:
        """The transaction is over, or failed."""
        self._portals.clear()

    def forget_unnamed(self) -> None:
        """A simple query takes the place of the unnamed statement and portal."""
        self._statements.pop("", None)
        self._portals.pop("", None)

    def parse(self, body: Body) -> None:
        """Parse: 42P05 for a name that is taken; the unnamed statement is replaced."""
        name, text = body.string(), body.string()
        oids = [body.oid() for _ in range(body.count())]
        body.end()
        if not name:
            self._statements.pop("", None)
        elif name in self._statements:
            raise RedshiftError("42P05", f'prepared statement "{name}" already exists')
        prepared = self._session.parse(text, oids)
        if len(prepared.parameter_oids) > messages.PARAMETERS_MAX:
            message = f"the statement has {len(prepared.parameter_oids)} parameters; the limit is"
            raise RedshiftError("08P01", f"{message} {messages.PARAMETERS_MAX}")
        self._statements[name] = prepared
        self._channel.send(messages.PARSE_COMPLETE)

    def bind(self, body: Body) -> None:
        """Bind: refuses result formats that the columns' types do not have, before anything is executed."""
        portal_name, statement_name = body.string(), body.string()
        asked = [body.int16() for _ in range(body.count())]
        parameters = [_parameter(body) for _ in range(body.count())]
        result_formats = [body.int16() for _ in range(body.count())]
        body.end()
        prepared = self._statement(statement_name)
        if portal_name and portal_name in self._portals:
            raise RedshiftError("42P03", f'cursor "{portal_name}" already exists')
        if len(parameters) != len(prepared.parameter_oids):
            supplied = f"bind message supplies {len(parameters)} parameters"
            required = f'prepared statement "{statement_name}" requires {len(prepared.parameter_oids)}'
            raise RedshiftError("08P01", f"{supplied}, but {required}")
        columns = prepared.columns
        told = None if columns is None else values.described(columns, self._protocol)
        formats = values.formats_of(told or (), result_formats if told else ())
        self._portals[portal_name] = Portal(
            statement=statement_name,
            prepared=prepared,
            parameters=parameters,
            parameter_formats=_parameter_formats(asked, len(parameters)),
            columns=told,
            formats=formats,
            encoders=values.encoders(told or (), formats, self._protocol),
        )
        self._channel.send(messages.BIND_COMPLETE)

    def describe(self, body: Body) -> None:
        """Describe: a statement's parameters and columns, or a portal's columns."""
        kind, name = body.take(1), body.string()
        body.end()
        if kind == b"S":
            prepared = self._statement(name)
            self._channel.send(messages.parameter_description(prepared.parameter_oids))
            columns = prepared.columns
            told = None if columns is None else values.described(columns, self._protocol)
            self._describe(told, [0] * len(told or ()))
        elif kind == b"P":
            portal = self._portal(name)
            self._describe(portal.columns, portal.formats)
        else:
            raise violation(f"invalid DESCRIBE message subtype {kind[0]}")

    def execute(self, body: Body) -> None:
        """Execute: the portal's next rows, at most so many. It runs at its first Execute."""
        name, rows_max = body.string(), body.int32()
        body.end()
        portal = self._portal(name)
        if portal.result is None:
            self._run(name, portal)
        elif portal.columns is None:
            raise RedshiftError("55000", f'portal "{name}" cannot be run')
        result = portal.result
        if result is None or not result.tag:
            self._channel.send(messages.EMPTY_QUERY_RESPONSE)
            return
        end = len(result.rows) if rows_max <= 0 else min(len(result.rows), portal.sent + rows_max)
        if portal.columns is not None:
            plain = not any(portal.encoders)
            for row in result.rows[portal.sent : end]:
                self._channel.send(messages.data_row(row if plain else values.encoded(row, portal.encoders)))
        portal.sent, more = end, end < len(result.rows)
        self._channel.send(messages.PORTAL_SUSPENDED if more else messages.command_complete(result.tag))

    def close(self, body: Body) -> None:
        """Close: also of what does not exist. A statement's portals are closed with it."""
        kind, name = body.take(1), body.string()
        body.end()
        if kind == b"S":
            self._statements.pop(name, None)
            self._portals = {key: portal for key, portal in self._portals.items() if portal.statement != name}
        elif kind == b"P":
            self._portals.pop(name, None)
        else:
            raise violation(f"invalid CLOSE message subtype {kind[0]}")
        self._channel.send(messages.CLOSE_COMPLETE)

    def _run(self, name: str, portal: Portal) -> None:
        before = self._session.status
        result = portal.prepared.execute(portal.parameters, portal.parameter_formats)
        for notice in result.notices:
            self._channel.send(messages.notice_response(notice))
        if portal.columns is not None and result.columns is not None and len(portal.columns) != len(result.columns):
            raise RedshiftError("0A000", "cached plan must not change result type")
        portal.result = result
        if before != b"I" and self._session.status == b"I":
            self._portals = {name: portal}

    def _describe(self, columns: Sequence[Column] | None, formats: Sequence[int]) -> None:
        if columns is None:
            self._channel.send(messages.NO_DATA)
        else:
            self._channel.send(messages.row_description(columns, formats, self._protocol))

    def _statement(self, name: str) -> Prepared:
        if name not in self._statements:
            which = (
                f'prepared statement "{name}" does not exist' if name else "unnamed prepared statement does not exist"
            )
            raise RedshiftError("26000", which)
        return self._statements[name]

    def _portal(self, name: str) -> Portal:
        if name not in self._portals:
            raise RedshiftError("34000", f'portal "{name}" does not exist')
        return self._portals[name]


def _parameter(body: Body) -> bytes | None:
    length = body.int32()
    return None if length == -1 else body.take(length)


def _parameter_formats(asked: Sequence[int], count: int) -> Sequence[int]:
    """One format a parameter, from none, one for all, or one each."""
    if any(code not in (0, 1) for code in asked):
        raise RedshiftError("22023", f"unsupported format code: {next(code for code in asked if code not in (0, 1))}")
    if len(asked) < 2:
        return [*asked, 0][:1] * count
    if len(asked) != count:
        raise RedshiftError("08P01", f"bind message has {len(asked)} parameter formats but {count} parameters")
    return asked
