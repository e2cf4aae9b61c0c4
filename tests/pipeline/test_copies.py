"""Copies beside an application that goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from fix_pipeline import Pipeline


def test_a_table_that_is_truncated_under_the_copy_is_copied_later_and_the_others_are_not_held_up(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """A truncated table shows no rows to an older snapshot; the copy must see that, and copy it under a new one."""
    database = pipeline.database
    for name in ("before", "emptied", "later"):
        database.execute(f"create table {name} (id int primary key); insert into {name} select generate_series(1, 50)")
    once = {"RE_DMS_FAILPOINTS": "copy.snapshot:stop", "RE_DMS_FAILPOINT_ONCE": str(tmp_path)}
    running = pipeline.start("run", "--until-caught-up", "--json", environment=once)
    running.wait_for("planned")
    reader = running.children()["reader"]
    running.wait_for_stop(reader)
    database.execute("truncate emptied; insert into emptied values (7)")
    os.kill(reader, signal.SIGCONT)
    finished = running.finish()
    assert finished.code == 0, finished.log
    assert [line["table"] for line in running.events("copied")] == ["public.before", "public.later", "public.emptied"]
    assert len(running.events("restarting")) == 1
    pipeline.assert_equal("before", "emptied", "later")
