"""A small gold lake with a planted alpha, for the stages that start from gold.

Version one of every row is known ten minutes after the close; labels half an hour after the close that
ends them. Feature values are noise but for the first one, from which the next sessions' returns follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from features.sessions import SessionCalendar
from features.views import find_view
from pipelines.base.table import TableContract
from pipelines.io.lake import Lake
from pipelines.tables.contracts import GOLD_LABELS, SILVER_BARS
from tests.gold_tables import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT

CALENDAR = SessionCalendar("XNYS", decision_lead_minutes=60)
FIRST = date(2016, 1, 4)
MONTH = pl.col("session").dt.strftime("%Y-%m").alias("month")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """The three tables as Polars frames, in contract order, and their sessions."""

    sessions: list[date]
    daily: pl.DataFrame
    text: pl.DataFrame
    labels: pl.DataFrame


def make_gold(
    *, symbols: int = 12, sessions: int = 120, horizon: int = 1, seed: int = 0, alpha: float = 0.5
) -> Gold:
    """Return gold tables of `sessions` feature sessions, with the labels that ended within them."""
    rng = np.random.default_rng(seed)
    days = CALENDAR.sessions(FIRST, CALENDAR.shift(FIRST, sessions - 1))
    names = [f"S{index:02d}" for index in range(symbols)]
    signal = rng.standard_normal((sessions, symbols))
    later = np.vstack([np.zeros((2, symbols)), signal[:-2]])
    returns = 0.01 * (alpha * later + rng.standard_normal((sessions, symbols)))
    key = pl.DataFrame({"session": days}).join(pl.DataFrame({"symbol": names}), how="cross")
    key = key.join(CALENDAR.frame(days[0], days[-1]), on="session", how="left")
    known = key.with_columns(pl.col("event_timestamp").dt.offset_by("10m").alias("known_at"))
    features = list(find_view("features_daily").feature_names)
    noise = rng.standard_normal((key.height, len(features)))
    noise[:, 0] = signal.ravel()
    daily = known.with_columns(pl.lit(value=True).alias("valid"), MONTH, *_columns(features, noise))
    return Gold(
        sessions=days,
        daily=daily.select(GOLD_FEATURES_DAILY.columns),
        text=_make_text(known, rng),
        labels=_make_labels(days, names, returns, horizon),
    )


def _columns(names: list[str], values: np.ndarray) -> list[pl.Series]:
    return [pl.Series(name, values[:, index]) for index, name in enumerate(names)]


def _make_text(known: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    spoken = known.filter(pl.Series(rng.random(known.height) < 0.3))
    names = list(find_view("features_text").feature_names)
    values = rng.standard_normal((spoken.height, len(names)))
    text = spoken.with_columns(pl.lit(value=True).alias("valid"), MONTH, *_columns(names, values))
    return text.select(GOLD_FEATURES_TEXT.columns)


def _make_labels(days: list[date], names: list[str], returns: np.ndarray, horizon: int) -> pl.DataFrame:
    close = np.cumprod(1 + returns, axis=0)
    count = len(days) - 1 - horizon
    value = close[1 + horizon :] / close[1 : count + 1] - 1
    key = pl.DataFrame({"session": days[:count], "label_session": days[1 + horizon :]})
    ends = CALENDAR.frame(days[0], days[-1]).select(
        pl.col("session").alias("label_session"), pl.col("event_timestamp").alias("label_end")
    )
    closes = CALENDAR.frame(days[0], days[-1]).select("session", "event_timestamp")
    rows = key.join(ends, on="label_session").join(closes, on="session").sort("session")
    crossed = rows.join(pl.DataFrame({"symbol": names}), how="cross")
    labels = crossed.with_columns(
        pl.lit(horizon, pl.Int32).alias("horizon"),
        pl.col("label_end").dt.offset_by("30m").alias("known_at"),
        pl.lit(value=True).alias("valid"),
        pl.Series("value", value.ravel()),
        MONTH,
    )
    return labels.select(GOLD_LABELS.columns)


def make_bars(daily: pl.DataFrame, *, source: str = "simulated") -> pl.DataFrame:
    """Return a bar, as silver holds it, for every vector: what a forecast asks of a session's universe."""
    prices = {name: pl.lit(10.0) for name in ("open", "high", "low", "close", "volume")}
    bars = daily.select("symbol", "session", "event_timestamp", "known_at", "valid", "month").with_columns(
        pl.lit(None, pl.String).alias("instrument_id"),
        pl.lit("raw").alias("price_basis"),
        pl.lit(value=False).alias("suspect"),
        pl.col("known_at").alias("landed_at"),
        pl.lit("stamp").alias("known_by"),
        pl.lit(source).alias("source"),
        pl.concat_str("symbol", "session", "known_at").alias("record_hash"),
        **prices,
    )
    return bars.select(SILVER_BARS.columns)


def write_gold(lake: Lake, gold: Gold) -> None:
    """Append the three tables to a lake, and the bars that they stand for."""
    for contract, frame in (
        (SILVER_BARS, make_bars(gold.daily)),
        (GOLD_FEATURES_DAILY, gold.daily),
        (GOLD_FEATURES_TEXT, gold.text),
        (GOLD_LABELS, gold.labels),
    ):
        append_rows(lake, contract, frame)


def append_rows(lake: Lake, contract: TableContract, frame: pl.DataFrame) -> None:
    """Append versions to one table."""
    lake.append(contract, lake.distribute(frame.select(contract.columns), contract.schema))


def correct(frame: pl.DataFrame, symbol: str, session: date, *, days: int, **values: float) -> pl.DataFrame:
    """Return a later version of one row: known `days` later, with other values."""
    row = frame.filter((pl.col("symbol") == symbol) & (pl.col("session") == session))
    return row.with_columns(
        pl.col("known_at") + timedelta(days=days),
        *(pl.lit(value).alias(name) for name, value in values.items()),
    )


def retract(frame: pl.DataFrame, symbol: str, session: date, *, days: int) -> pl.DataFrame:
    """Return the retraction of one row: nulls and ``valid=false``, known `days` later."""
    fixed = {"symbol", "session", "horizon", "event_timestamp", "label_end", "known_at", "valid", "month"}
    row = correct(frame, symbol, session, days=days).with_columns(pl.lit(value=False).alias("valid"))
    return row.with_columns(pl.lit(None, pl.Float64).alias(name) for name in row.columns if name not in fixed)
