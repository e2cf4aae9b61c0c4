"""All cases. A module here holds `CASES` of some rules; each case's page is that of AWS's Database Developer Guide."""

from __future__ import annotations

import importlib
import pkgutil

from redshift_standin.verify.case import Case


def all_cases() -> list[Case]:
    """In order of the rules."""
    found: list[Case] = []
    for module in pkgutil.iter_modules(__path__):
        found += importlib.import_module(f"{__name__}.{module.name}").CASES
    return sorted(found, key=lambda case: case.rule)
