"""Dense panels of bars for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl

from features.compute import compute_features, compute_text_features
from features.feature import Feature
from features.panel import SOURCE_COLUMNS
from features.sessions import SessionCalendar
from features.views import find_view

SCHEMA = {
    "symbol": pl.String,
    "session": pl.Date,
    **dict.fromkeys(("open", "high", "low", "close", "volume", "dividend", "split"), pl.Float64),
    "price_basis": pl.String,
    "valid": pl.Boolean,
}


def sessions_of(count: int, start: date = date(2014, 1, 2)) -> list[date]:
    """Return the first `count` NYSE sessions from `start`."""
    return SessionCalendar().sessions(start, date(2018, 12, 31))[:count]


def compute_daily(
    panel: pl.DataFrame,
    *,
    calendar: SessionCalendar | None = None,
    features: Sequence[Feature] = find_view("features_daily").features,
) -> pl.DataFrame:
    """Compute the features of bars, all of them unless told which, on NYSE's calendar unless told another."""
    return compute_features(panel, calendar or SessionCalendar(), features)


def compute_text(grid: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Compute all features of scored texts."""
    return compute_text_features(grid, scored, find_view("features_text").features)


def panel_of(closes: Mapping[str, Sequence[float | None]], **columns: Sequence[object]) -> pl.DataFrame:
    """Return a panel of given closes; other columns default to the close, 1,000 shares and no actions."""
    count = len(next(iter(closes.values())))
    rows = [
        {"symbol": symbol, "session": day, "close": close, "valid": close is not None}
        for symbol, values in closes.items()
        for day, close in zip(sessions_of(count), values, strict=True)
    ]
    panel = pl.DataFrame(rows, schema_overrides={name: SCHEMA[name] for name in rows[0]}, orient="row")
    prices = {name: pl.col("close") for name in ("open", "high", "low")}
    rest = {"volume": 1000.0, "dividend": 0.0, "split": 1.0}
    filled = panel.with_columns(**prices, **{name: pl.lit(value) for name, value in rest.items()})
    given = {name: pl.Series(name, values, dtype=SCHEMA[name]) for name, values in columns.items()}
    return filled.with_columns(price_basis=pl.lit("raw")).with_columns(**given).select(list(SCHEMA))


def source_rows(panel: pl.DataFrame) -> pl.DataFrame:
    """Return a panel as its view's source has it: a row a bar, and one an action wherever one falls."""
    bars = panel.filter("valid").with_columns(record=pl.lit("bar"))
    happened = {"split": pl.col("split") != 1, "dividend": pl.col("dividend") != 0}
    actions = [
        panel.filter(there).select(
            "symbol", "session", record=pl.lit(kind), value=pl.col(kind), valid=pl.lit(value=True)
        )
        for kind, there in happened.items()
    ]
    rows = pl.concat([bars, *actions], how="diagonal")
    return rows.with_columns(share_value=pl.lit(None, pl.Float64)).select(
        "symbol", "session", *SOURCE_COLUMNS
    )


def random_panel(
    symbols: int, sessions: int, *, seed: int = 0, gap_share: float = 0.02, basis: str = "raw"
) -> pl.DataFrame:
    """Return random bars with splits, dividends and missing bars; the first symbol is listed late."""
    random = np.random.default_rng(seed)
    shape = (symbols, sessions)
    market = random.normal(0.0003, 0.008, sessions)
    moves = market * random.uniform(0.5, 1.5, (symbols, 1)) + random.normal(0, 0.012, shape)
    split = np.where(random.random(shape) < 0.01, random.choice([2.0, 3.0, 0.5], shape), 1.0)
    close = np.exp(np.cumsum(moves - np.log(split), axis=1)) * random.uniform(20, 200, (symbols, 1))
    dividend = np.where(random.random(shape) < 0.02, close * 0.01, 0.0)
    open_ = close * np.exp(random.normal(0, 0.006, shape))
    high = np.maximum(open_, close) * np.exp(np.abs(random.normal(0, 0.005, shape)))
    low = np.minimum(open_, close) * np.exp(-np.abs(random.normal(0, 0.005, shape)))
    volume = np.round(np.exp(random.normal(12, 0.5, shape)) * np.cumprod(split, axis=1))
    known = random.random(shape) >= gap_share
    known[0, : sessions // 2] = False
    return _frame(
        {"open": open_, "high": high, "low": low, "close": close, "volume": volume}, dividend, split, known
    ).with_columns(price_basis=pl.lit(basis))[list(SCHEMA)]


def _frame(
    bars: Mapping[str, np.ndarray], dividend: np.ndarray, split: np.ndarray, known: np.ndarray
) -> pl.DataFrame:
    symbols, sessions = known.shape
    shown = {
        name: pl.Series(np.where(known, values, np.nan).ravel()).fill_nan(None)
        for name, values in bars.items()
    }
    names = [f"S{at:02d}" for at in range(symbols)]
    return pl.DataFrame(
        {
            "symbol": np.repeat(names, sessions),
            "session": pl.Series(sessions_of(sessions) * symbols, dtype=pl.Date),
            **shown,
            "dividend": np.where(known, dividend, 0.0).ravel(),
            "split": split.ravel(),
            "valid": known.ravel(),
        }
    )
