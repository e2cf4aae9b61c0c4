"""A load that is killed, or that fails, at any of its steps: loading again gives what an undisturbed load gives."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nightly import nightly
from re_dms.errors import WarehouseUnavailable
from re_dms.failpoints import NAMES
from re_dms.manifest import Manifest, Truncate
from warehouse.building import ORDERS, Bench, bench, column, relation, table
from warehouse.duckdb_file import program

STEPS = [name for name in NAMES if name.startswith("apply.") and name not in ("apply.found", "apply.mirrored")]


def prepared(folder: Path) -> tuple[Bench, list[Manifest]]:
    """A warehouse with two tables, and batches that use every kind of step."""
    made = bench(folder)
    other = relation(*ORDERS.columns, oid=101, name="other")
    wider = relation(*ORDERS.columns, column(4, "more", missing="m"))
    made.load(*(table(rel, made.journal.copy(rel, ["1", "a", "1"], ["2", "b", "2"])) for rel in (ORDERS, other)))
    first = made.journal.batch(
        2,
        table(
            (ORDERS, wider),
            made.journal.changes(ORDERS, {"op": "P", "mask": "2", "f1": "1", "c1": "3"}, {"op": "D", "c1": "1"}),
            made.journal.changes(wider, {"op": "U", "c1": "4", "c4": "x"}, index=1),
            updates=1,
        ),
        table(other, Truncate(relation=0), made.journal.changes(other, {"op": "U", "c1": "9"}), truncates=1),
    )
    third = relation(column(1, "id"), oid=102, name="third")
    second = made.journal.batch(3, table(third, made.journal.copy(third, ["x"]), copied=1))
    return made, [first, second]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[object, ...]]]:
    made, manifests = prepared(tmp_path_factory.mktemp("undisturbed"))
    for manifest in manifests:
        made.load_manifest(manifest)
    return {name: rows for name, rows in made.everything().items() if name != "re_dms.warehouse"}


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=nightly("by day the first time"))])
@pytest.mark.parametrize("step", STEPS)
def test_a_load_that_is_killed_and_loaded_again_gives_the_same(
    tmp_path: Path, undisturbed: dict[str, list[tuple[object, ...]]], step: str, count: int
) -> None:
    made, manifests = prepared(tmp_path)
    before = made.everything()
    (tmp_path / "bench.pickle").write_bytes(pickle.dumps((made, manifests)))
    environment = {
        **os.environ,
        "RE_DMS_FAILPOINTS": f"{step}:kill@{count}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    killed = subprocess.run([sys.executable, program.__file__, str(tmp_path)], env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    if count == 1 and step != "apply.committed":
        assert made.everything() == before
    for manifest in manifests:
        made.load_manifest(manifest)
    assert {name: rows for name, rows in made.everything().items() if name != "re_dms.warehouse"} == undisturbed


@pytest.mark.parametrize("step", STEPS)
def test_a_load_that_fails_before_its_commit_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    made, (first, _) = prepared(tmp_path)
    before = made.everything()

    def fail(name: str) -> None:
        if name == step:
            raise OSError("the reply was lost")

    for module in ("load", "merge"):
        monkeypatch.setattr(f"re_dms.warehouse.duckdb.{module}.failpoint", fail)
    with pytest.raises(WarehouseUnavailable):
        made.load_manifest(first)
    monkeypatch.undo()
    if step == "apply.committed":
        # An ambiguous commit: reconnect, read, decide.
        assert made.load_manifest(first).already_done
    else:
        assert made.everything() == before
        assert not made.load_manifest(first).already_done
