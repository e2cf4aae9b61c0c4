"""WAL positions."""

from __future__ import annotations

import re
from typing import Any

_TEXT = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


class LSN(int):
    """A WAL position: compares as a number, prints as Postgres prints it ("16/B374D848").

    Source: https://www.postgresql.org/docs/current/datatype-pg-lsn.html
    """

    @classmethod
    def parse(cls, text: str) -> LSN:
        """The position that `text` ("X/Y", hexadecimal) names. Raises ValueError for any other text."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"not an LSN of the form X/Y: {text!r}")
        return cls(int(found[1], 16) << 32 | int(found[2], 16))

    def __str__(self) -> str:
        return f"{self >> 32:X}/{self & 0xFFFFFFFF:X}"

    def __repr__(self) -> str:
        return f"LSN({self})"

    @property
    def hex16(self) -> str:
        """Sixteen hexadecimal digits: sorts as text in the order of positions; used in object names."""
        return f"{int(self):016X}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """In JSON an LSN is the text that Postgres prints."""
        from pydantic_core import core_schema

        def validate(value: object) -> LSN:
            if isinstance(value, str):
                return cls.parse(value)
            if isinstance(value, int):
                return cls(value)
            raise ValueError("an LSN is X/Y text or a number")

        return core_schema.no_info_plain_validator_function(
            validate, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )
