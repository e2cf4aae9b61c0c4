"""The tables of a text in which nothing is wrong, told by their lines alone."""

from __future__ import annotations

from collections.abc import Sequence

from replay.reference import Reader
from replay.reference_rows import Catalog, Change, Version


class _Learner(Reader):
    """Takes every row as it comes, and remembers how it looked."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, {})
        self.versions: dict[tuple[str, str], list[tuple[tuple[str, str], ...]]] = {}
        self.keys: dict[tuple[str, str], set[str]] = {}

    def _versions(self, start: int, name: tuple[str, str]) -> Sequence[Version]:
        self.name = name
        self.versions.setdefault(name, [])
        return (Version(columns=()),)

    def _row(self, op: bytes, table: str, versions: Sequence[Version]) -> Change:
        old, new = self._old_and_new(op)
        if new is not None and (version := tuple(column[:2] for column in new)) not in self.versions[self.name]:
            self.versions[self.name].append(version)
        self.keys.setdefault(self.name, set()).update(column[0] for column in old or ())
        return table, op.decode(), None, None


def learn(data: bytes, *, full: Sequence[tuple[str, str]]) -> Catalog:
    """The tables of a text in which nothing is wrong, from their lines. `full`: those whose identity is the whole row."""
    learner = _Learner(data)
    reading = learner.read()
    assert (reading.refused, reading.torn) == (None, None)
    return {
        name: tuple(
            Version(
                columns=columns,
                key=() if name in full else tuple(each for each, _ in columns if each in learner.keys.get(name, ())),
                identity="f" if name in full else "d",
            )
            for columns in versions or [()]
        )
        for name, versions in learner.versions.items()
    }
