"""What is tested at night only, and what says the same by day: the whole suite takes about ten minutes on two cores.

RE_DMS_NIGHTLY=1 scripts/test          everything
"""

from __future__ import annotations

import os

import pytest

NIGHTLY = bool(os.environ.get("RE_DMS_NIGHTLY"))


def nightly(why: str) -> pytest.MarkDecorator:
    """Skip by day, and say why: what else is tested by day, or what it takes."""
    return pytest.mark.skipif(not NIGHTLY, reason=f"{why}: with RE_DMS_NIGHTLY=1")
