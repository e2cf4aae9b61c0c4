"""Steps of a client's program: each works, or is refused with a text that is known beforehand."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final

HOST: Final = os.environ.get("STANDIN_HOST", "")
PORT: Final = int(os.environ.get("STANDIN_PORT", "0"))
USER: Final = os.environ.get("STANDIN_USER", "")
PASSWORD: Final = os.environ.get("STANDIN_PASSWORD", "")
DATABASE: Final = os.environ.get("STANDIN_DATABASE", "")
BUCKET: Final = os.environ.get("STANDIN_BUCKET", "")
ROLE: Final = "arn:aws:iam::123456789012:role/loader"
_FAILED: Final = object()


class Steps:
    """Does steps one after another and prints a line of each; `end` tells the shell whether all went as expected."""

    def __init__(self) -> None:
        self.surprises = 0

    def works(self, name: str, step: Callable[[], Any]) -> None:
        """The step has to succeed."""
        if self._done(name, step) is not _FAILED:
            print(f"works: {name}", flush=True)

    def reads(self, name: str, wanted: Any, read: Callable[[], Any]) -> None:
        """What is read back is what was written."""
        found = self._done(name, read)
        if found == wanted:
            print(f"works: {name}", flush=True)
        elif found is not _FAILED:
            self._surprise(name, f"read {found!r} instead of {wanted!r}")

    def refused(self, name: str, text: str | re.Pattern[str], step: Callable[[], Any]) -> None:
        """The step has to fail with this text in its error or in one that caused it."""
        pattern = re.compile(re.escape(text)) if isinstance(text, str) else text
        try:
            step()
        except Exception as error:  # noqa: BLE001 - clients have errors of their own
            if found := pattern.search(_text(error)):
                print(f"refused: {name}: {found[0]}", flush=True)
            else:
                self._surprise(name, f"refused otherwise: {_text(error)}")
        else:
            self._surprise(name, "was not refused")

    def end(self) -> None:
        sys.exit(1 if self.surprises else 0)

    def _done(self, name: str, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - clients have errors of their own
            self._surprise(name, f"failed: {_text(error)}")
            traceback.print_exc()
            return _FAILED

    def _surprise(self, name: str, what: str) -> None:
        self.surprises += 1
        print(f"SURPRISE: {name}: {what}", flush=True)


def _text(error: BaseException | None) -> str:
    """An error's text and those of its causes."""
    parts = []
    while error is not None:
        parts.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "; ".join(parts)
