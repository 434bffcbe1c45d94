"""Values as Feast serializes them, a column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from feast.protos.feast.types.Value_pb2 import Value

_MESSAGES: dict[Any, tuple[int, np.dtype[np.void]]] = {
    pl.Float64: (0x29, np.dtype([("tag", "u1"), ("value", "<f8")])),
    pl.Float32: (0x35, np.dtype([("tag", "u1"), ("value", "<f4")])),
}
"""How a message looks that holds nothing but `double_val` (field 5, eight bytes) or `float_val` (6, four)."""


def decode_numbers(
    cells: Sequence[Sequence[bytes | None]], names: Sequence[str], dtype: Any = pl.Float64
) -> pl.DataFrame:
    """Return the values of float columns of one type.

    Parameters
    ----------
    cells : sequence of sequences, shape (n_rows, n_names)
        Serialized values; None or empty where unknown.
    names : sequence of str
        Of the columns.
    dtype : polars.Float64 or polars.Float32
        Of the values, as they were stored.

    Returns
    -------
    polars.DataFrame, shape (n_rows, n_names)
        Of `dtype`, null where unknown, where it is no number, and where it is of another type.
    """
    tag, layout = _MESSAGES[dtype]
    unset = bytes(layout.itemsize)
    flat = [cell if cell and len(cell) == len(unset) else unset for row in cells for cell in row]
    found = np.frombuffer(b"".join(flat), dtype=layout).reshape(len(cells), len(names))
    values = np.where(found["tag"] == tag, found["value"], np.array(np.nan, layout["value"]))
    columns = {
        name: pl.Series(name, np.ascontiguousarray(values[:, place])) for place, name in enumerate(names)
    }
    return pl.DataFrame(columns).select(pl.all().fill_nan(None))


def decode_values(cells: Sequence[bytes | None], attribute: str) -> list[Any]:
    """Return the values of one column of any type, None where unknown."""
    return [value_of(Value.FromString(cell) if cell else None, attribute) for cell in cells]


def value_of(value: Any, attribute: str) -> Any:
    """Return what a message of Feast's holds, None where it holds nothing of that type."""
    return getattr(value, attribute) if value is not None and value.HasField(attribute) else None
