"""What may be removed from the journal: what the warehouse has, never by age (protocol line 11)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial

from re_dms.failpoints import failpoint
from re_dms.journal import keys
from re_dms.journal.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What a pruning took away."""

    objects: int = 0
    bytes: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(objects=self.objects + other.objects, bytes=self.bytes + other.bytes)


def prune(journal: Journal, applied_number: int, *, dry_run: bool = False) -> Removed:
    """Remove the batches below `applied_number`, which the warehouse must have committed; safe to repeat after a crash.

    With `dry_run` nothing is removed, and what would be is counted.

    The applied batch and the newest stay. In ascending order, so that the batches that are there never have a gap: all
    data of a number, then its manifest. Data of other writers goes with the number: the manifest (there, or applied
    and pruned before) does not list it, so nobody ever will.
    """
    numbers = journal.numbers()
    if not numbers:
        return Removed()
    limit = min(applied_number, numbers[-1])
    by_number: dict[int, dict[str, int]] = defaultdict(dict)
    for key, size in journal.store.sizes(keys.DATA).items():
        number = keys.number_of(key)
        if number is not None and number < limit:
            by_number[number][key] = size
    for key, size in journal.store.sizes(keys.LOADS).items():  # left behind by loads that were killed
        number = keys.number_of(key)
        if number is not None and number < limit:
            by_number[number][key] = size
    manifests = journal.store.sizes(keys.BATCHES)
    removed = Removed()
    remove = partial(_remove, dry_run=dry_run)
    for number in sorted({number for number in numbers if number < limit} | by_number.keys()):
        removed += remove(journal, by_number.get(number, {}))
        if not dry_run:
            failpoint("retention.data_removed")
        manifest = keys.manifest_key(number)
        if manifest in manifests:
            removed += remove(journal, {manifest: manifests[manifest]})
            if not dry_run:
                failpoint("retention.manifest_removed")
    return removed + remove(journal, _unreferenced(journal, [number for number in numbers if number >= limit]))


def _unreferenced(journal: Journal, remaining: list[int]) -> dict[str, int]:
    """The registries and segments older than all remaining batches that none of them refers to."""
    sizes = journal.store.sizes(keys.REGISTRIES) | journal.store.sizes(keys.STREAMS)
    older = {key for key in sizes if (number := keys.number_of(key)) is not None and number < remaining[0]}
    for number in remaining:
        if not older:  # mostly after the first: the oldest batch refers to those that are left
            break
        manifest = journal.manifest(number)
        if manifest is not None:
            older.discard(manifest.registry.key)
            older.difference_update(ref.key for ref in manifest.completed)
    return {key: sizes[key] for key in older}


def _remove(journal: Journal, objects: dict[str, int], *, dry_run: bool) -> Removed:
    if not dry_run:
        journal.store.delete(sorted(objects))
    return Removed(objects=len(objects), bytes=sum(objects.values()))
