"""Feature rows in, forecasts out: from JSON or a Parquet file to one frame, and back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from models.forecast_frames import KEY
from serving.answers import quantiles_of
from serving.messages import BatchMessage
from serving.refusals import Refusal
from serving.schemas import SYMBOL_PATTERN, BatchForecast
from serving.served_model import ServedModel


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """A Parquet file as it was sent; read once the model says which columns it needs."""

    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What a batch may hold: rows, and bytes of its columns once unpacked."""

    rows: int
    bytes: int


def batch_frame(
    message: BatchMessage | ParquetRows, names: Sequence[str], limits: BatchLimits
) -> pl.DataFrame:
    """Return the rows as one frame.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session` (Date) and `names` (Float64, null where unknown), in the order sent.

    Raises
    ------
    Refusal
        If there are too many rows, a feature is missing or not a number, or a key is missing or repeated.
    """
    if isinstance(message, ParquetRows):
        frame = _from_parquet(message.content, names, limits)
    else:
        frame = _from_json(message, names, limits)
    if frame["session"].null_count():
        raise Refusal(422, "invalid_message", "a row has no session; give each row its date, YYYY-MM-DD")
    repeated = frame.filter(pl.struct(KEY).is_duplicated())
    if repeated.height:
        msg = (
            f"{repeated.height} rows share a symbol and session, first {repeated.row(0)[:2]}; send each once"
        )
        raise Refusal(422, "repeated_rows", msg)
    return frame


def _from_json(message: BatchMessage, names: Sequence[str], limits: BatchLimits) -> pl.DataFrame:
    rows = message.rows
    _check_count(len(rows), limits)
    for place, row in enumerate(rows):
        missing = [name for name in names if name not in row.features]
        if missing:
            raise _missing(missing, f"rows.{place}.features")
    features = {name: pl.Series([row.features[name] for row in rows], dtype=pl.Float64) for name in names}
    keys = {"symbol": [row.symbol for row in rows], "session": [row.session for row in rows]}
    return pl.DataFrame({**keys, **features}, schema_overrides={"session": pl.Date})


def _check_count(rows: int, limits: BatchLimits) -> None:
    if not 1 <= rows <= limits.rows:
        msg = f"the batch has {rows} rows, allowed are 1 to {limits.rows}; split it"
        raise Refusal(413 if rows else 422, "batch_size", msg)


def _missing(names: Sequence[str], place: str) -> Refusal:
    msg = f"{place} lacks {len(names)} of the model's features; send every one, null where unknown"
    return Refusal(422, "missing_features", msg, list(names[:10]))


def _from_parquet(content: bytes, names: Sequence[str], limits: BatchLimits) -> pl.DataFrame:
    try:
        table = _read_table(content, names, limits)
        return _typed(table, names)
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError, OverflowError) as error:
        msg = f"the file in the field `rows` cannot be read as Parquet: {error}"
        raise Refusal(400, "malformed_parquet", msg) from error


def _read_table(content: bytes, names: Sequence[str], limits: BatchLimits) -> pa.Table:
    """Read the needed columns, after the file's own description was held against the limits.

    Symbols stay dictionary-encoded: a page that repeats one long text would otherwise grow a thousandfold.
    """
    file = pq.ParquetFile(BytesIO(content), read_dictionary=["symbol"])
    _check_count(file.metadata.num_rows, limits)
    wanted = [*KEY, *names]
    missing = [name for name in wanted if name not in set(file.schema_arrow.names)]
    if missing:
        raise _missing(missing, "the Parquet file")
    size = sum(
        file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups)
    )
    if size > limits.bytes:
        msg = f"the Parquet file unpacks to {size} bytes, at most {limits.bytes} are allowed; split it"
        raise Refusal(413, "batch_size", msg)
    _check_types(file.schema_arrow, names)
    return file.read(columns=wanted, use_threads=False)


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


def answer_batch(frame: pl.DataFrame, model: ServedModel) -> list[BatchForecast]:
    """Forecast every row, in the order of `frame`.

    Returns
    -------
    list of BatchForecast
        Ranks are taken within the rows of one session; `no_history` marks rows for which a
        sequence model was given too few sessions.

    Raises
    ------
    Refusal
        If the model does not take the rows.
    """
    try:
        forecasts = model.predict(frame)
    except ValueError as error:
        raise Refusal(422, "invalid_message", f"the model refuses the rows: {error}") from error
    # (r - ½)/n within the session, ties averaged, as the issued forecasts have it.
    value = pl.col("value")
    rank = (value.rank("average").over("session") - 0.5) / value.count().over("session")
    ranked = forecasts.with_columns(rank=rank)
    joined = frame.select(KEY).join(ranked, on=list(KEY), how="left", maintain_order="left")
    return [_batch_forecast(row, model) for row in joined.iter_rows(named=True)]


def _batch_forecast(row: dict[str, Any], model: ServedModel) -> BatchForecast:
    symbol, session = row["symbol"], row["session"]
    if row["value"] is None:
        needed = model.manifest.history_sessions
        reason = (
            f"the model needs {needed} sessions of this symbol up to the row's own; send the earlier ones too"
        )
        return BatchForecast(symbol=symbol, session=session, status="no_history", reason=reason)
    return BatchForecast(
        symbol=symbol, session=session, status="ok", value=row["value"], rank=row["rank"],
        quantiles=quantiles_of(row),
    )  # fmt: skip
