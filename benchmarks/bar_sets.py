"""The bar sets of the data folder as daily bars of one shape, for the programs that judge prices.

The folder is named by ``BELLWETHER_DATA`` (default ``../shared/data``); nothing of it is kept here.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import polars as pl

from features.panel import BAR_RECORD

DATA = Path(os.environ.get("BELLWETHER_DATA", "../shared/data"))
BARS = ("symbol", "session", "open", "high", "low", "close", "volume")
CRYPTO, MEMBERS, ACTIONS, HOURLY, VENDOR2, FEED = (
    "bars_crypto_daily_2013_2020",
    "bars_sp500_2013_2018",
    "bars_sp500_corpactions_2003_2012",
    "bars_us_hourly_2012_2018",
    "bars_vendor2_2013_2017",
    "bars_us_feed_batches_2015",
)


def read_bars(name: str) -> pl.DataFrame:
    """Return the daily bars of a set, rows without a price left out.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session`, prices, `volume` (Float64), `position` (index among the set's own sessions), and
        `dividend` (per share) and `split` (new shares for one old) where the set has them; sorted by symbol
        and session.
    """
    if name == HOURLY:
        bars = _hourly()
    elif name == FEED:
        bars = _batches()
    else:
        bars = pl.read_parquet(DATA / name / "bars.parquet").rename({"date": "session"})
    there = [column for column in (*BARS, "dividend", "split") if column in bars.columns]
    typed = bars.select(there).with_columns(
        pl.col("session").cast(pl.Date), pl.col("volume").cast(pl.Float64)
    )
    return placed(typed.drop_nulls())


def source_rows(bars: pl.DataFrame) -> pl.DataFrame:
    """Return daily bars as the views of bars read them: split-adjusted, and no action among them."""
    return bars.with_columns(
        pl.lit(BAR_RECORD).alias("record"),
        pl.lit("split").alias("price_basis"),
        pl.col("close").is_not_null().alias("valid"),
        pl.lit(None, pl.Float64).alias("value"),
        pl.lit(None, pl.Float64).alias("share_value"),
    )


def placed(bars: pl.DataFrame) -> pl.DataFrame:
    """Return bars with the place of their session among all of theirs, sorted."""
    sessions = bars.select(pl.col("session").unique().sort())
    place = sessions.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("position"))
    return bars.join(place, on="session", how="inner").sort("symbol", "session")


def _hourly() -> pl.DataFrame:
    hours = pl.read_parquet(DATA / HOURLY / "bars_1h_raw.parquet").sort("symbol", "ts")
    return hours.group_by("symbol", pl.col("ts").dt.date().alias("session"), maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )


def _batches() -> pl.DataFrame:
    frames = []
    for place in sorted((DATA / FEED / "raw").glob("*.tar.gz")):
        with tarfile.open(place) as batch:
            prices = batch.extractfile("prices.csv")
            if prices is not None:
                frames.append(pl.read_csv(prices.read(), try_parse_dates=True))
    both = pl.concat(frames).rename({"date": "session"})
    # The second batch repeats the session of the first.
    return both.unique(["symbol", "session"], keep="last", maintain_order=True)


def read_factor_actions() -> pl.DataFrame:
    """Return the splits and dividends that the hourly set's factor files imply.

    A row of a factor file holds the factors of all sessions up to its date, and that date's close. Where the
    next row has another split factor, a split took place on the session after it; where it has another price
    factor, a dividend of ``close * (1 - factor / next factor)``.

    Returns
    -------
    polars.DataFrame
        `symbol`, `after` (the last session before the action), `kind`, `value`.
    """
    rows = pl.read_csv(DATA / HOURLY / "factor_files.csv.gz").sort("symbol", "date")
    following = rows.with_columns(
        pl.col("date").cast(pl.String).str.to_date("%Y%m%d").alias("after"),
        split=(pl.col("split_factor").shift(-1) / pl.col("split_factor")).over("symbol"),
        payout=(pl.col("price_factor") / pl.col("price_factor").shift(-1)).over("symbol"),
    ).drop_nulls()
    splits = following.filter((pl.col("split") - 1).abs() > 0.01)
    dividends = following.filter(pl.col("payout") < 1)
    return pl.concat(
        [
            splits.select("symbol", "after", pl.lit("split").alias("kind"), pl.col("split").alias("value")),
            dividends.select(
                "symbol",
                "after",
                pl.lit("dividend").alias("kind"),
                (pl.col("ref_price") * (1 - pl.col("payout"))).alias("value"),
            ),
        ]
    ).sort("symbol", "after", "kind")
