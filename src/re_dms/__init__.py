"""re_dms keeps warehouse tables equal to Postgres tables through logical replication.

The command line is `re-dms` (`python -m re_dms`). As a library, import from the rooms: `localpg`, `re_dms.lsn` …
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
