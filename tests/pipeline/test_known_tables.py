"""What capture knows of its tables, and forgets with a batch that was given up."""

from __future__ import annotations

from compact.source import relation
from re_dms.lsn import LSN
from re_dms.pipeline.relations import KnownTables

TABLE = relation(2, (1,))


def test_a_copy_counts_from_its_position_at_once() -> None:
    known = KnownTables({})
    assert known.copied_at == {}
    known.copied(TABLE, LSN(10))
    assert known.copied_at == {TABLE.oid: LSN(10)}
    known.copied(TABLE, LSN(20))
    assert known.copied_at == {TABLE.oid: LSN(20)}


def test_a_copy_is_forgotten_with_its_batch() -> None:
    known = KnownTables({})
    known.copied(TABLE, LSN(10))
    known.sealed()
    known.copied(TABLE, LSN(20))
    assert known.copied_at == {TABLE.oid: LSN(20)}
    known.revert()
    assert known.copied_at == {TABLE.oid: LSN(10)}
