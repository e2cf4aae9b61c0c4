"""Opening a warehouse by its address."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from re_dms.errors import ConfigurationError

if TYPE_CHECKING:
    from re_dms.warehouse.duckdb.warehouse import DuckDBWarehouse


def open_warehouse(url: str) -> DuckDBWarehouse:
    """The warehouse that `url` names (duckdb:///absolute/file.duckdb). Touches nothing yet.

    Raises ConfigurationError for a URL that names no warehouse we know.
    """
    scheme = urlsplit(url).scheme
    if scheme == "duckdb":
        from re_dms.warehouse.duckdb.warehouse import DuckDBWarehouse

        return DuckDBWarehouse(url)
    raise ConfigurationError(
        f"no warehouse of kind {scheme!r}", remedy="use a URL of the form duckdb:///absolute/file.duckdb"
    )
