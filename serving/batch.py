"""Feature rows in, forecasts out: from JSON or a Parquet file to one frame, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from models.forecast_frames import KEY
from serving.answers import quantiles_of
from serving.messages import BatchMessage
from serving.parquet_rows import (
    BatchLimits,
    ParquetRows,
    ReadParquet,
    check_count,
    missing_features,
    read_parquet_rows,
)
from serving.refusals import Refusal
from serving.schemas import BatchForecast
from serving.served_model import ServedModel


def batch_frame(
    message: BatchMessage | ParquetRows,
    names: Sequence[str],
    limits: BatchLimits,
    read_parquet: ReadParquet = read_parquet_rows,
) -> pl.DataFrame:
    """Return the rows as one frame; `read_parquet` reads what was sent as a file.

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
        frame = read_parquet(message.content, names, limits)
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
    check_count(len(rows), limits)
    for place, row in enumerate(rows):
        missing = [name for name in names if name not in row.features]
        if missing:
            raise missing_features(missing, f"rows.{place}.features")
    features = {name: pl.Series([row.features[name] for row in rows], dtype=pl.Float64) for name in names}
    keys = {"symbol": [row.symbol for row in rows], "session": [row.session for row in rows]}
    return pl.DataFrame({**keys, **features}, schema_overrides={"session": pl.Date})


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
