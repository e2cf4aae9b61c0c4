"""What the targets would gain from VACUUM and ANALYZE, and doing it where the configuration asks for it.

Deleted rows stay as ghosts until VACUUM DELETE, which Redshift runs by itself when its load is low.
https://docs.aws.amazon.com/redshift/latest/dg/r_VACUUM_command.html, …/r_SVV_TABLE_INFO.html
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from re_dms.warehouse.redshift.failures import ConnectionLost, Refused, failure
from re_dms.warehouse.redshift.names import Target

if TYPE_CHECKING:
    from re_dms.warehouse.redshift.drivers import Session

GHOSTS_MAX: Final = 0.2
"""The share of deleted rows above which a VACUUM is advised."""
STALE_PERCENT_MAX: Final = 10.0
"""How far off statistics may be (svv_table_info.stats_off) before an ANALYZE is advised."""

_LOOK_SECONDS: Final = 3600.0
_STATEMENT_MS_MAX: Final = 300_000  # nothing is loaded meanwhile


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


class Maintenance:
    """Runs what is advised, one statement a call: a batch that has come meanwhile is loaded before the next one.

    In a session of its own, since VACUUM is refused in a transaction and may be cancelled.
    """

    def __init__(self, connect: Callable[[], Session], clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._look_at = float("-inf")
        self._waiting: deque[Advice] = deque()

    def run(self, targets: Callable[[], Collection[Target]]) -> tuple[str, ...]:
        """The statement that was run, if any; what is due is looked for every hour. Takes five minutes at most.

        Raises WarehouseError for a statement that failed: it is not repeated before the next look, the others go on.
        """
        if not self._waiting and self._clock() < self._look_at:
            return ()
        session = self._connect()
        doing = "looking at svv_table_info"
        try:
            if not self._waiting:
                self._look_at = self._clock() + _LOOK_SECONDS
                self._waiting.extend(advice(session, targets()))
            if not self._waiting:
                return ()
            doing = self._waiting.popleft().statement
            session.execute(f"set statement_timeout to {_STATEMENT_MS_MAX}")
            session.execute(doing)
        except Refused as refused:
            raise failure(refused.refusal, doing=doing) from None
        except ConnectionLost as lost:
            raise lost.unavailable() from None
        finally:
            session.close()
        return (doing,)
