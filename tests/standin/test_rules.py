"""Every case of every rule, through both drivers, against the stand-in: what `redshift-standin verify` asks a real cluster."""

from __future__ import annotations

from collections import Counter

import pytest

from redshift_standin.verify.case import Case
from redshift_standin.verify.cases import all_cases
from standin.fix_standin import Clients

CASES = all_cases()


@pytest.mark.parametrize("driver", ["redshift_connector", "psycopg"])
@pytest.mark.parametrize("case", CASES, ids=[case.id.replace(" ", "_") for case in CASES])
def test_the_stand_in_answers_as_the_rule_says(case: Case, driver: str, clients: Clients) -> None:
    verdict = clients.runner(driver).judge(case)
    assert verdict.right, f"{case.id}: expected {case.expect}; {verdict.answer}"


def test_there_are_at_least_250_distinct_pairs_of_rule_and_outcome() -> None:
    """Printed with -rP."""
    pairs = {(case.rule, case.name) for case in CASES}
    assert len(pairs) == len(CASES), [pair for pair, n in Counter((c.rule, c.name) for c in CASES).items() if n > 1]
    by_rule = Counter(case.rule for case in CASES)
    print(
        f"{len(pairs)} distinct pairs of rule and outcome, over {len(by_rule)} rules: {dict(sorted(by_rule.items()))}"
    )
    assert len(pairs) >= 250
