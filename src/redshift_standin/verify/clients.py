"""The two drivers, as one small interface: run a statement, get rows as text or an error as SQLSTATE and text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Failure(Exception):
    """A statement was refused."""

    sqlstate: str
    message: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.sqlstate}: {self.message}"


class Client(Protocol):
    """One connection in autocommit mode; blocks are made with BEGIN and COMMIT."""

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows, if it gives any. Raises Failure."""

    def close(self) -> None: ...


class PsycopgClient:
    """libpq's simple protocol."""

    def __init__(self, dsn: str, **arguments: Any) -> None:
        import psycopg

        self._errors = psycopg.Error
        self._connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=None, **arguments)

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        try:
            cursor = self._connection.execute(statement.encode())
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        except self._errors as error:
            diagnostic = getattr(error, "diag", None)
            raise Failure(
                getattr(error, "sqlstate", None) or "",
                (diagnostic.message_primary if diagnostic else None) or str(error),
                (diagnostic.message_detail if diagnostic else None) or "",
            ) from None

    def close(self) -> None:
        self._connection.close()


class ConnectorClient:
    """AWS's own driver: the extended protocol, Redshift's formats."""

    def __init__(self, **arguments: Any) -> None:
        import redshift_connector
        from redshift_connector.error import Error

        self._errors = (Error, OSError)
        self._connection = redshift_connector.connect(max_prepared_statements=0, **arguments)
        self._connection.autocommit = True

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = self._connection.cursor()
        try:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        except self._errors as error:
            told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
            raise Failure(told.get("C", ""), str(told.get("M", error)), str(told.get("D", ""))) from None

    def close(self) -> None:
        self._connection.close()
