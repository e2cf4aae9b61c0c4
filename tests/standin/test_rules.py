"""Every case of every rule against the stand-in: what `redshift-standin verify` asks a real cluster.

In the suite the drivers take turns, so that each meets every rule; RE_DMS_NIGHTLY=1 asks every case through both.
"""

from __future__ import annotations

from collections import Counter

import pytest

from nightly import NIGHTLY
from redshift_standin.verify.case import Case
from redshift_standin.verify.cases import all_cases
from standin.fix_standin import Clients

CASES = all_cases()
DRIVERS = ("redshift_connector", "psycopg")
_ASKED = [(case, driver) for case in CASES for driver in DRIVERS]
if not NIGHTLY:
    _ASKED = [(case, DRIVERS[number % 2]) for number, case in enumerate(CASES)]


@pytest.mark.parametrize(
    ("case", "driver"), _ASKED, ids=[f"{case.id.replace(' ', '_')}-{driver}" for case, driver in _ASKED]
)
def test_the_stand_in_answers_as_the_rule_says(case: Case, driver: str, clients: Clients) -> None:
    verdict = clients.runner(driver).judge(case)
    assert verdict.right, f"{case.id}: expected {case.expect}; {verdict.answer}"


def test_every_rule_is_asked_through_both_drivers() -> None:
    assert {(case.rule, driver) for case, driver in _ASKED} == {
        (case.rule, driver) for case in CASES for driver in DRIVERS
    }


def test_there_are_at_least_250_distinct_pairs_of_rule_and_outcome() -> None:
    """Printed with -rP."""
    pairs = {(case.rule, case.name) for case in CASES}
    assert len(pairs) == len(CASES), [pair for pair, n in Counter((c.rule, c.name) for c in CASES).items() if n > 1]
    by_rule = Counter(case.rule for case in CASES)
    print(
        f"{len(pairs)} distinct pairs of rule and outcome, over {len(by_rule)} rules: {dict(sorted(by_rule.items()))}"
    )
    assert len(pairs) >= 250
