"""What the targets would gain from VACUUM and ANALYZE, and doing it where the configuration asks for it.

Deleted rows stay as ghosts until VACUUM DELETE, which Redshift runs by itself when its load is low.
https://docs.aws.amazon.com/redshift/latest/dg/r_VACUUM_command.html, …/r_SVV_TABLE_INFO.html
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from re_dms.warehouse.redshift.names import Target

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.drivers import Session

GHOSTS_MAX: Final = 0.2
"""The share of deleted rows above which a VACUUM is advised."""
STALE_PERCENT_MAX: Final = 10.0
"""How far off statistics may be (svv_table_info.stats_off) before an ANALYZE is advised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One statement that helps, with why. It runs outside of transactions only."""

    target: Target
    statement: str
    reason: str


def advice(session: Session, targets: Collection[Target]) -> list[Advice]:
    """What is worth doing for these tables; empty when Redshift knows of nothing."""
    wanted = set(targets)
    rows = session.execute(
        'select "schema", "table", tbl_rows, estimated_visible_rows, stats_off from svv_table_info order by 1, 2'
    ).rows
    found = []
    for schema, table, all_rows, visible, stale in rows:
        target = Target(schema=schema, table=table)
        if target not in wanted:
            continue
        ghosts = 0.0 if not all_rows or visible is None else 1 - float(visible) / float(all_rows)
        if ghosts > GHOSTS_MAX:
            found.append(
                Advice(
                    target=target,
                    statement=f"vacuum delete only {target.sql}",
                    reason=f"{ghosts:.0%} of its rows are deleted and take room",
                )
            )
        if stale is not None and float(stale) > STALE_PERCENT_MAX:
            found.append(
                Advice(
                    target=target,
                    statement=f"analyze {target.sql}",
                    reason=f"its statistics are {float(stale):.0f}% off",
                )
            )
    return found
