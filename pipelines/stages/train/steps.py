"""What a training run tells of its model; pure."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from models.training import FINAL
from pipelines.registry.fitting import Fitted


def collect_warnings(fitted: Fitted) -> list[str]:
    """Return what a reader must know before he believes the numbers."""
    parts = {"out of fold": fitted.walk.scores, "hold-out": fitted.holdout_scores}
    suspicions = [f"{name}: {text}" for name, scores in parts.items() for text in scores.suspicions()]
    fits = {fold.name: fold.caveats for fold in fitted.walk.folds} | {FINAL: fitted.final.forecaster.caveats}
    return [*suspicions, *(f"{name}: {text}" for name, texts in fits.items() for text in texts)]


def choose_example(
    frame: pl.DataFrame, features: Sequence[str], *, history_sessions: int, symbols: int
) -> pl.DataFrame:
    """Return a few symbols' last rows, as many sessions as one forecast needs: the model's input example.

    Parameters
    ----------
    frame : polars.DataFrame
        Training frame.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session` and the features, sorted by session and symbol.
    """
    sessions = frame["session"].unique().sort().tail(history_sessions)
    chosen = frame.filter(pl.col("session") == sessions[-1])["symbol"].sort().head(symbols)
    rows = frame.filter(
        pl.col("session").is_in(sessions.implode()) & pl.col("symbol").is_in(chosen.implode())
    )
    return rows.select("symbol", "session", *features).sort("session", "symbol")
