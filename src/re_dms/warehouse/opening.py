"""Opening a warehouse by its address."""

from __future__ import annotations

from urllib.parse import urlsplit

from re_dms.errors import ConfigurationError
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.base import Warehouse


def open_warehouse(settings: WarehouseSettings) -> Warehouse:
    """The warehouse at `settings.url` (duckdb:///absolute/file.duckdb, redshift://user@host:5439/db). Touches nothing yet.

    Raises ConfigurationError for a URL that names no warehouse we know.
    """
    scheme = urlsplit(settings.url).scheme
    if scheme == "duckdb":
        from re_dms.warehouse.duckdb.warehouse import DuckDBWarehouse

        return DuckDBWarehouse(settings.url)
    if scheme == "redshift":
        from re_dms.warehouse.redshift.warehouse import RedshiftWarehouse

        return RedshiftWarehouse(settings)
    raise ConfigurationError(
        f"no warehouse of kind {scheme!r}",
        remedy="use duckdb:///absolute/file.duckdb or redshift://user@host:5439/database",
    )
