"""The load counts what it committed: Postgres's own decoding of the WAL is the judge."""

import re
import time
from collections import Counter

from fix_postgres import Database
from re_dms.demo.load import Load
from re_dms.demo.shop import TABLES, Sizes, create

KINDS = {"INSERT": "inserts", "UPDATE": "updates", "DELETE": "deletes", "TRUNCATE": "truncates"}
SECONDS_MAX = 20.0


def decoded(database: Database) -> Counter[tuple[str, str]]:
    """Changes by (table, kind) as test_decoding tells them."""
    found: Counter[tuple[str, str]] = Counter()
    rows = database.fetch("select data from pg_logical_slot_get_changes('judge', null, null)")
    for (line,) in rows:
        told = re.match(r'table public\.(?:"(\w+)"|(\w+)): (\w+):', line)
        if told:
            found[told[1] or told[2], KINDS[told[3]]] += 1
    return found


def test_the_load_counts_exactly_what_it_commits_and_leaves_no_kind_of_change_out(database: Database) -> None:
    sizes = Sizes.at(0.05, body_bytes=100_000)
    with database.connect() as connection:
        create(connection, sizes)
    database.execute("select pg_create_logical_replication_slot('judge', 'test_decoding')")
    load = Load(database.dsn, sizes, threads=2, pause_seconds=0)
    load.start()
    load.truncate_soon()
    deadline = time.monotonic() + SECONDS_MAX
    while load.transactions < 1500 and load.failure is None and time.monotonic() < deadline:
        time.sleep(0.02)
    done = load.stop()
    assert done == decoded(database)
    assert done["carts", "truncates"] == 1
    kinds = [(table, kind) for table in TABLES for kind in ("inserts", "updates", "deletes")]
    assert [each for each in kinds if done[each] == 0] == []


def test_the_shop_has_no_empty_table_at_any_scale(database: Database) -> None:
    with database.connect() as connection:
        create(connection, Sizes.at(0.000001, body_bytes=100_000))
        for table in TABLES:
            assert connection.execute(f'select 1 from "{table}" offset 9').fetchone()
