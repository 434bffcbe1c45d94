"""What is done to rows that a feature must not see: dropped, scrambled, moved, mirrored, made flat.

Each takes placed rows, a mask of the rows that it may touch and a generator, and returns placed rows. Columns
are known by the names that bars have; any other Float64 column is scrambled by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.leakcheck.value_grid import AT, WHO, Flags, Integers

Disturb = Callable[[pl.DataFrame, Flags, np.random.Generator], pl.DataFrame]
Floats = NDArray[np.float64]

PRICES = ("open", "high", "low", "close", "vwap")
RANGE = ("open", "high", "low", "close")
NEUTRAL = {"dividend": 0.0, "split": 1.0}
"""Actions on the bar's row, and the value that says that nothing happened."""
LARGE = 16.0
"""The factor by which a moved future is larger: a mean over everything moves with it. Larger ones leave
rounding errors in running sums of third powers, which look like effects; a power of two makes none itself."""
LAST_BIT, LAST_BIT_SINGLE = 2.0**-52, 2.0**-23
"""What the last bit of a double is worth, and of a number in single precision."""


def drop_rows(rows: pl.DataFrame, mask: Flags, random: np.random.Generator) -> pl.DataFrame:
    """Return the rows without those of the mask: they have not happened."""
    del random
    return rows.filter(~pl.Series(mask))


def scramble_values(rows: pl.DataFrame, mask: Flags, random: np.random.Generator) -> pl.DataFrame:
    """Return the rows with other values in those of the mask, all of them still there."""
    count = int(mask.sum())
    level = np.exp(random.normal(0.0, 0.2, count))

    def other(name: str, values: Floats) -> Floats:
        if name in PRICES:
            return values * level * np.exp(random.normal(0.0, 0.01, count))
        if name in NEUTRAL:
            return _moved_actions(name, values, random)
        base = np.where(values == 0.0, _typical(values), values)
        scrambled: Floats = base * np.exp(random.normal(0.0, 0.7, count))
        return np.where(random.random(count) < 0.05, 0.0, scrambled) if name == "volume" else scrambled

    return _ordered(_with_values(rows, mask, other), mask)


def scramble_rows(rows: pl.DataFrame, mask: Flags, random: np.random.Generator) -> pl.DataFrame:
    """Return the rows with other values in those of the mask, some of them gone and some not valid."""
    scrambled = scramble_values(rows, mask, random)
    if "valid" in rows.columns:
        unlucky = mask & (random.random(rows.height) < 0.03)
        scrambled = scrambled.with_columns(valid=pl.col("valid") & ~pl.Series(unlucky))
    gone = mask & (random.random(rows.height) < 0.1)
    return scrambled.filter(~pl.Series(gone))


def move_rows(rows: pl.DataFrame, mask: Flags, random: np.random.Generator) -> pl.DataFrame:
    """Return the rows with values many times larger in those of the mask."""
    del random
    return _with_values(rows, mask, lambda name, values: values if name == "split" else values * LARGE)


def mirror_rows(rows: pl.DataFrame, mask: Flags, random: np.random.Generator) -> pl.DataFrame:
    """Return the rows with prices mirrored at the last one before the mask: every return changes its sign."""
    anchor = _anchors(rows, mask)[mask]

    def other(name: str, values: Floats) -> Floats:
        return anchor**2 / values if name in PRICES else random.permutation(values)

    return _ordered(_with_values(rows, mask, other), mask)


def flatten_rows(rows: pl.DataFrame, mask: Flags, random: np.random.Generator) -> pl.DataFrame:
    """Return the rows with nothing happening in those of the mask: one price, one volume, no action."""
    del random
    anchor = _anchors(rows, mask)[mask]

    def other(name: str, values: Floats) -> Floats:
        if name in PRICES:
            return np.where(np.isnan(values), np.nan, anchor)
        if name in NEUTRAL:
            return np.full_like(values, NEUTRAL[name])
        return np.full_like(values, _typical(values))

    return _with_values(rows, mask, other)


def scramble_after_open(rows: pl.DataFrame, mask: Flags, random: np.random.Generator) -> pl.DataFrame:
    """Return the rows with other values of what the open of the mask's sessions does not show yet."""
    known = [name for name in ("open", *NEUTRAL) if name in rows.columns]
    scrambled = scramble_values(rows, mask, random).with_columns(rows.select(known))
    return _ordered(scrambled, mask)


def jitter(rows: pl.DataFrame, random: np.random.Generator, last_bit: float = LAST_BIT) -> pl.DataFrame:
    """Return the rows with every symbol's values moved by a few last bits; what is 0, or a split, stays."""
    count = 1 + int(rows.get_column(WHO).max() or 0)  # type: ignore[arg-type]
    who = rows.get_column(WHO).fill_null(0).to_numpy()
    steps = {name: random.integers(1, 9, count) * random.choice([-1, 1], count) for name in ("price", "rest")}
    factor = {name: (1.0 + last_bit * step)[who] for name, step in steps.items()}

    def other(name: str, values: Floats) -> Floats:
        return values if name == "split" else values * factor["price" if name in PRICES else "rest"]

    return _with_values(rows, np.ones(rows.height, dtype=bool), other)


def exchange_symbols(rows: pl.DataFrame, symbols: pl.Series, order: Integers) -> pl.DataFrame:
    """Return the rows, sorted, with each symbol of the grid under the name that `order` gives it."""
    names = pl.DataFrame({"symbol": symbols, "_name": symbols.gather(order)})
    renamed = rows.join(names, on="symbol", how="left", maintain_order="left")
    renamed = renamed.with_columns(symbol=pl.coalesce("_name", "symbol")).select(rows.columns)
    return renamed.sort("symbol", "session", maintain_order=True)


def add_late_versions(
    rows: pl.DataFrame, mask: Flags, random: np.random.Generator, *, after: pl.Expr
) -> pl.DataFrame:
    """Return the rows with later versions of those of the mask: restated values, and some retractions.

    Parameters
    ----------
    after : polars.Expr
        Over the rows: the instant after which the version came to be known.
    """
    delay = pl.Series(random.integers(60, 86_400, rows.height)) * timedelta(seconds=1)
    later = scramble_values(rows, mask, random).with_columns(known_at=after + delay)
    if "valid" in rows.columns:
        taken_back = mask & (random.random(rows.height) < 0.15)
        numbers = [name for name in rows.columns if rows.schema[name] == pl.Float64 and name not in NEUTRAL]
        later = later.with_columns(
            pl.when(~pl.Series(taken_back)).then(pl.col(name)).alias(name) for name in numbers
        ).with_columns(valid=pl.col("valid") & ~pl.Series(taken_back))
    versions = pl.concat([rows, later.filter(pl.Series(mask))])
    return versions.sort("symbol", "session", "known_at", maintain_order=True)


def average_versions(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row of each symbol and session: the mean of all versions' values, nulls left out."""
    rest = [name for name in rows.columns if name not in ("symbol", "session")]
    values = (
        pl.col(name).mean() if rows.schema[name] == pl.Float64 else pl.col(name).first() for name in rest
    )
    return rows.group_by("symbol", "session", maintain_order=True).agg(values).select(rows.columns)


def list_more(rows: pl.DataFrame, mask: Flags, random: np.random.Generator) -> pl.DataFrame:
    """Return the rows with new symbols that trade in the mask's sessions only."""
    alike = rows.filter(pl.Series(mask) & (pl.col(WHO) % 3 == 0))
    new = [
        alike.with_columns(pl.format(name, "symbol").alias("symbol"), pl.lit(None, pl.Int64).alias(WHO))
        for name in ("0{}", "Z{}9")
    ]
    more = [scramble_values(one, np.ones(one.height, dtype=bool), random) for one in new]
    return pl.concat([rows, *more]).sort("symbol", "session", maintain_order=True)


def delist_some(rows: pl.DataFrame, mask: Flags, random: np.random.Generator) -> pl.DataFrame:
    """Return the rows without the mask's rows of symbols first listed in them, and of half of the others."""
    earlier = rows.filter(~pl.Series(mask)).get_column(WHO).unique().to_numpy()
    stay = random.permutation(earlier)[: max(len(earlier) // 2, 1)]
    return rows.filter(~pl.Series(mask) | pl.col(WHO).is_in(stay.tolist()))


def _with_values(rows: pl.DataFrame, mask: Flags, other: Callable[[str, Floats], Floats]) -> pl.DataFrame:
    """Replace the masked values of each Float64 column; a null stays null."""
    changed = []
    for name, dtype in rows.schema.items():
        if dtype == pl.Float64 and mask.any():
            values = rows.get_column(name).to_numpy().copy()
            values[mask] = other(name, values[mask])
            changed.append(pl.Series(name, values).fill_nan(None))
    return rows.with_columns(changed)


def _ordered(rows: pl.DataFrame, mask: Flags) -> pl.DataFrame:
    """Make high the highest and low the lowest of the masked rows' prices."""
    if not set(RANGE) <= set(rows.columns):
        return rows
    there, touched = pl.col("high").is_not_null() & pl.col("low").is_not_null(), pl.Series(mask)
    high, low = pl.max_horizontal(*RANGE), pl.min_horizontal(*RANGE)
    return rows.with_columns(
        high=pl.when(touched & there).then(high).otherwise("high"),
        low=pl.when(touched & there).then(low).otherwise("low"),
    )


def _moved_actions(name: str, values: Floats, random: np.random.Generator) -> Floats:
    """Let actions fall on other rows, and a few more than there were."""
    moved = random.permutation(values)
    new = random.random(len(values)) < 0.03
    size = np.where(random.random(len(values)) < 0.5, 2.0, 1.5) if name == "split" else 0.5
    return np.where(new, size, moved)


def _typical(values: Floats) -> float:
    known = values[np.isfinite(values) & (values != 0.0)]
    return float(np.median(known)) if known.size else 1.0


def _anchors(rows: pl.DataFrame, mask: Flags) -> Floats:
    """Return for each row its symbol's last close before the mask, or a middling one where there is none."""
    if "close" not in rows.columns:
        return np.ones(rows.height)
    close = pl.col("close")
    before = rows.filter(~pl.Series(mask)).sort(AT).group_by(WHO).agg(close.drop_nulls().last().alias("_a"))
    anchors = rows.select(WHO).join(before, on=WHO, how="left", maintain_order="left").get_column("_a")
    return anchors.fill_null(_typical(rows.get_column("close").to_numpy())).to_numpy()
