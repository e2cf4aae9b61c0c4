"""DuckDB as a warehouse: one file, opened for each load and closed afterwards."""
