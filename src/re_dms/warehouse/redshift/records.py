"""What is recorded of each target, and the rows that hold it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from re_dms.lsn import LSN
from re_dms.manifest import Counts
from re_dms.schema import Relation
from re_dms.warehouse.base import TableStatus, Watermark
from re_dms.warehouse.redshift.names import Target

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RELATION: Final[TypeAdapter[Relation]] = TypeAdapter(Relation)
_PART_CHARACTERS: Final = 60_000  # of ASCII: a VARCHAR holds 65,535 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One table. `target` and `names` (per attnum) are Redshift's; `relation` is None when its target went to another."""

    oid: int
    target: Target
    relation: Relation | None
    names: dict[int, str]
    copied_at: LSN | None = None
    awaiting_copy: bool = False
    may_drop: bool = False
    counts: Counts = field(default_factory=Counts)
    last_change_us: int | None = None

    def counted(self, more: Counts, last_change_us: int | None) -> Record:
        """The record with the source's counts added."""
        total = Counts(**{name: getattr(self.counts, name) + getattr(more, name) for name in Counts.model_fields})
        return replace(self, counts=total, last_change_us=last_change_us or self.last_change_us)


def status_of(record: Record) -> TableStatus:
    """The record in the contract's words."""
    return TableStatus(
        oid=record.oid,
        schema=record.target.schema,
        name=record.target.table,
        awaiting_copy=record.awaiting_copy,
        copied_at=record.copied_at,
        last_change_at=None if record.last_change_us is None else _time(record.last_change_us),
        **record.counts.model_dump(),
    )


def watermark_of(row: Sequence[Any]) -> Watermark:
    """The watermark in a row of its table."""
    journal_id, pipeline, batch, lsn, xid, commit_us, applied_us = row
    return Watermark(
        journal_id=journal_id,
        pipeline=pipeline,
        batch=batch,
        lsn=LSN.parse(lsn),
        xid=xid,
        commit_time=None if commit_us is None else _time(commit_us),
        applied_at=_time(applied_us),
    )


def records_of(rows: Iterable[tuple[Any, ...]]) -> dict[int, Record]:
    """The records in rows of `tables`, each table's parts in order."""
    texts: dict[int, list[str]] = {}
    first: dict[int, tuple[Any, ...]] = {}
    for row in rows:
        first.setdefault(row[1], row)
        texts.setdefault(row[1], []).append(row[5] or "")
    return {oid: _record(row, "".join(texts[oid])) for oid, row in first.items()}


def _record(row: tuple[Any, ...], text: str) -> Record:
    _, oid, _, schema, table, _, copied_at, awaiting, may_drop, *counts, last_change_us = row
    said = json.loads(text) if text else {"relation": None, "names": {}}
    return Record(
        oid=oid,
        target=Target(schema=schema, table=table),
        relation=None if said["relation"] is None else _RELATION.validate_python(said["relation"]),
        names={int(attnum): name for attnum, name in said["names"].items()},
        copied_at=None if copied_at is None else LSN.parse(copied_at),
        awaiting_copy=awaiting,
        may_drop=may_drop,
        counts=Counts(**dict(zip(Counts.model_fields, counts, strict=True))),
        last_change_us=last_change_us,
    )


def rows_of(journal_id: str, record: Record) -> list[list[Any]]:
    """The rows that hold a record."""
    text = None
    if record.relation is not None:
        relation = _RELATION.dump_python(record.relation, mode="json")
        text = json.dumps({"relation": relation, "names": record.names}, separators=(",", ":"))
    parts = (
        [text] if text is None else [text[at : at + _PART_CHARACTERS] for at in range(0, len(text), _PART_CHARACTERS)]
    )
    copied_at = None if record.copied_at is None else str(record.copied_at)
    same = [
        copied_at,
        record.awaiting_copy,
        record.may_drop,
        *record.counts.model_dump().values(),
        record.last_change_us,
    ]
    names = [record.target.schema, record.target.table]
    return [[journal_id, record.oid, number, *names, part, *same] for number, part in enumerate(parts)]


def _time(epoch_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=epoch_us)


def timestamp_text(epoch_us: int) -> str:
    """A time in UTC as Redshift reads it."""
    return _time(epoch_us).strftime("%Y-%m-%d %H:%M:%S.%f")
