"""Groups: when apply is behind, consecutive batches are folded into one, so that N batches do not cost N merges.

The fold is a manifest like any other: what lies between barriers of a table (a truncate, a copy, an alteration, another
version of the relation) is one step with files of its own, in the load's room of the journal.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from re_dms.errors import InvariantError
from re_dms.manifest import Altered, Changes, Copy, Counts, DataFile, Diverged, Manifest, Step, TableChanges
from re_dms.pipeline.parts import Parts
from re_dms.schema import Relation
from re_dms.warehouse.base import Files, GroupLimits

if TYPE_CHECKING:
    import polars as pl

_QUANTILES: Final = 21


def stands_alone(manifest: Manifest) -> bool:
    """Whether a batch is never grouped: a copy, one that forgets tables, one at which apply stops by name."""
    stops = any(isinstance(step, Diverged) for table in manifest.tables for step in table.steps)
    return manifest.kind != "stream" or bool(manifest.dropped_tables) or stops


def take_group(
    first: Manifest, limits: GroupLimits, following: Callable[[int], Manifest | None]
) -> tuple[list[Manifest], Manifest | None]:
    """The batches from `first` on that may be loaded at once, and the one that was read in vain, if any.

    `following` reads a batch by its number, None when it is not there yet. At least `first` is taken.
    """
    group = [first]
    if stands_alone(first):
        return group, None
    size = _size(_files_of(first))
    while len(group) < limits.batches and size.within(limits):
        manifest = following(group[-1].number + 1)
        if manifest is None:
            break
        size += _size(_files_of(manifest))
        if stands_alone(manifest) or not size.within(limits):
            return group, manifest
        group.append(manifest)
    return group, None


def fold_group(
    manifests: Sequence[Manifest], files: Files, *, limits: GroupLimits | None = None, slices: int = 1
) -> Manifest:
    """One manifest that stands for consecutive batches: loading it has the end state of loading them in turn.

    Reads and writes data files through `files`, at most `limits` of a table's at once. A batch alone is returned as it is
    unless it changes a table in several steps. Raises SourceError when the changes cannot follow one another,
    ChangesMissing for a missing data file, InvariantError for batches that are not consecutive or stand alone.
    """
    first, last = manifests[0], manifests[-1]
    for before, after in pairwise(manifests):
        if (
            after.number != before.number + 1
            or after.start != before.end
            or stands_alone(before)
            or stands_alone(after)
        ):
            raise InvariantError(f"batch {after.number} cannot be folded into one with batch {before.number}")
    fold = _Fold(files=files, limits=limits or GroupLimits(), parts=Parts(slices))
    merged: dict[int, _Table] = {}
    for table in (table for manifest in manifests for table in manifest.tables):
        merged.setdefault(table.oid, _Table(table.oid)).add(table)
    tables = tuple(fold.table(table) for table in merged.values())
    if len(manifests) == 1 and tables == first.tables:
        return first
    return last.model_copy(
        update={
            "start": first.start,
            "transactions": sum(manifest.transactions for manifest in manifests),
            "changes": sum(manifest.changes for manifest in manifests),
            "commit_times_us": _commit_times(manifests),
            "tables": tables,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    bytes: int = 0
    rows: int = 0

    def __add__(self, other: _Size) -> _Size:
        return _Size(bytes=self.bytes + other.bytes, rows=self.rows + other.rows)

    def within(self, limits: GroupLimits) -> bool:
        return self.bytes <= limits.bytes and self.rows <= limits.rows


def _size(files: Iterable[DataFile]) -> _Size:
    return sum((_Size(bytes=file.bytes, rows=file.rows) for file in files), _Size())


def _files_of(manifest: Manifest) -> list[DataFile]:
    steps = [step for table in manifest.tables for step in table.steps]
    return [file for step in steps if isinstance(step, Changes | Copy) for file in step.files]


@dataclass(slots=True)
class _Table:
    """What several batches do to one table, in order."""

    oid: int
    relations: list[Relation] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)

    def add(self, changes: TableChanges) -> None:
        places = []
        for relation in changes.relations:
            if not self.relations or self.relations[-1] != relation:
                self.relations.append(relation)
            places.append(len(self.relations) - 1)
        self.steps += [step.model_copy(update={"relation": places[step.relation]}) for step in changes.steps]
        self.counts.append(changes.counts)

    def folded(self, steps: Sequence[Step]) -> TableChanges:
        names = Counts.model_fields
        counts = {name: sum(getattr(each, name) for each in self.counts) for name in names}
        return TableChanges(oid=self.oid, relations=tuple(self.relations), steps=tuple(steps), counts=Counts(**counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fold:
    """Folds the steps of tables. Several steps of a table become one where nothing stands between them."""

    files: Files
    limits: GroupLimits
    parts: Parts

    def table(self, table: _Table) -> TableChanges:
        steps: list[Step] = []
        run: list[Changes] = []
        size = last = _Size()
        for step in table.steps:
            more = _size(step.files) if isinstance(step, Changes) else _Size()
            if run and not (
                isinstance(step, Changes)
                and table.relations[step.relation] == table.relations[run[-1].relation]
                and (size + more).within(self.limits)
                and max(last.rows, more.rows) <= self.limits.step_rows
            ):
                steps.append(self._run(table, run))
                run, size = [], _Size()
            last = more
            if isinstance(step, Changes):
                run.append(step)
                size += more
            else:
                steps.append(step)
        if run:
            steps.append(self._run(table, run))
        return table.folded(steps)

    def _run(self, table: _Table, run: Sequence[Changes]) -> Step:
        """One step for consecutive ones of one relation; one alone stays as it is."""
        from re_dms.compact.refold import refold  # an apply that never folds does without Polars

        if len(run) == 1:
            return run[0]
        relation = table.relations[run[-1].relation]
        folded = refold(relation, [self._rows(step) for step in run])
        if not folded.ops:
            # Nothing is left to do but to count the changes: a step of its own says so.
            return Altered(relation=run[-1].relation)
        odd: dict[str, int] = {}
        for file in (file for step in run for file in step.files):
            for attnum, count in file.odd.items():
                odd[attnum] = odd.get(attnum, 0) + count
        written = self.parts.write(folded.frame, partial(self.files.write, name=str(table.oid)))
        # An upper bound in each file: it only says that the column has to be looked at.
        files = tuple(file.model_copy(update={"odd": odd}) for file in written)
        return Changes(relation=run[-1].relation, files=files, ops=folded.ops)

    def _rows(self, step: Changes) -> pl.DataFrame:
        """A step's rows; each key stands at most once in all of its files."""
        import polars as pl

        return pl.concat([self.files.read(file) for file in step.files], how="diagonal")


def _commit_times(manifests: Sequence[Manifest]) -> tuple[int, ...]:
    """Up to 21 commit times by rank; each batch's stand for its transactions in equal shares."""
    weighed = sorted(
        (time, manifest.transactions / len(manifest.commit_times_us))
        for manifest in manifests
        for time in manifest.commit_times_us
    )
    if len(weighed) <= _QUANTILES:
        return tuple(time for time, _ in weighed)
    ranks = list(accumulate(weight for _, weight in weighed))
    wanted = [ranks[-1] * step / (_QUANTILES - 1) for step in range(_QUANTILES)]
    return tuple(weighed[min(bisect_left(ranks, rank), len(weighed) - 1)][0] for rank in wanted)
