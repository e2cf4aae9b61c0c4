"""Arrow's columns as Polars' own, by the C data interface: nothing is copied.

Polars would take an array of pyarrow as well, but loads its query engine first (`pyarrow.compute`, some 60 ms), and
then takes three times as long. https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""

from __future__ import annotations

from typing import Any

import polars as pl


class _Exported:
    def __init__(self, array: Any) -> None:
        self._array = array

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self._array.__arrow_c_array__(requested_schema)


def as_series(name: str, array: Any) -> pl.Series:
    """The values of a pyarrow.Array as a column of this name."""
    values: Any = _Exported(array)
    return pl.Series(values=values).alias(name)
