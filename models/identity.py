"""Digests by which a training frame and a model are known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
import polars as pl

from models.forecast_frames import KEY, check_unique


def digest_frame(frame: pl.DataFrame, columns: Sequence[str] | None = None) -> str:
    """Return the SHA-256 of a frame's content, whatever its order, chunks or file format.

    Parameters
    ----------
    frame : polars.DataFrame
        Unique by (symbol, session).
    columns : sequence of str, optional
        Columns that count; all by default. Their order does not matter.

    Returns
    -------
    str
        64 hexadecimal digits. Rows are sorted by session and symbol and columns by name; each column
        gives its name, kind, null mask and little-endian values: days and microseconds since 1970 for dates
        and instants, UTF-8 with a length for text. Integer and float widths are widened to 64 bits.
        Null and NaN differ; NaNs are one; ``-0.0`` is not ``0.0``.

    Raises
    ------
    ValueError
        If a key repeats or a column has a kind without a canonical form.
    """
    check_unique(frame)
    chosen = sorted({*KEY, *(frame.columns if columns is None else columns)})
    ordered = frame.select(chosen).sort("session", "symbol")
    digest = hashlib.sha256(f"{ordered.height}".encode())
    for name in chosen:
        kind, values = _canonical(ordered[name])
        digest.update(_sized(name.encode()) + _sized(kind.encode()))
        digest.update(np.packbits(ordered[name].is_null().to_numpy()).tobytes())
        digest.update(values)
    return digest.hexdigest()


def make_model_key(content: Mapping[str, Any]) -> str:
    """Return the identity of a model: the SHA-256 of everything it is made from.

    Parameters
    ----------
    content : mapping
        Frame digest, settings, feature set, code revision, splits, seed and family: text, numbers,
        booleans, None, sequences, mappings and dataclasses of these. Dates and instants go in as ISO text.

    Raises
    ------
    TypeError
        If a value has no canonical JSON form.
    """
    text = json.dumps(
        _plain(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    msg = f"{value!r} of type {type(value).__name__} has no canonical form; pass text or numbers"
    raise TypeError(msg)


def _sized(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


def _canonical(column: pl.Series) -> tuple[str, bytes]:
    """Kind and bytes of one column, nulls written as zero or empty."""
    kind = column.dtype
    if kind == pl.String:
        return "text", b"".join(_sized((value or "").encode()) for value in column)
    if kind == pl.Boolean:
        return "boolean", column.fill_null(False).cast(pl.UInt8).to_numpy().tobytes()
    if kind == pl.Date:
        return "date", _integers(column.cast(pl.Int32))
    if isinstance(kind, pl.Datetime):
        return f"instant {kind.time_zone}", _integers(column.dt.cast_time_unit("us").cast(pl.Int64))
    if kind.is_integer():
        return "integer", _integers(column)
    if kind.is_float():
        values = column.cast(pl.Float64).fill_null(0.0).to_numpy().copy()
        values[np.isnan(values)] = np.nan  # one of the many bit patterns
        return "number", values.astype("<f8").tobytes()
    msg = f"column {column.name!r} of kind {kind} has no canonical form; leave it out with `columns`"
    raise ValueError(msg)


def _integers(column: pl.Series) -> bytes:
    return column.cast(pl.Int64).fill_null(0).to_numpy().astype("<i8").tobytes()
