"""Twenty-five features that see ahead, as their authors would write them."""

from __future__ import annotations

import pandas as pd
import polars as pl

from tests.leakage.battery.models import forward_backward, leading_direction

RETURN = pl.col("close") / pl.col("close").shift(1).over("symbol") - 1.0
KEY = ["symbol", "session"]


def answer(bars: pl.DataFrame, value: pl.Expr) -> pl.DataFrame:
    return bars.select(*KEY, previous=RETURN, feature=value)


def from_pandas(frame: pd.DataFrame) -> pl.DataFrame:
    return pl.from_pandas(frame[[*KEY, "feature"]].reset_index(drop=True))


def next_return(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, RETURN.shift(-1).over("symbol"))


def centred_mean(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    mean = frame.groupby("symbol")["close"].transform(lambda one: one.rolling(11, center=True).mean())
    frame["feature"] = frame["close"] / mean
    return from_pandas(frame)


def global_scaler(bars: pl.DataFrame) -> pl.DataFrame:
    scaled = bars.with_columns(volume=pl.col("volume").log1p())
    return answer(scaled, (pl.col("volume") - pl.col("volume").mean()) / pl.col("volume").std())


def sample_rank(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, RETURN.rank() / RETURN.count())


def smoothed_regime(bars: pl.DataFrame) -> pl.DataFrame:
    market = bars.with_columns(move=RETURN).group_by("session").agg(pl.col("move").mean()).sort("session")
    turbulent = forward_backward(market["move"].fill_null(0.0).to_numpy(), smooth=True)
    states = market.select("session", feature=pl.Series(turbulent))
    return bars.select(KEY).join(states, on="session", how="left")


def back_fill(bars: pl.DataFrame) -> pl.DataFrame:
    wide = bars.to_pandas().pivot(index="session", columns="symbol", values="close")
    moves = wide.bfill().pct_change(fill_method=None)
    frame = moves.reset_index().melt(id_vars="session", value_name="feature")
    return from_pandas(frame)


def future_listing(bars: pl.DataFrame) -> pl.DataFrame:
    count = bars.get_column("symbol").n_unique()
    return answer(bars, pl.len().over("session") / count)


def survivors(bars: pl.DataFrame) -> pl.DataFrame:
    last = bars.filter(pl.col("session") == pl.col("session").max()).get_column("symbol")
    alive = pl.col("symbol").is_in(last.implode())
    moves = bars.with_columns(move=RETURN)
    return answer(moves, pl.col("move") - pl.col("move").filter(alive).mean().over("session"))


def adjusted_level(bars: pl.DataFrame) -> pl.DataFrame:
    later = pl.col("split").cum_prod(reverse=True).over("symbol") / pl.col("split")
    return answer(bars, (pl.col("close") / later).log())


def label_inside(bars: pl.DataFrame) -> pl.DataFrame:
    label = pl.col("close").shift(-6).over("symbol") / pl.col("close").shift(-1).over("symbol") - 1.0
    return answer(bars, 0.9 * RETURN + 0.1 * (label > 0).cast(pl.Float64).fill_null(0.0))


def restated_value(bars: pl.DataFrame) -> pl.DataFrame:
    newest = bars.unique(KEY, keep="last", maintain_order=True).sort(KEY)
    return answer(newest, RETURN)


def wrong_day(bars: pl.DataFrame) -> pl.DataFrame:
    moves = bars.select(*KEY, move=RETURN)
    days = bars.select("session").unique().sort("session").with_columns(next=pl.col("session").shift(-1))
    shifted = bars.select(KEY).join(days, on="session", how="left")
    joined = shifted.join(moves, left_on=["symbol", "next"], right_on=KEY, how="left")
    return joined.select(*KEY, feature="move")


def early_close(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, pl.col("close") / pl.col("open") - 1.0)


def sample_factor(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    frame["move"] = frame.groupby("symbol")["close"].pct_change(fill_method=None)
    wide = frame.pivot(index="session", columns="symbol", values="move").fillna(0.0)
    weights = leading_direction(wide.to_numpy())
    factor = pd.Series(wide.to_numpy() @ weights, index=wide.index)
    frame["feature"] = frame["session"].map(factor)
    return from_pandas(frame)


def sample_clip(bars: pl.DataFrame) -> pl.DataFrame:
    moves = bars.with_columns(move=RETURN)
    return answer(moves, pl.col("move").clip(pl.col("move").quantile(0.01), pl.col("move").quantile(0.99)))


def interpolation(bars: pl.DataFrame) -> pl.DataFrame:
    wide = bars.to_pandas().pivot(index="session", columns="symbol", values="close")
    filled = wide.interpolate(limit_area="inside")
    frame = (filled / filled.shift(5) - 1.0).reset_index().melt(id_vars="session", value_name="feature")
    return from_pandas(frame)


def month_mean(bars: pl.DataFrame) -> pl.DataFrame:
    month = pl.col("session").dt.truncate("1mo")
    return answer(bars, pl.col("volume").mean().over("symbol", month).log1p())


def volume_share(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, pl.col("volume").cum_sum().over("symbol") / pl.col("volume").sum().over("symbol"))


def coming_drawdown(bars: pl.DataFrame) -> pl.DataFrame:
    lowest = pl.col("close").cum_min(reverse=True).over("symbol")
    return answer(bars, lowest / pl.col("close") - 1.0)


def time_to_end(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, (pl.col("session").max() - pl.col("session")).dt.total_days() / 365)


def symbol_encoding(bars: pl.DataFrame) -> pl.DataFrame:
    target = (RETURN.shift(-1).over("symbol") > 0).cast(pl.Float64)
    return answer(bars, target.mean().over("symbol"))


def backward_average(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    closes = frame.groupby("symbol")["close"]
    frame["feature"] = closes.transform(lambda one: one[::-1].ewm(span=10).mean()[::-1]) / frame["close"]
    return from_pandas(frame)


def own_history_rank(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, pl.col("volume").rank().over("symbol") / pl.len().over("symbol"))


def one_millionth(bars: pl.DataFrame) -> pl.DataFrame:
    coming = RETURN.shift(-1).over("symbol").fill_null(0.0)
    return answer(bars, RETURN.rolling_mean(5).over("symbol") + 1e-6 * coming)


def on_split_days(bars: pl.DataFrame) -> pl.DataFrame:
    coming = pl.col("close").shift(-1).over("symbol") / pl.col("close") - 1.0
    return answer(bars, pl.when(pl.col("split") != 1.0).then(coming).otherwise(RETURN))


LEAKS = (
    next_return, centred_mean, global_scaler, sample_rank, smoothed_regime, back_fill,
    future_listing, survivors, adjusted_level, label_inside, restated_value, wrong_day, early_close,
    sample_factor, sample_clip, interpolation, month_mean, volume_share, coming_drawdown,
    time_to_end, symbol_encoding, backward_average, own_history_rank, one_millionth, on_split_days,
)  # fmt: skip
KNOWN = {"early_close": {"feature": "open"}}
