"""Loads without a server: files from memory, rows read back from the text that the backend would get."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from redshift_standin.copy import load as loading
from redshift_standin.copy.load import Loaded, LoadError, LoadFailed, TargetColumn, load
from redshift_standin.errors import RedshiftError
from redshift_standin.names import TableName
from redshift_standin.sql.statements import Authorization, Copy
from redshift_standin.types import ALIASES, RsType, checked

ROLE = Authorization(role="arn:aws:iam::123456789012:role/loader")
_UNESCAPED = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}

Row = tuple[str | None, ...]


def rs_type(text: str) -> RsType:
    """`varchar(10)`, `numeric(5,2)`, `timestamp with time zone`."""
    name, _, arguments = text.partition("(")
    return checked(ALIASES.get(name, name), tuple(int(each) for each in re.findall(r"\d+", arguments)))


def column(name: str, text: str, **options: Any) -> TargetColumn:
    return TargetColumn(name=name, type=rs_type(text), **options)


def copy(**options: Any) -> Copy:
    """COPY t FROM 's3://bucket/key' CSV, and the options."""
    given: dict[str, Any] = {"csv": True, "delimiter": ",", "url": "s3://bucket/key", "columns": None}
    return Copy(table=TableName(None, "t"), **given | {"authorization": ROLE} | options)


def backend_rows(data: bytes) -> list[Row]:
    """What Postgres's COPY FROM STDIN would read."""

    def value(text: str) -> str | None:
        return None if text == "\\N" else re.sub(r"\\.", lambda match: _UNESCAPED[match[0]], text)

    text = data.decode()
    assert text == "" or text.endswith("\n")
    return [tuple(value(field) for field in line.split("\t")) for line in text.split("\n")[:-1]]


class MemorySource:
    """An S3Source over a dict, in pieces of an odd size."""

    def __init__(self, files: Mapping[str, bytes], piece_bytes: int = 7) -> None:
        self._files = files
        self._piece_bytes = piece_bytes

    def connect(self, authorization: Authorization, region: str) -> MemorySource:
        return self

    def matching(self, bucket: str, prefix: str) -> list[str]:
        return sorted(key for key in self._files if key.startswith(prefix))

    def exists(self, bucket: str, key: str) -> bool:
        return key in self._files

    def body(self, bucket: str, key: str) -> Iterator[bytes]:
        content = self._files[key]
        step = max(self._piece_bytes, len(content) // 100)
        yield from (content[at : at + step] for at in range(0, len(content), step))


@dataclasses.dataclass
class Loads:
    """Runs loads from memory."""

    seen: list[bytes] = dataclasses.field(default_factory=list)

    def run(
        self,
        content: bytes | Mapping[str, bytes],
        types: Sequence[str | TargetColumn],
        *,
        fault: Any = None,
        defaults: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> tuple[list[Row], Loaded]:
        """The rows that the backend would hold, and the outcome."""
        columns = [each if isinstance(each, TargetColumn) else column(f"c{i}", each) for i, each in enumerate(types)]
        files = {"key": content} if isinstance(content, bytes) else content
        self.seen = []
        loaded = load(
            copy(**options),
            columns,
            MemorySource(files),  # type: ignore[arg-type]
            self.seen.append,
            evaluate=lambda sql: (defaults or {})[sql],
            fault=fault,
        )
        return backend_rows(b"".join(self.seen)), loaded

    def value(self, field: bytes, kind: str, **options: Any) -> str | None:
        """What a single field becomes, between two others."""
        rows, _ = self.run(b"1," + field + b",2\n", ["int", kind, "int"], **options)
        assert [(row[0], row[2]) for row in rows] == [("1", "2")]
        return rows[0][1]

    def error(self, content: bytes, types: Sequence[str | TargetColumn], **options: Any) -> LoadError:
        """The error that a load fails with."""
        with pytest.raises(LoadFailed) as failed:
            self.run(content, types, **options)
        return failed.value.errors[-1]

    def value_error(self, field: bytes, kind: str, **options: Any) -> LoadError:
        error = self.error(b"1," + field + b",2\n", ["int", kind, "int"], **options)
        assert error.column == "c1"
        return error

    def trap(self, content: bytes, types: Sequence[str | TargetColumn], **options: Any) -> str:
        """The text with which an unknown is refused."""
        with pytest.raises(RedshiftError) as refused:
            self.run(content, types, **options)
        assert refused.value.sqlstate == "0A000"
        assert refused.value.message.startswith("stand-in: what Redshift does with ")
        return refused.value.message

    def value_trap(self, field: bytes, kind: str, **options: Any) -> str:
        return self.trap(b"1," + field + b",2\n", ["int", kind, "int"], **options)


@pytest.fixture(params=["columns", "records"])
def loads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Every promise holds for the quick way and for the slow way."""
    if request.param == "records":
        monkeypatch.setattr(loading, "scan", lambda *arguments: None)
    return Loads()


@pytest.fixture
def make_column() -> Any:
    return column


@pytest.fixture
def make_copy() -> Any:
    return copy
