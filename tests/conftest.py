"""What holds for every test: the fixtures that run servers, and how hard hypothesis tries.

`pytest --hypothesis-profile=nightly` searches longer than the default profile, `ci`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["fix_postgres", "fix_pipeline", "fix_s3", "fix_redshift"]

settings.register_profile(
    "ci",
    # Machines that run several workers are slow at times; the suite's own timeout bounds a test that hangs.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile("nightly", settings.get_profile("ci"), max_examples=5_000)
settings.load_profile("ci")

# Modules whose tests share something that is dear to make: one worker takes all of each. (Marks of pytest-xdist do not
# reach the ids of pytest 9.2.)
TOGETHER = (
    *("tests/model/", "tests/replay/test_seed_bugs_", "tests/pipeline/test_streamed", "tests/source/test_copy_stream"),
    *(
        "tests/redshift/test_adapt",
        "tests/redshift/test_faults",
        "tests/redshift/test_kills",
        "tests/redshift/test_odd",
    ),
    *("tests/redshift/test_round_trip", "tests/redshift/test_rules", "tests/redshift/test_types"),
    *("tests/redshift/test_values_kept", "tests/warehouse/duckdb_file/test_faults"),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Test by test, but for modules that stay together."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # untyped
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return module if module.startswith(TOGETHER) else nodeid

    return Scheduling(config, log)
