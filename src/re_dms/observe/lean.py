"""Imports structlog without rich, for processes that run for years; import this before structlog.

structlog takes rich in, where it is there, for tracebacks that show the values of variables, and those we never print: 5 MB
and 40 ms for each process. Who prints tables (`re-dms status`) imports rich for itself, as ever.
"""

from __future__ import annotations

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules

if "structlog" not in _modules and "rich" not in _modules:
    _modules["rich"] = None  # an import of it fails: https://docs.python.org/3/reference/import.html#the-module-cache
    try:
        import structlog  # noqa: F401 - it stays in sys.modules for all who import it later
    finally:
        del _modules["rich"]
