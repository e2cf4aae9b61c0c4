"""The command line `re-dms`. One file a command, no logic in them; imports are late, so that help is quick."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command that `sys.argv` names and leave with its exit code (docs/exit-codes.md)."""
    from re_dms.cli.group import invoke

    raise SystemExit(invoke())
