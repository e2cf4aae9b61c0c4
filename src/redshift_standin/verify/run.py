"""Runs cases through a client and says where the answer is another one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redshift_standin.verify.case import Case, Expected, LoadError, Refused, Rows, Succeeds, Unknown
from redshift_standin.verify.clients import Client, Failure

# Settings, temporary tables, cursors, other users, and what is counted by session.
_OF_THE_SESSION = re.compile(
    r"\b(?:set|reset|temp|temporary|declare|user|pg_last_\w+|pg_backend_pid)\b|#", re.IGNORECASE
)
_UNKNOWN_MARK = "stand-in: what Redshift does"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`answer`: what the server did, in words without values of rows beyond the case's own. `right`: as expected."""

    case: Case
    right: bool
    answer: str


class Runner:
    """Runs cases over one connection, each in a schema of its own.

    `put(key, body)` writes an object below `url` (s3://bucket/prefix); `authorization` is COPY's clause.
    """

    def __init__(
        self, connect: Callable[[], Client], *, url: str, authorization: str, put: Callable[[str, bytes], object]
    ) -> None:
        self._connect = connect
        self._url = url
        self._authorization = authorization
        self._put = put
        self._kept: Client | None = None

    def run(self, cases: Iterable[Case]) -> Iterator[Verdict]:
        """A verdict a case."""
        for case in cases:
            yield self.judge(case)

    def judge(self, case: Case) -> Verdict:
        """Run one case in a session of its own; whatever it made is dropped."""
        schema = f"verify_{secrets.token_hex(6)}"
        prefix = f"{schema}/{case.rule:02}"
        for key, body in case.files.items():
            text = body.replace(b"{s3}", f"{self._url}/{prefix}".encode())
            self._put(f"{prefix}/{key}", text)

        def filled(statement: str) -> str:
            words = {"{s3}": f"{self._url}/{prefix}", "{auth}": self._authorization, "{schema}": schema}
            for word, meaning in words.items():
                statement = statement.replace(word, meaning)
            return statement

        alone = _OF_THE_SESSION.search(" ".join([*case.setup, *case.statements])) is not None
        client = self._connect() if alone else self._kept or self._connect()
        if client is self._kept:
            self._kept = None
        try:
            client.run(f"create schema {schema}")
            client.run(f"set search_path to {schema}, public")
            for statement in case.setup:
                client.run(filled(statement))
            return self._verdict(case, client, [filled(each) for each in case.statements], filled)
        finally:
            self._leave(client, schema, alone=alone)

    def close(self) -> None:
        """End the connection that is kept."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _leave(self, client: Client, schema: str, *, alone: bool) -> None:
        """Drop what the case made; its session serves others if nothing of the case can be left in it."""
        with suppress(Failure):
            client.run("rollback")
        try:
            client.run(f"drop schema {schema} cascade")
        except Failure:
            alone = True
        if alone or self._kept is not None:
            client.close()
        else:
            self._kept = client

    def _verdict(self, case: Case, client: Client, statements: list[str], filled: Callable[[str], str]) -> Verdict:
        rows: list[tuple[Any, ...]] = []
        try:
            if case.block:
                client.run("begin")
            for statement in statements[: -2 if case.after_error else -1]:
                client.run(statement)
        except Failure as failure:
            return Verdict(case, False, f"an earlier statement was refused: {failure}")
        if case.after_error and not _fails(client, statements[-2]):
            return Verdict(case, False, "the statement before the last succeeded")
        try:
            rows = client.run(statements[-1])
            if case.block:
                client.run("commit")
        except Failure as failure:
            with suppress(Failure):
                client.run("rollback")
            return self._refused(case, client, failure, filled)
        return self._succeeded(case.expect, case, client, rows, filled)

    def _succeeded(
        self, expected: Expected, case: Case, client: Client, rows: list[tuple[Any, ...]], filled: Callable[[str], str]
    ) -> Verdict:
        match expected:
            case Succeeds():
                return Verdict(case, True, "succeeded")
            case Rows(wanted, query):
                found = client.run(filled(query)) if query else rows
                return Verdict(case, _texts(found) == _texts(wanted), f"succeeded; rows: {_texts(found)}")
            case _:
                return Verdict(case, False, "succeeded")

    def _refused(self, case: Case, client: Client, failure: Failure, filled: Callable[[str], str]) -> Verdict:
        answer = f"refused: {failure}"
        match case.expect:
            case Refused(sqlstate, text):
                right = sqlstate in ("", failure.sqlstate) and text.lower() in failure.message.lower()
                return Verdict(case, right and _UNKNOWN_MARK not in failure.message, answer)
            case Unknown(text):
                return Verdict(case, _UNKNOWN_MARK in failure.message and text in failure.message, answer)
            case LoadError() as wanted:
                return self._load_error(case, wanted, client, failure, filled)
            case _:
                return Verdict(case, False, answer)

    def _load_error(
        self, case: Case, wanted: LoadError, client: Client, failure: Failure, filled: Callable[[str], str]
    ) -> Verdict:
        if failure.sqlstate != "XX000" or not failure.message.startswith("Load into table"):
            return Verdict(case, False, f"refused: {failure}")
        query = client.run("select pg_last_copy_id()")[0][0]
        errors = client.run(
            f"select err_code, trim(err_reason), trim(colname), line_number from stl_load_errors where query = {query}"
        )
        right = any(
            code == wanted.code and wanted.text in reason and wanted.column in column and wanted.line in (0, line)
            for code, reason, column, line in errors
        )
        answer = f"load errors: {errors}"
        if right and wanted.after is not None:
            found = _texts(client.run(filled(wanted.after.query)))
            right, answer = found == _texts(wanted.after.rows), f"{answer}; afterwards: {found}"
        return Verdict(case, right, answer)


def _fails(client: Client, statement: str) -> bool:
    try:
        client.run(statement)
    except Failure:
        return True
    return False


def _texts(rows: Iterable[Iterable[Any]]) -> list[tuple[str | None, ...]]:
    """Rows for comparison: as text, in order of their texts."""
    found = [tuple(None if value is None else str(value) for value in row) for row in rows]
    return sorted(found, key=lambda row: [(value is not None, value or "") for value in row])
