"""The reader's half of copies: whole lines in regions, whatever their size, over several sessions, and tables that change."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
import pytest
from pydantic import TypeAdapter

from fix_postgres import Database
from re_dms.decode.copy import find_lines
from re_dms.errors import SourceError
from re_dms.pipeline.buffers import SharedBuffer
from re_dms.pipeline.channel import Channel, Closed
from re_dms.pipeline.copies import split
from re_dms.pipeline.copying import Copying
from re_dms.schema import Relation
from re_dms.settings import SourceSettings
from re_dms.source.catalog import describe
from re_dms.source.connection import connect
from re_dms.source.relations import relation_from_catalog
from re_dms.source.replication import ReplicationConnection
from source.given import settings_for

NULL = "n0123"
_RELATION = TypeAdapter(Relation)


@dataclass
class World:
    """A database with an exported snapshot, and the encoder's end of the line."""

    database: Database
    settings: SourceSettings
    encoder: Channel
    reader: Channel
    snapshot: str
    regions: dict[int, SharedBuffer] = field(default_factory=dict)
    lines: dict[int, list[bytes]] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    altered: list[int] = field(default_factory=list)

    def order(self, name: str, *, row_filter: str | None = None, ranges: Any = (None,)) -> dict[str, Any]:
        with connect(self.settings, purpose="copy") as session:
            oid = session.execute("select %s::regclass::oid::int8", [f"public.{name}"]).fetchall()[0][0]
            relation = relation_from_catalog(describe(session, [oid])[oid])
        told = {"relation": _RELATION.dump_python(relation, mode="json"), "partitioned": False}
        return {"do": "copy", "null": NULL, "row_filter": row_filter, "ranges": list(ranges), **told}

    def copy(self, *orders: dict[str, Any], connections: int = 2, capacity: int = 64 * 1024) -> None:
        """Carry out the orders, as the encoder would have it."""
        copying = Copying(
            self.settings, self.reader, list(orders), snapshot=self.snapshot, capacity=capacity, connections=connections
        )  # fmt: skip
        failed: list[BaseException] = []

        def run() -> None:
            try:
                copying.run()
                copying.close()
            except BaseException as error:  # noqa: BLE001
                failed.append(error)
                with contextlib.suppress(BufferError):  # the error's own traceback holds a region
                    copying.close()
                self.reader.close()

        thread = threading.Thread(target=run)
        thread.start()
        with contextlib.suppress(Closed):  # the reader has gone: the error tells why
            while self._take(self.encoder.receive(60)):
                pass
        thread.join()
        if failed:
            raise failed[0]

    def _take(self, message: dict[str, Any] | None) -> bool:
        match message:
            case {"do": "buffers", "numbers": numbers, "capacity": capacity}:
                for number in numbers:
                    self.regions[number] = SharedBuffer(self.encoder.descriptors.pop(0), capacity)
            case {"do": "part", "buffer": number, "bytes": size, "oid": oid, "ends": ends}:
                region = np.frombuffer(bytes(self.regions[number].payload[:size]), dtype=np.uint8)
                starts, lengths = find_lines(region)
                found = [region[s + 5 : s + 5 + n].tobytes() for s, n in zip(starts, lengths, strict=True)]
                self.lines.setdefault(oid, []).extend(found)
                self.ended += [oid] * ends
                if number >= 0:
                    self.regions.pop(number).close()
                self.encoder.send({"freed": number})
            case {"did": "altered", "oid": oid}:
                self.altered.append(oid)
            case _:  # "forget": all has been said
                assert message is not None
                return False
        return True


@pytest.fixture
def world(database: Database) -> Iterator[Callable[[], World]]:
    settings = settings_for(database)
    with ReplicationConnection.open(settings) as holder:

        def make() -> World:
            encoder, reader = Channel.pair()
            return World(database, settings, encoder, reader, holder.create_temporary_slot().snapshot)

        made: list[World] = []

        def kept() -> World:
            made.append(make())
            return made[-1]

        yield kept
        for each in made:
            each.encoder.close()
            each.reader.close()
            for region in each.regions.values():
                region.close()


def selected(database: Database, query: str) -> list[bytes]:
    return sorted(b",".join(b'"%s"' % str(v).encode() for v in row) + b"\n" for row in database.fetch(query))


@pytest.mark.parametrize("connections", [1, 3])
def test_lines_of_all_sizes_arrive_once_and_whole(
    database: Database, world: Callable[[], World], connections: int
) -> None:
    """Lines that are longer than a region, that fill one to the byte, and that are next to nothing."""
    database.execute(
        "create table t as select i, repeat(chr(97 + i % 26), case when i % 97 = 0 then 70000 + i when i % 7 = 0 then"
        " 5000 + i else i % 3 end) as v from generate_series(1, 1000) i;"
        # A line of 60 bytes in its message: 1,008 of them and 64 bytes fill 64 kB.
        "create table u as select 1000 + i as i, repeat('y', 47) as v from generate_series(1, 5000) i;"
        "create table nothing (i int, v text)"
    )
    there = world()
    orders = [there.order("t", ranges=[(0, 40), (40, 41), (41, None)]), there.order("u"), there.order("nothing")]
    there.copy(*orders, connections=connections)
    oids = [order["relation"]["oid"] for order in orders]
    assert sorted(there.lines[oids[0]]) == selected(database, "select i, v from t")
    assert sorted(there.lines[oids[1]]) == selected(database, "select i, v from u")
    assert there.lines[oids[2]] == []
    assert sorted(there.ended) == sorted([oids[0]] * 3 + oids[1:])
    assert there.altered == []


def test_a_table_that_changes_between_two_of_its_ranges_is_given_up_and_the_others_are_copied(
    database: Database, world: Callable[[], World]
) -> None:
    database.execute(
        "create table t (a int); create table u (a int); insert into t values (1); insert into u values (2)"
    )
    there = world()
    first = there.order("t", ranges=[(0, 1), (1, 2), (2, None)], row_filter="pg_advisory_lock_shared(7) is not null")
    second = there.order("u")
    with database.connect() as holder, database.connect() as other:
        holder.execute("select pg_advisory_lock(7)")

        def truncate() -> None:
            other.execute("truncate t")

        def let_go() -> None:
            # The copy holds the table and waits for us; TRUNCATE stands behind it, and before the copy's next range.
            waiting = "select count(*) from pg_locks where not granted and pid <> pg_backend_pid()"
            while database.fetch(waiting) != [(2,)]:
                threading.Event().wait(0.02)
            holder.execute("select pg_advisory_unlock(7)")

        threads = [threading.Thread(target=each) for each in (truncate, let_go)]
        threads[1].start()

        def begin() -> None:
            held = "select count(*) from pg_locks where not granted and locktype = 'advisory'"
            while database.fetch(held) != [(1,)]:
                threading.Event().wait(0.02)
            threads[0].start()

        starter = threading.Thread(target=begin)
        starter.start()
        there.copy(first, second, connections=1)
        for thread in (starter, *threads):
            thread.join()
    oid, other_oid = first["relation"]["oid"], second["relation"]["oid"]
    assert there.altered == [oid]
    assert there.ended == [oid, other_oid]
    assert there.lines[other_oid] == [b'"2"\n']


def test_a_row_that_cannot_be_read_is_told_by_the_name_of_its_table(
    database: Database, world: Callable[[], World]
) -> None:
    database.execute("create table t as select i from generate_series(1, 20000) i")
    there = world()
    with pytest.raises(SourceError, match=r"copying table public\.t failed: .*22012"):
        there.copy(there.order("t", row_filter="1 / (i - 15000) is not null"))


def test_notices_in_between_are_no_lines(database: Database, world: Callable[[], World]) -> None:
    """One that looks like the border of a line, too."""
    database.execute(
        "create table t as select i from generate_series(1, 30000) i; create function loud(i int) returns bool language"
        " plpgsql as $$ begin if i % 1000 = 0 then raise warning E'%\\nd', i; end if; return true; end $$"
    )
    there = world()
    order = there.order("t", row_filter="public.loud(i)")
    there.copy(order)
    assert sorted(there.lines[order["relation"]["oid"]]) == selected(database, "select i from t")


def test_ranges_cover_a_table_once() -> None:
    assert split(0, 2) == split(2047, 2) == split(100_000, 1) == [None]
    assert split(2048, 2) == [(0, 1024), (1024, None)]
    for pages, connections in ((5_000, 2), (123_457, 3), (10_000_000, 16)):
        ranges = split(pages, connections)
        assert len(ranges) >= min(2 * connections, pages // 1024)
        known = [each for each in ranges if each is not None]
        assert known[0][0] == 0
        assert known[-1][1] is None
        assert [low for low, _ in known[1:]] == [high for _, high in known[:-1]]
        assert max((high or pages) - low for low, high in known) <= 8192 + 1


def test_a_session_that_dies_ends_the_copies(database: Database, world: Callable[[], World]) -> None:
    database.execute("create table t as select i, repeat('x', 1000) as v from generate_series(1, 20000) i")
    there = world()
    with pytest.raises((SourceError, psycopg.Error), match=r"public\.t"):
        there.copy(there.order("t", row_filter="i < 15000 or pg_terminate_backend(pg_backend_pid())"))
