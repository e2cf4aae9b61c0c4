"""Arrow's columns as Polars' own and back, by the C data interface: nothing is copied.

Polars would take an array of pyarrow as well, but loads its query engine first (`pyarrow.compute`, some 60 ms), and
then takes three times as long. A frame passes as one array of structs: column by column it takes longer still.
https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl
import pyarrow as pa

_NEWEST: Final = pl.CompatLevel.newest()


class _Exported:
    def __init__(self, array: Any) -> None:
        self._array = array

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self._array.__arrow_c_array__(requested_schema)


def as_series(name: str, array: Any) -> pl.Series:
    """The values of a pyarrow.Array as a column of this name."""
    values: Any = _Exported(array)
    return pl.Series(values=values).alias(name)


def as_frame(arrays: Mapping[str, Any]) -> pl.DataFrame:
    """Values of pyarrow.Arrays of one length as columns of these names."""
    if not arrays:
        return pl.DataFrame()
    return as_series("", pa.StructArray.from_arrays(list(arrays.values()), list(arrays))).struct.unnest()


def as_arrays(frame: pl.DataFrame) -> list[Any]:
    """The columns of a frame as pyarrow.Arrays, Strings as views."""
    if not frame.width:
        return []
    whole: Any = frame.to_struct("").to_arrow(compat_level=_NEWEST)
    return [whole.field(place) for place in range(frame.width)]
