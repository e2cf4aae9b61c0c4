"""The encoder's side of the shared buffers: regions come by descriptor, are read, and are given back."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from re_dms.decode.frames import Frames
from re_dms.pipeline.buffers import PAD, SharedBuffer
from re_dms.pipeline.channel import Channel
from re_dms.pipeline.ring import BUFFERS


class Regions:
    """All regions that the reader has told of, by number."""

    def __init__(self, reader: Channel) -> None:
        self._reader = reader
        self._buffers: dict[int, SharedBuffer] = {}
        self._poison = bool(os.environ.get("RE_DMS_POISON_BUFFERS"))

    def receive(self, timeout_seconds: float | None) -> dict[str, Any] | None:
        """The reader's next message, None after the timeout; new regions are taken on the way."""
        message = self._reader.receive(timeout_seconds)
        if message is None or message.get("do") not in ("buffers", "forget"):
            return message
        for number in message["numbers"]:
            if message["do"] == "buffers":
                self._buffers[number] = SharedBuffer(self._reader.descriptors.pop(0), message["capacity"])
            else:
                self._buffers.pop(number).close()
        return self.receive(timeout_seconds)

    def frames(self, part: dict[str, Any]) -> Frames:
        """The messages of a part, in place."""
        buffer = self._buffers[part["buffer"]]
        return Frames.on_the_wire(buffer.payload, np.array(buffer.index(part["messages"]), dtype=np.int64))

    def bytes(self, part: dict[str, Any]) -> npt.NDArray[np.uint8]:
        """The bytes of a part as they came from the wire, in place; the region can be written."""
        return np.frombuffer(self._buffers[part["buffer"]].payload, dtype=np.uint8, count=part["bytes"] + PAD)

    def give_back(self, part: dict[str, Any]) -> None:
        """Everything made of the region exists as files: the reader may fill it again."""
        number = part["buffer"]
        if self._poison:
            self._buffers[number].poison()
        if number >= BUFFERS:
            self._buffers.pop(number).close()
        self._reader.send({"freed": number})
