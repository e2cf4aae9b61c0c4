"""Where each of the 38 bugs of the system whose work we took over is shown not to be ours.

Most have a test named after them in the three modules MODULES; those that other suites show are named in ELSEWHERE,
and those that cannot be ours are in NOT_OURS with the reason. What the seed did is in the docstrings and here.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
MODULES = tuple(f"replay/test_seed_bugs_{part}.py" for part in ("values", "stops", "loading"))
ALL = frozenset(range(1, 39))

# Bug: what the seed did, and the tests that show it elsewhere. Those with a test of their own have here what only the
# other warehouse, or another input, can show.
ELSEWHERE: dict[int, tuple[str, ...]] = {
    # No fsync of a .wal file: a power loss took what the slot had been confirmed for.
    2: (
        "journal/test_local_store.py::test_no_object_shows_before_its_bytes_are_synced",
        "pipeline/test_plugin.py::test_a_kill_within_a_batch_or_before_its_confirmation_loses_and_doubles_nothing",
    ),
    # 256 bytes a character varying on Redshift, cut in silence by TRUNCATECOLUMNS.
    13: (
        "redshift/test_schema_changes.py::test_a_narrow_column_is_widened_before_the_load",
        "redshift/test_golden_sql.py::test_no_option_that_alters_values_is_ever_sent",
    ),
    # Columns that somebody made in a Redshift table were dropped.
    17: ("redshift/test_schema_changes.py::test_columns_that_users_added_survive_changes_and_copies",),
    # Each attempt after a lost reply to DDL failed on Redshift; a column under a view was never dropped.
    25: (
        "redshift/test_faults.py::test_a_statement_that_is_cancelled_or_cut_is_made_good",
        "redshift/test_schema_changes.py::test_a_view_survives_a_copy_and_is_named_when_it_stands_in_the_way",
    ),
    # A batch, and any transaction, stood in memory as a whole.
    29: (
        "replay/test_service.py::test_a_transaction_larger_than_a_block_arrives_or_leaves_nothing",
        "impact/test_flow.py::test_row_58_one_large_transaction_takes_bounded_memory",
    ),
    # One file a kind of change, so that one slice of Redshift loaded it.
    30: ("pipeline/test_parts.py::test_a_large_step_of_a_batch_is_written_in_parts",),
    # Names went into Redshift's SQL with their quotes stripped.
    34: ("redshift/test_hostile_names.py::test_every_statement_runs_with_hostile_names",),
    # Passwords stood in the environment, values of rows in every log.
    35: ("refusals/test_exit_codes.py::test_no_log_holds_a_password_or_a_value",),
    # Keys of objects came again after a clean stop, and objects were never removed.
    37: (
        "journal/test_journal.py::test_objects_have_the_names_that_the_format_says",
        "journal/test_retention.py::test_what_is_below_the_applied_batch_goes",
    ),
    # Rows above Redshift's 4 MB failed the COPY; long JSON and arrays were cut to what is no value.
    38: (
        "redshift/test_adapted_rows.py::test_a_row_that_is_too_long_loses_its_longest_values",
        "redshift/test_odd_values.py::test_what_no_policy_mends_stops_by_name_and_changes_nothing",
    ),
}

NOT_OURS = {
    36: "a statsd host other than loopback failed a send, which was a panic: we send nothing to statsd, by no UDP socket",
}


def functions(path: str) -> list[ast.FunctionDef]:
    """The test functions of a module, also those of its classes."""
    tree = ast.parse((TESTS / path).read_text())
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [node for node in found if node.name.startswith("test_")]


def own() -> dict[int, list[ast.FunctionDef]]:
    """By bug the tests that have its number in their names."""
    found: dict[int, list[ast.FunctionDef]] = {}
    for module in MODULES:
        for function in functions(module):
            number = re.match(r"test_b(\d\d)_", function.name)
            assert number, f"{function.name} in {module} names no bug"
            found.setdefault(int(number[1]), []).append(function)
    return found


def test_every_bug_is_accounted_for() -> None:
    assert set(own()) | set(ELSEWHERE) | set(NOT_OURS) == ALL
    assert not set(NOT_OURS) & (set(own()) | set(ELSEWHERE))


def test_every_test_of_a_bug_says_what_the_seed_did_in_one_line() -> None:
    for found in own().values():
        for function in found:
            said = ast.get_docstring(function)
            assert said, function.name
            assert "\n" not in said, function.name


@pytest.mark.parametrize("bug", ELSEWHERE, ids="b{:02}".format)
def test_the_tests_that_show_a_bug_elsewhere_are_there(bug: int) -> None:
    for named in ELSEWHERE[bug]:
        path, _, name = named.partition("::")
        assert name in {function.name for function in functions(path)}, named


def test_no_module_of_ours_opens_a_udp_socket() -> None:
    sources = [path.read_text() for path in (TESTS.parent / "src" / "re_dms").rglob("*.py")]
    assert len(sources) > 100
    assert not [text for text in sources if "SOCK_DGRAM" in text or "statsd" in text.lower()]
