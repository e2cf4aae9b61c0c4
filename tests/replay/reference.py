"""What test_decoding's text says, read one character at a time: slow, plain, and without any code of the product.

Whoever changes the product's readers compares them with this one; so it must stay obviously right, not fast.
Source: contrib/test_decoding/test_decoding.c, src/bin/pg_basebackup/pg_recvlogical.c
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from replay.reference_rows import Catalog, Change, Version, fit
from replay.reference_text import Characters, Refused, Torn, Value


@dataclass(kw_only=True)
class Reading:
    """`transactions`: those that are whole, each once, in the order in which they end. `end`: behind the last of them.

    `refused`: the byte that no server writes there, and why. `torn`: where a record begins that is not whole.
    `missing`: where the transactions begin that have not come to their end.
    """

    transactions: list[list[Change]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    refused: tuple[int, str] | None = None
    torn: int | None = None
    missing: list[int] = field(default_factory=list)


_OPS: Final = (b"INSERT", b"UPDATE", b"DELETE", b"TRUNCATE")
_FLAGS: Final = (b" (no-flags)", b" restart_seqs cascade", b" restart_seqs", b" cascade")
# What betrays another line inside of one that nobody reads.
_BETRAYERS: Final = (b"BEGIN", b"COMMIT", b"PREPARE", b"TXN ", *(b": " + op + b":" for op in _OPS))


@dataclass
class _Open:
    """A transaction that was begun at `start`; its lines begin at `body`."""

    xid: int | None
    start: int
    body: int
    rows: int = 0
    wrong: Refused | None = None
    changes: list[Change] = field(default_factory=list)


class Reader:
    def __init__(self, data: bytes, catalog: Catalog) -> None:
        self.text = Characters(data, 0)
        self.data = data
        self.catalog = catalog
        self.reading = Reading()
        self.open: _Open | None = None
        self.done: dict[int, bytes] = {}
        self.missing: dict[int, int] = {}
        self.prepared: dict[bytes, tuple[_Open, bytes]] = {}
        self.streamed: set[int | None] = set()
        self.numbered: bool | None = None

    def read(self) -> Reading:
        start = 0
        try:
            while self.text.at < len(self.data):
                start = self.text.at
                self._record()
        except Torn:
            self.reading.torn = start
        except Refused as refused:
            self.reading.refused = refused.at, refused.why
        if self.open is not None:
            self._leave(self.open)
        self.reading.missing = sorted(self.missing.values())
        return self.reading

    def _record(self) -> None:
        start, text = self.text.at, self.text
        if text.comes(b"pg_recvlogical: "):
            while text.take() != b"\n":
                pass
            return
        if text.comes(b"message: "):
            text.message()
        elif text.accept(b"table "):
            self._table()
        elif text.accept(b"BEGIN"):
            self._begin(start)
        elif text.accept(b"COMMIT PREPARED "):
            self._end_prepared(start, commits=True)
        elif text.accept(b"ROLLBACK PREPARED "):
            self._end_prepared(start, commits=False)
        elif text.accept(b"PREPARE TRANSACTION "):
            self._prepare(start)
        elif text.accept(b"COMMIT"):
            self._commit(start)
        else:
            self._streamed()
        text.expect(b"\n")
        if b"\0" in self.data[start : text.at]:
            raise Refused(start, "a NUL")

    # ------------------------------------------------------------------ transactions

    def _xid(self) -> int | None:
        return self.text.number() if self.text.accept(b" ") else None

    def _begin(self, start: int) -> None:
        xid = self._xid()
        self._end_of_line()
        if xid is not None and xid >= 2**32:
            raise Refused(start, "a number that is no xid")
        if self.numbered not in (None, xid is not None):
            raise Refused(start, "with and without xids")
        self.numbered = xid is not None
        if self.open is not None and self.open.xid is None:
            raise Refused(start, "nobody can tell what was sent before")
        if self.open is not None:
            self._leave(self.open)
        self.open = _Open(xid=xid, start=start, body=self.text.at + 1)

    def _leave(self, left: _Open) -> None:
        """It may come again, whole."""
        if left.xid is None or left.xid not in self.done:
            self.missing.setdefault(left.xid or 0, left.start)
        self.open = None

    def _commit(self, start: int) -> None:
        xid = self.text.number() if not self.text.comes(b" (at ") and self.text.accept(b" ") else None
        self._time()
        self._end_of_line()
        ended, self.open = self._opened(start), None
        if ended.xid != xid:
            raise Refused(start, "a COMMIT of another transaction")
        self._give(ended, self.data[ended.body : start], start)

    def _opened(self, start: int) -> _Open:
        if self.open is None:
            raise Refused(start, "outside of a transaction")
        return self.open

    def _give(self, ended: _Open, body: bytes, start: int) -> None:
        if ended.xid is not None:
            known = self.done.get(ended.xid)
            if known is not None and known != body:
                raise Refused(start, "the same xid with other lines")
            if known is not None:
                return
            if ended.rows and set(self.missing) - {ended.xid}:
                raise Refused(start, "another transaction is missing before it")
            self.missing.pop(ended.xid, None)
        if ended.wrong is not None:
            raise ended.wrong
        if ended.rows:
            self.done |= {} if ended.xid is None else {ended.xid: body}
            self.reading.transactions.append(ended.changes)
            self.reading.ends.append(self.text.at + 1)

    def _prepare(self, start: int) -> None:
        gid = self._gid()
        xid = self.text.number() if self.text.accept(b", txid ") else None
        self._time()
        self._end_of_line()
        held, self.open = self._opened(start), None
        if xid != held.xid:
            raise Refused(start, "a PREPARE of another transaction")
        self.missing.pop(held.xid or 0, None)
        self.prepared[gid] = held, self.data[held.body : start]

    def _end_prepared(self, start: int, *, commits: bool) -> None:
        gid = self._gid()
        xid = self.text.number() if self.text.accept(b", txid ") else None
        self._time()
        self._end_of_line()
        held = self.prepared.pop(gid, None)
        if commits and held is not None:
            self._give(*held, start)
        elif commits and xid not in self.done:
            raise Refused(start, "a prepared transaction that is not in the stream")

    def _gid(self) -> bytes:
        self.text.accept(b" ")
        self.text.accept(b"E")
        return self.text.quoted(b"'")

    def _time(self) -> None:
        """A wrong one changes no row."""
        if self.text.accept(b" (at "):
            self.text.to_end_of_record()
            if self.data[self.text.at - 1 : self.text.at] != b")":
                self.text.refuse("a time that does not end")

    def _end_of_line(self) -> None:
        if self.text.peek() != b"\n":
            self.text.refuse("the line should end here")

    def _streamed(self) -> None:
        start = self.text.at
        what, xid = self.text.streamed()
        if what == b"streaming change":
            self.streamed.add(xid)
        elif what == b"aborting":
            self.streamed.discard(xid)
        elif what == b"committing" and xid in self.streamed:
            raise Refused(start, "rows that are not in the stream")

    # ------------------------------------------------------------------ rows

    def _table(self) -> None:
        """A row, or a TRUNCATE. What is wrong with it is refused when its transaction counts, if it ever does."""
        start = self.text.at
        changes: list[Change] = []
        wrong: Refused | None = None
        try:
            changes = self._changes()
        except Refused as refused:
            wrong = refused
            self.text.at = start
            self.text.to_end_of_record()
        open_ = self._opened(start)
        open_.rows += 1
        open_.changes += changes
        open_.wrong = open_.wrong or wrong

    def _changes(self) -> list[Change]:
        text, start = self.text, self.text.at
        names = [self._name()]
        while text.accept(b", "):
            names.append(self._name())
        text.expect(b": ")
        op = next((op for op in _OPS if text.accept(op + b":")), b"")
        if not op or (len(names) > 1 and op != b"TRUNCATE"):
            text.refuse("a change of an unknown kind")
        tables = [(".".join(name), self._versions(start, name)) for name in names]
        changes: list[Change]
        if op == b"TRUNCATE":
            if not any(text.accept(flag) for flag in _FLAGS):
                text.refuse("an unknown flag")
            changes = [(table, "TRUNCATE", None, None) for table, versions in tables if versions]
        elif not tables[0][1]:
            changes = []
            self._pass_over(op)
        else:
            changes = [self._row(op, *tables[0])]
        self._end_of_line()
        return changes

    def _name(self) -> tuple[str, str]:
        schema = self.text.name()
        self.text.expect(b".")
        return schema, self.text.name()

    def _versions(self, start: int, name: tuple[str, str]) -> Sequence[Version]:
        if name not in self.catalog:
            raise Refused(start, "a table that nobody knows")
        return self.catalog[name]

    def _pass_over(self, op: bytes) -> None:
        """A line of a table that is left out: it is not read, unless another line may be in it."""
        text, start = self.text, self.text.at
        text.to_end_of_record()
        if any(word in self.data[start : text.at] for word in _BETRAYERS):
            end, text.at = text.at, start
            text.any_type = True
            self._old_and_new(op)
            text.any_type = False
            if text.at != end:
                text.refuse("the line should end here")

    def _old_and_new(
        self, op: bytes
    ) -> tuple[list[tuple[str, str, Value]] | None, list[tuple[str, str, Value]] | None]:
        text = self.text
        if op == b"DELETE":
            return (None if text.accept(b" (no-tuple-data)") else text.row()), None
        old = None
        if op == b"UPDATE" and text.accept(b" old-key:"):
            old = text.row()
            text.expect(b" new-tuple:")
        return old, text.row()

    def _row(self, op: bytes, table: str, versions: Sequence[Version]) -> Change:
        start = self.text.at
        old, new = self._old_and_new(op)
        for version in versions:
            fitted = fit(op, old, new, version)
            if fitted is not None:
                return (table, op.decode(), *fitted)
        raise Refused(start, "columns that the table has not")


def read(data: bytes, catalog: Catalog) -> Reading:
    """Everything that the text says, up to what no server writes, or its end."""
    return Reader(data, catalog).read()
