"""What COPY will read for one step: the journal's own files, or files made of them where values or copies ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from re_dms.errors import WarehouseError
from re_dms.manifest import Changes, Copy, DataFile
from re_dms.schema import KeyKind, Relation
from re_dms.warehouse.base import Files
from re_dms.warehouse.redshift.ddl import copy_again

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.policies import Policies


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The files of one step, with the same columns and at least one. `ops`: rows per op. `odd`: attnums staged as SUPER.

    `altered` is a DataFrame (column, key, reason, policy) of what policies changed, None when nothing was.
    """

    files: tuple[DataFile, ...]
    ops: dict[str, int]
    odd: frozenset[int] = frozenset()
    altered: Any = None

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)


def prepare(
    relation: Relation, step: Changes | Copy, files: Files, policies: Policies, *, name: str, batch_words: str
) -> Prepared:
    """The files for one step, which has at least one.

    Only files with odd values, and those of tables without a key (rows with a count), are read and written anew.
    Raises ValueDoesNotFit, WarehouseError for deletes of rows without a key.
    """
    from re_dms.warehouse.redshift.adapt import needs

    ops = dict(step.ops) if isinstance(step, Changes) else {"I": sum(file.rows for file in step.files)}
    ops = {op: count for op, count in ops.items() if count}
    if relation.key_kind is KeyKind.COUNTED and set(ops) - {"I"}:
        raise WarehouseError(
            f"{relation.full_name}: rows were updated or deleted, and the table has no key by which Redshift finds them; "
            f"{batch_words}",
            remedy=f"give the table a primary key, then {copy_again(relation)}; or exclude it",
        )
    counted = "n" in step.files[0].columns
    odd = frozenset[int]().union(*(needs(relation, file) for file in step.files))
    if not odd and not counted:
        return Prepared(files=step.files, ops=ops)
    return _written(relation, step, files, policies, odd=odd, name=name, batch_words=batch_words, ops=ops)


def _written(
    relation: Relation,
    step: Changes | Copy,
    files: Files,
    policies: Policies,
    *,
    odd: frozenset[int],
    name: str,
    batch_words: str,
    ops: dict[str, int],
) -> Prepared:
    import polars as pl

    from re_dms.warehouse.redshift.adapt import adapt

    written, altered, staged = [], [], frozenset[int]()
    for number, file in enumerate(step.files):
        frame = files.read(file)
        if "n" in frame.columns:
            # As many equal rows as the count says.
            repeated = pl.int_ranges(pl.col("n").cast(pl.Int64)).alias("n")
            frame = frame.with_columns(repeated).explode("n").drop("n")
        if odd:
            adapted = adapt(frame, relation, odd, policies, batch_words=batch_words)
            frame, staged = adapted.frame, staged | adapted.odd
            if adapted.altered.height:
                altered.append(adapted.altered)
        written.append(files.write(frame, f"{name}-{number}"))
    if relation.key_kind is KeyKind.COUNTED and "I" in ops:
        ops = {"I": sum(file.rows for file in written)}
    return Prepared(files=tuple(written), ops=ops, odd=staged, altered=pl.concat(altered) if altered else None)
