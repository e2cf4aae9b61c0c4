"""What every child process is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from re_dms.pipeline.channel import Channel
from re_dms.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The settings, the line to the supervisor, other channels by name, options of the role."""

    settings: Settings
    control: Channel
    channels: Mapping[str, Channel]
    options: Mapping[str, Any]
