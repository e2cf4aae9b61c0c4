"""Whether what the product gave of some bytes is what the reference reads of them."""

from __future__ import annotations

import re

from re_dms.errors import ChangesMissing, RelationChanged, SourceError
from replay.in_process import Outcome
from replay.reference import read
from replay.reference_rows import Catalog, Change

_PLACE = re.compile(r"descriptor \d+, line \d+, byte (\d+)")


def saying(transactions: list[list[Change]]) -> list[list[Change]]:
    """Those with changes of tables that are carried: whether an empty one counts depends on the size of blocks."""
    return [changes for changes in transactions if changes]


def assert_true_or_told(data: bytes, catalog: Catalog, outcome: Outcome) -> None:
    """What came out is what the reference reads; if not all of it, an error or a torn place says where."""
    reading = read(data, catalog)
    given = saying(outcome.transactions)
    expected = saying(reading.transactions)
    assert given == expected[: len(given)]
    places = [int(found[1]) for told in outcome.told if (found := _PLACE.search(told))]
    assert len(places) == len(outcome.told)
    if outcome.error is not None:
        assert isinstance(outcome.error, SourceError | ChangesMissing | RelationChanged)
        assert _PLACE.search(outcome.error.message) or isinstance(outcome.error, RelationChanged)
        return
    assert len(given) == len(expected)
    if reading.refused is not None:
        assert places, reading.refused
        assert min(places) <= reading.refused[0]
    else:
        assert sorted(places) == sorted([*reading.missing, *([] if reading.torn is None else [reading.torn])])
