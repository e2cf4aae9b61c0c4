"""What the tests of this room start from."""

from typing import Any

from fix_postgres import Database
from re_dms.settings import SourceSettings


def settings_for(database: Database, **values: Any) -> SourceSettings:
    """Settings with a slot of the database's own: slots belong to the server, which other tests use too."""
    return SourceSettings(**{"dsn": database.dsn, "slot": f"slot_{database.name}", "publication": "pub", **values})
