"""The two pictures of a training run, drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.metrics import compute_ic

TOP_FEATURES = 25


def draw_importance(shares: Mapping[str, float], path: Path) -> None:
    """Draw the largest shares of the model's work as bars, largest on top."""
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:TOP_FEATURES][::-1]
    figure = Figure(figsize=(8, 0.28 * len(ranked) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.barh([name for name, _ in ranked], [share for _, share in ranked], color="#3b6ea5")
    axes.set_xlabel("share of the model's work")
    axes.tick_params(axis="y", labelsize=7)
    figure.savefig(path, dpi=110)


def draw_cumulative_ic(out_of_fold: pl.DataFrame, holdout: pl.DataFrame, path: Path) -> None:
    """Draw the running sum of the sessions' rank IC, the hold-out set apart."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    offset = 0.0
    for label, rows, colour in (("out of fold", out_of_fold, "#3b6ea5"), ("hold-out", holdout, "#c0504d")):
        by_session = compute_ic(rows)
        total = by_session["rank_ic"].cum_sum() + offset
        axes.plot(by_session["session"].to_list(), total.to_list(), label=label, color=colour)
        offset = float(total[-1]) if len(total) else offset
    axes.axhline(0, color="grey", linewidth=0.6)
    axes.set_ylabel("cumulative rank IC")
    axes.legend()
    figure.savefig(path, dpi=110)
