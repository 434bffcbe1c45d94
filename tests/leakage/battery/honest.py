"""Twenty-five honest features that look like the leaks."""

from __future__ import annotations

import numpy as np
import polars as pl

from tests.leakage.battery.leaks import KEY, RETURN, answer, from_pandas
from tests.leakage.battery.models import forward_backward


def previous_return(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, RETURN.shift(1).over("symbol"))


def trailing_mean(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    mean = frame.groupby("symbol")["close"].transform(lambda one: one.rolling(11).mean())
    frame["feature"] = frame["close"] / mean
    return from_pandas(frame)


def expanding_score(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    seen = frame.groupby("symbol")["volume"].expanding()
    mean, deviation = (one.reset_index(level=0, drop=True) for one in (seen.mean(), seen.std()))
    frame["feature"] = (frame["volume"] - mean) / deviation
    return from_pandas(frame)


def session_rank(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(
        bars.with_columns(move=RETURN), pl.col("move").rank().over("session") / pl.len().over("session")
    )


def filtered_regime(bars: pl.DataFrame) -> pl.DataFrame:
    market = bars.with_columns(move=RETURN).group_by("session").agg(pl.col("move").mean()).sort("session")
    turbulent = forward_backward(market["move"].fill_null(0.0).to_numpy(), smooth=False)
    states = market.select("session", feature=pl.Series(turbulent))
    return bars.select(KEY).join(states, on="session", how="left")


def forward_fill(bars: pl.DataFrame) -> pl.DataFrame:
    wide = bars.to_pandas().pivot(index="session", columns="symbol", values="close")
    moves = wide.ffill().pct_change(fill_method=None)
    return from_pandas(moves.reset_index().melt(id_vars="session", value_name="feature"))


def listed_so_far(bars: pl.DataFrame) -> pl.DataFrame:
    first = bars.group_by("symbol").agg(pl.col("session").min())
    listed = first.group_by("session").len().sort("session").with_columns(pl.col("len").cum_sum())
    days = bars.select("session").unique().sort("session").join_asof(listed, on="session")
    return bars.select(KEY).join(days, on="session", how="left").rename({"len": "feature"})


def present_mean(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars.with_columns(move=RETURN), pl.col("move") - pl.col("move").mean().over("session"))


def forward_adjusted_return(bars: pl.DataFrame) -> pl.DataFrame:
    price = pl.col("close") * pl.col("split").cum_prod().over("symbol")
    return answer(bars, price / price.shift(20).over("symbol") - 1.0)


def adjusted_return(bars: pl.DataFrame) -> pl.DataFrame:
    # As of now: every later split and dividend is in the price, and cancels in the return.
    factor = pl.col("split") / (1.0 - pl.col("dividend") / pl.col("close").shift(1).over("symbol")).fill_null(
        1.0
    )
    later = factor.cum_prod(reverse=True).over("symbol") / factor
    adjusted = bars.with_columns(price=pl.col("close") / later)
    return answer(adjusted, pl.col("price") / pl.col("price").shift(5).over("symbol") - 1.0)


def adjusted_volatility(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    frame["factor"] = frame["split"] * (1.0 + (frame["dividend"] / frame["close"]).fillna(0.0))
    total = frame.groupby("symbol")["factor"].transform("prod")
    frame["price"] = frame["close"] * frame.groupby("symbol")["factor"].cumprod() / total
    frame["move"] = frame.groupby("symbol")["price"].pct_change(fill_method=None)
    frame["feature"] = frame.groupby("symbol")["move"].transform(lambda one: one.rolling(8).std())
    return from_pandas(frame)


def rolling_noise(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    moves = frame.groupby("symbol")["close"].transform(lambda one: np.log(one).diff())
    for power in (1, 3):
        frame[f"sum{power}"] = (
            (moves**power).groupby(frame["symbol"]).transform(lambda one: one.rolling(10).sum())
        )
    frame["feature"] = frame["sum3"] / frame["sum1"].abs()
    return from_pandas(frame)


def exponential_mean(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    frame["feature"] = frame["close"] / frame.groupby("symbol")["close"].transform(
        lambda one: one.ewm(span=10, adjust=True).mean()
    )
    return from_pandas(frame)


def first_version(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars.unique(KEY, keep="first", maintain_order=True), RETURN)


def known_version(bars: pl.DataFrame) -> pl.DataFrame:
    known = bars.filter(pl.col("known_at") <= pl.col("cutoff_at"))
    return answer(known.unique(KEY, keep="last", maintain_order=True), RETURN)


def since_listing(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, (pl.col("session") - pl.col("session").min().over("symbol")).dt.total_days().log1p())


def month_to_date(bars: pl.DataFrame) -> pl.DataFrame:
    month = pl.col("session").dt.truncate("1mo")
    total, count = pl.col("volume").cum_sum(), pl.col("volume").cum_count()
    return answer(bars, (total / count).over("symbol", month))


def random_projection(bars: pl.DataFrame) -> pl.DataFrame:
    columns = ["open", "high", "low", "close"]
    weights = np.random.default_rng(3).normal(size=len(columns))
    logs = bars.select(columns).fill_null(1.0).to_numpy()
    return bars.select(KEY).with_columns(feature=pl.Series(np.log(logs) @ weights))


def day_of_week(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, pl.col("session").dt.weekday())


def days_to_month_end(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, (pl.col("session").dt.month_end() - pl.col("session")).dt.total_days())


def overnight(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, pl.col("open") / pl.col("close").shift(1).over("symbol") - 1.0)


def past_clip(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    frame["move"] = frame.groupby("symbol")["close"].pct_change(fill_method=None)
    seen = frame.groupby("symbol")["move"].expanding(20)
    low, high = (seen.quantile(one).reset_index(level=0, drop=True) for one in (0.05, 0.95))
    frame["feature"] = frame["move"].clip(low, high)
    return from_pandas(frame)


def drawdown(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, pl.col("close") / pl.col("close").cum_max().over("symbol") - 1.0)


def unchanged_sign(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, RETURN.sign().rolling_sum(5).over("symbol"))


def flat_score(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    closes = frame.groupby("symbol")["close"]
    mean, deviation = (
        closes.transform(lambda one, how=how: one.rolling(6).agg(how)) for how in ("mean", "std")
    )
    frame["feature"] = (frame["close"] - mean) / deviation
    return from_pandas(frame.replace([np.inf, -np.inf], np.nan))


HONEST = (
    previous_return, trailing_mean, expanding_score, session_rank, filtered_regime, forward_fill,
    listed_so_far, present_mean, forward_adjusted_return, adjusted_return, adjusted_volatility,
    rolling_noise, exponential_mean, first_version, known_version, since_listing, month_to_date,
    random_projection, day_of_week, days_to_month_end, overnight, past_clip, drawdown,
    unchanged_sign, flat_score,
)  # fmt: skip
KNOWN = {"overnight": {"feature": "open"}, "day_of_week": {"feature": "before"}}
LOOKBACK = {
    "previous_return": {"feature": 3, "previous": 2},
    "trailing_mean": 11,
    "overnight": {"feature": 2},
}
