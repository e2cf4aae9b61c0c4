"""Applies what waits in a journal: run by the tests in a process of its own, which they kill.

python apply_program.py <settings as JSON>     the password is in them; failpoints come from the environment
"""

from __future__ import annotations

import sys

from re_dms.pipeline.apply import Apply
from re_dms.pipeline.channel import Channel
from re_dms.pipeline.surroundings import Surroundings
from re_dms.settings import Settings


def apply_what_waits(settings: Settings) -> list[dict[str, object]]:
    """A new apply loads all batches of the journal, one by one or in groups, prunes it and ends. What it told."""
    ours, theirs = Channel.pair()
    assert settings.warehouse is not None
    apply = Apply(Surroundings(settings=settings, control=theirs, channels={}, options={}), settings.warehouse)
    apply.drain_until = float("inf")
    try:
        apply.run()
        told = []
        while (message := ours.receive(0)) is not None:
            told.append(message)
        return told
    finally:
        apply.warehouse.close()
        ours.close()
        theirs.close()


if __name__ == "__main__":
    apply_what_waits(Settings.from_json(sys.stdin.read()))
