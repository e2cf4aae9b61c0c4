"""Findings of a check for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from re_dms.finding import Finding

_MARKS = {"ok": "ok     ", "warning": "WARNING", "error": "ERROR  "}


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Grouped by place; below a finding that is not ok, what mends it, to be copied."""
    for place, group in groupby(findings, key=lambda finding: finding.place):
        yield place
        for finding in group:
            first, *more = finding.message.splitlines()
            yield f"  {_MARKS[finding.state]}  {finding.name}: {first}"
            yield from (f"           {line}" for line in more)
            if finding.mend:
                yield f"           mend: {finding.mend}"
    errors, warnings = (sum(finding.state == state for finding in findings) for state in ("error", "warning"))
    yield f"{errors} errors, {warnings} warnings, {len(findings)} checks"


def as_json(findings: Sequence[Finding]) -> str:
    """`{"ok": …, "checks": [{"place", "name", "state", "message", "mend"}, …]}` in one line; ok: no error."""
    checks = [
        {name: getattr(finding, name) for name in ("place", "name", "state", "message", "mend")} for finding in findings
    ]
    return json.dumps({"ok": all(finding.state != "error" for finding in findings), "checks": checks})
