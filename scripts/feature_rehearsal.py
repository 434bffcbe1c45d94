"""Compute every feature of a few bars, so that numba compiles and keeps every kernel.

Usage: python -m scripts.feature_rehearsal
"""

from __future__ import annotations

import shutil
import time
from datetime import date

import polars as pl

from features.alpha158 import compute_factors
from features.compute import compute_features
from features.kernels.kernel_cache_folder import OWN, kept_in
from features.panel import mask_bars
from features.sessions import SessionCalendar
from features.views import primary_view

SYMBOLS, SESSIONS = ("A", "B"), 5
WEEK = 7 * 86_400


def few_bars(days: list[date]) -> pl.DataFrame:
    """Return a dense panel of bars that do not move, with a split on the last day."""
    grid = pl.DataFrame({"symbol": SYMBOLS}).join(pl.DataFrame({"session": days}), how="cross")
    prices = [pl.lit(100.0).alias(name) for name in ("open", "high", "low", "close", "volume")]
    basis = [pl.lit("raw").alias("price_basis"), pl.lit(value=True).alias("valid")]
    split = pl.when(pl.col("session") == days[-1]).then(2.0).otherwise(1.0).alias("split")
    return grid.with_columns(*prices, *basis, split)


def forget_older_kernels() -> None:
    """Remove the machine code beside the sources that is of others than today's and a week old.

    What a stage uses that began before the sources changed is younger.
    """
    for folder in OWN.iterdir() if OWN.is_dir() else ():
        if folder.is_dir() and folder != kept_in() and time.time() - folder.stat().st_mtime > WEEK:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Compile whatever the features call."""
    calendar = SessionCalendar()
    panel = few_bars(calendar.sessions(date(2024, 1, 2), date(2024, 2, 1))[:SESSIONS])
    compute_features(panel, calendar, primary_view().features)
    compute_factors(mask_bars(panel))
    forget_older_kernels()


if __name__ == "__main__":
    main()
