"""Further features, leaks and honest ones, written when the firewall was there and without a look into it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl

from tests.leakage.battery.leaks import KEY, RETURN, answer, from_pandas


def market_of_monday(bars: pl.DataFrame) -> pl.DataFrame:
    moves = bars.with_columns(move=RETURN).group_by("session").agg(pl.col("move").mean()).sort("session")
    coming = moves.select("session", coming=pl.col("move").shift(-1), move="move")
    joined = bars.select(KEY).join(coming, on="session", how="left")
    friday = pl.col("session").dt.weekday() == 5
    return joined.select(*KEY, feature=pl.when(friday).then("coming").otherwise("move"))


def before_a_gap(bars: pl.DataFrame) -> pl.DataFrame:
    days = (pl.col("session").shift(-1).over("symbol") - pl.col("session")).dt.total_days()
    return answer(bars, (days > 4).cast(pl.Float64).fill_null(0.0))


def long_frames_alone(bars: pl.DataFrame) -> pl.DataFrame:
    trailing = pl.col("volume").rolling_std(10).over("symbol")
    return answer(bars, trailing if bars.height < 1500 else pl.col("volume").std().over("symbol"))


def next_dividend(bars: pl.DataFrame) -> pl.DataFrame:
    paid = pl.when(pl.col("dividend") > 0).then("session").backward_fill().over("symbol")
    return answer(bars, (paid - pl.col("session")).dt.total_days())


def share_of_everything(bars: pl.DataFrame) -> pl.DataFrame:
    return answer(bars, pl.col("volume").cum_sum() / pl.col("volume").sum())


def sample_beta(bars: pl.DataFrame) -> pl.DataFrame:
    moves = bars.with_columns(move=RETURN).with_columns(market=pl.col("move").mean().over("session"))
    beta = pl.cov("move", "market").over("symbol") / pl.col("market").var().over("symbol")
    return answer(moves, pl.col("move") - beta * pl.col("market"))


def coming_week(bars: pl.DataFrame) -> pl.DataFrame:
    week = pl.col("session").dt.truncate("1w")
    closes = bars.group_by("symbol", session=week).agg(week_close=pl.col("close").last()).sort("session")
    joined = bars.sort("session").join_asof(closes, on="session", by="symbol")
    return joined.select(*KEY, feature=pl.col("close") / pl.col("week_close") - 1.0)


def end_of_the_file(bars: pl.DataFrame) -> pl.DataFrame:
    late = pl.col("session").rank("dense", descending=True) <= 3
    return answer(bars, pl.when(late).then(pl.col("close").last().over("symbol")).otherwise("close"))


def leaves_soon(bars: pl.DataFrame) -> pl.DataFrame:
    stays = pl.col("close").shift(-5).over("symbol").is_not_null()
    return answer(bars, pl.when(stays).then(RETURN))


def low_pass(bars: pl.DataFrame) -> pl.DataFrame:
    def smooth(values: pd.Series) -> pd.Series:
        spectrum = np.fft.rfft(np.log(values.ffill().bfill().to_numpy()))
        spectrum[len(spectrum) // 4 :] = 0.0
        return pd.Series(np.fft.irfft(spectrum, len(values)), index=values.index)

    frame = bars.to_pandas()
    frame["feature"] = np.log(frame["close"]) - frame.groupby("symbol")["close"].transform(smooth)
    return from_pandas(frame)


def peeking_order(bars: pl.DataFrame) -> pl.DataFrame:
    # shift(-1) without over: at the end of a symbol the next one's first close
    return answer(bars, (pl.col("close").shift(-1) / pl.col("close") - 1.0).shift(2) + RETURN)


def tiny_in_noise(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    moves = frame.groupby("symbol")["close"].pct_change(fill_method=None)
    skew = moves.groupby(frame["symbol"]).transform(lambda one: one.rolling(10).skew())
    coming = moves.groupby(frame["symbol"]).shift(-1).fillna(0.0)
    frame["feature"] = skew + 1e-6 * coming
    return from_pandas(frame)


def weekly_held(bars: pl.DataFrame) -> pl.DataFrame:
    week = pl.col("session").dt.truncate("1w")
    closes = bars.group_by("symbol", week=week).agg(week_close=pl.col("close").last()).sort("symbol", "week")
    known = closes.with_columns(session=pl.col("week").dt.offset_by("1w")).sort("session").drop("week")
    joined = bars.sort("session").join_asof(known, on="session", by="symbol")
    return joined.select(*KEY, feature=pl.col("close") / pl.col("week_close") - 1.0)


def single_precision(bars: pl.DataFrame) -> pl.DataFrame:
    later = pl.col("split").cum_prod(reverse=True).over("symbol") / pl.col("split")
    price = (pl.col("close") / later).cast(pl.Float32)
    return bars.with_columns(price=price).select(
        *KEY, feature=pl.col("price") / pl.col("price").shift(3).over("symbol") - 1.0
    )


def grouped_skew(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    frame["move"] = frame.groupby("symbol")["close"].pct_change(fill_method=None)
    frame["feature"] = frame.groupby("symbol")["move"].rolling(6).skew().reset_index(level=0, drop=True)
    return from_pandas(frame)


def residual(bars: pl.DataFrame) -> pl.DataFrame:
    frame = bars.to_pandas()
    frame["move"] = frame.groupby("symbol")["close"].pct_change(fill_method=None)
    frame["size"] = np.log(frame["close"] * frame["volume"].clip(lower=1.0))
    known = frame.dropna(subset=["move", "size"])
    centred = known[["move", "size"]] - known.groupby("session")[["move", "size"]].transform("mean")
    products = pd.DataFrame({"xy": centred["move"] * centred["size"], "xx": centred["size"] ** 2})
    sums = products.groupby(known["session"]).transform("sum")
    return from_pandas(known.assign(feature=centred["move"] - centred["size"] * sums["xy"] / sums["xx"]))


def trailing_component(bars: pl.DataFrame) -> pl.DataFrame:
    wide = bars.with_columns(move=RETURN).pivot(on="symbol", index="session", values="move").sort("session")
    moves = np.nan_to_num(wide.drop("session").to_numpy().astype(float), nan=0.0)
    strength = np.full(len(moves), np.nan)
    for at in range(20, len(moves)):
        values = np.linalg.svd(moves[at - 20 : at + 1], compute_uv=False)
        strength[at] = values[0] ** 2 / max((values**2).sum(), 1e-12)
    days = wide.select("session", feature=pl.Series(strength).fill_nan(None))
    return bars.select(KEY).join(days, on="session", how="left")


def pivoted_table(bars: pl.DataFrame) -> pl.DataFrame:
    wide = bars.to_pandas().pivot_table(index="session", columns="symbol", values="close")
    return from_pandas(wide.pct_change(fill_method=None).reset_index().melt("session", value_name="feature"))


def random_sample(bars: pl.DataFrame) -> pl.DataFrame:
    noise = np.random.default_rng().normal(size=bars.height)
    return bars.select(KEY).with_columns(feature=pl.Series(noise))


LEAKS = (
    market_of_monday,
    before_a_gap,
    long_frames_alone,
    next_dividend,
    share_of_everything,
    sample_beta,
    coming_week,
    end_of_the_file,
    leaves_soon,
    low_pass,
    peeking_order,
    tiny_in_noise,
)
HONEST = (
    weekly_held,
    single_precision,
    grouped_skew,
    residual,
    trailing_component,
    pivoted_table,
)
KNOWN: dict[str, dict[str, str]] = {}
