"""What the grammar makes of a query."""

from __future__ import annotations

from dataclasses import dataclass

from redshift_standin.names import TableName

Names = frozenset[TableName]
NONE: Names = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """SELECT, WITH … SELECT, and EXPLAIN of them. `sql` runs as it stands, with the client's $n parameters.

    `reads`: user relations only. `system`: system relations and views only, or no relation at all (their reads take no
    snapshot). `into`: SELECT … INTO [TEMP] t makes it a CreateTableAs instead, so it never shows here.
    """

    sql: str
    reads: Names = NONE
    explain: bool = False

    @property
    def system(self) -> bool:
        return not self.reads
