"""Feature rows of a Parquet file as one frame. Pure: a process of its own reads what callers send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from models.forecast_frames import KEY
from serving.refusals import Refusal
from serving.schemas import SYMBOL_PATTERN


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """A Parquet file as it was sent; read once the model says which columns it needs."""

    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What a batch may hold: rows, and bytes of its columns once unpacked."""

    rows: int
    bytes: int


ReadParquet = Callable[[bytes, Sequence[str], BatchLimits], pl.DataFrame]


def check_count(rows: int, limits: BatchLimits) -> None:
    """Refuse an empty batch, and one of too many rows."""
    if not 1 <= rows <= limits.rows:
        msg = f"the batch has {rows} rows, allowed are 1 to {limits.rows}; split it"
        raise Refusal(413 if rows else 422, "batch_size", msg)


def missing_features(names: Sequence[str], place: str) -> Refusal:
    """Return the refusal of rows that lack features."""
    msg = f"{place} lacks {len(names)} of the model's features; send every one, null where unknown"
    return Refusal(422, "missing_features", msg, list(names[:10]))


def read_parquet_rows(content: bytes, names: Sequence[str], limits: BatchLimits) -> pl.DataFrame:
    """Return the rows of a Parquet file.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session` (Date) and `names` (Float64, null where unknown), in the file's order.

    Raises
    ------
    Refusal
        If it is no such file, holds too many rows, or a column is missing or of another type.
    MemoryError
        If it unpacks to more than there is.
    """
    try:
        table = _read_table(content, names, limits)
        return _typed(table, names)
    except pa.ArrowMemoryError as error:
        raise MemoryError from error
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError, OverflowError) as error:
        msg = f"the file in the field `rows` cannot be read as Parquet: {error}"
        raise Refusal(400, "malformed_parquet", msg) from error


def _read_table(content: bytes, names: Sequence[str], limits: BatchLimits) -> pa.Table:
    """Read the needed columns, after the file's own description was held against the limits.

    Symbols stay dictionary-encoded: a page that repeats one long text would otherwise grow a thousandfold.
    """
    try:
        file = pq.ParquetFile(BytesIO(content), read_dictionary=["symbol"])
    except KeyError as error:
        raise missing_features(["symbol"], "the Parquet file") from error
    groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
    check_count(max(file.metadata.num_rows, sum(group.num_rows for group in groups)), limits)
    wanted = [*KEY, *names]
    missing = [name for name in wanted if name not in set(file.schema_arrow.names)]
    if missing:
        raise missing_features(missing, "the Parquet file")
    size = sum(group.total_byte_size for group in groups)
    if size > limits.bytes:
        msg = f"the Parquet file unpacks to {size} bytes, at most {limits.bytes} are allowed; split it"
        raise Refusal(413, "batch_size", msg)
    _check_types(file.schema_arrow, names)
    table = file.read(columns=wanted, use_threads=False)
    check_count(table.num_rows, limits)  # the footer's word is the caller's
    return table


def _check_types(schema: pa.Schema, names: Sequence[str]) -> None:
    kinds = {name: schema.field(name).type for name in (*KEY, *names)}
    numbers = [
        name for name in names if not (pa.types.is_floating(kinds[name]) or pa.types.is_integer(kinds[name]))
    ]
    symbol = kinds["symbol"].value_type if pa.types.is_dictionary(kinds["symbol"]) else kinds["symbol"]
    faults = [f"{name} is {kinds[name]}, not a number" for name in numbers[:10]]
    if not _is_text(symbol):
        faults.append(f"symbol is {kinds['symbol']}, not text")
    if not (pa.types.is_date(kinds["session"]) or _is_text(kinds["session"])):
        faults.append(f"session is {kinds['session']}, not a date")
    if faults:
        raise Refusal(422, "invalid_message", "the Parquet file has columns of the wrong type", faults)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _typed(table: pa.Table, names: Sequence[str]) -> pl.DataFrame:
    symbols = table.column("symbol").unify_dictionaries() if table.num_rows else table.column("symbol")
    for chunk in symbols.chunks:
        if pa.types.is_dictionary(chunk.type) and any(len(str(text)) > 32 for text in chunk.dictionary):
            raise _bad_symbol()
    frame: pl.DataFrame = pl.from_arrow(table)  # type: ignore[assignment]
    session = pl.col("session")
    dated = session.str.to_date("%Y-%m-%d") if frame.schema["session"] == pl.String else session.cast(pl.Date)
    frame = frame.select(
        pl.col("symbol").cast(pl.String), dated, *(pl.col(name).cast(pl.Float64) for name in names)
    )
    frame = frame.with_columns(pl.col(name).fill_nan(None) for name in names)
    if not frame.select(pl.col("symbol").str.contains(SYMBOL_PATTERN).fill_null(value=False).all()).item():
        raise _bad_symbol()
    infinite = [name for name in names if frame[name].is_infinite().any()]
    if infinite:
        raise Refusal(422, "invalid_message", "features must be finite; unknown ones are null", infinite[:10])
    return frame


def _bad_symbol() -> Refusal:
    msg = "a symbol is missing, longer than 32 signs or not printable ASCII; correct the column `symbol`"
    return Refusal(422, "invalid_message", msg)
