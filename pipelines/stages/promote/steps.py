"""From forecasts of the same held-out rows to a decision with its numbers; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from math import isnan
from typing import Any

import polars as pl

from models.evaluation import evaluate
from models.forecast_frames import KEY
from models.params import ModelsParams
from models.selection import Decision, decide

INDEPENDENT_LABELS = 4
"""Fewest labels, one after another without overlap, from which an interval of a mean can be told."""
SHOWN = (
    "forecaster",
    "sessions",
    "rows",
    "rank_ic",
    "rank_ic_low",
    "rank_ic_high",
    "t_newey_west",
    "lead",
    "lead_t",
)


def compare(
    forecasts: Mapping[str, pl.DataFrame],
    sessions: Sequence[date],
    *,
    challenger: str,
    champion: str | None,
    bootstrap: bool,
    params: ModelsParams,
) -> tuple[Decision, pl.DataFrame]:
    """Decide on the sessions that nobody compared has seen.

    Parameters
    ----------
    forecasts : mapping of name to polars.DataFrame
        `symbol`, `session`, `value`; the challenger's also `label`.
    sessions : sequence of date
        Sessions that count.
    challenger, champion : str
        Names in `forecasts`; champion None where there is none to compare with.
    bootstrap : bool
        Whether no model was ever champion.
    params : ModelsParams
        With the challenger's horizon and seed.

    Returns
    -------
    decision : Decision
    table : polars.DataFrame
        The numbers; empty where there were too few sessions to compute any.
    """
    kept = {name: rows.filter(pl.col("session").is_in(list(sessions))) for name, rows in forecasts.items()}
    least = params.split.min_holdout_sessions
    shared = kept[challenger]["session"].n_unique()
    if not bootstrap and shared < least:
        return too_few(shared, least), pl.DataFrame()
    table = evaluate(
        kept,
        kept[challenger].select(*KEY, "label"),
        reference=challenger,
        horizon_sessions=params.split.horizon_sessions,
        seed=params.seed,
    )
    decision = decide(
        table,
        challenger=challenger,
        champion=champion,
        bootstrap=bootstrap,
        params=params.promotion,
        min_sessions=least,
    )
    return decision, table


def too_few(sessions: int, least: int) -> Decision:
    """Return the decision that there is nothing to decide on yet."""
    why = f"{sessions} held-out sessions unseen by both are fewer than min_holdout_sessions={least}"
    return Decision(verdict="insufficient", why=f"{why}; wait for more", comparisons=(), sessions=sessions)


def explain_unusable(decision: Decision, why_not: str) -> Decision:
    """Return the decision with the reason why the champion was not compared."""
    return replace(decision, why=f"{why_not}; {decision.why}") if why_not else decision


def refuse_withdrawn(decision: Decision, why: str) -> Decision:
    """Return a rejection: what a person has rolled back does not come back by itself."""
    reason = (
        f"it was rolled back ({why}); roll back to it by hand, or train a new one; otherwise: {decision.why}"
    )
    return replace(decision, verdict="rejection", why=reason)


def stop_suspect(
    decision: Decision,
    table: pl.DataFrame,
    *,
    challenger: str,
    bound: float,
    accepted: bool,
    horizon_sessions: int,
) -> Decision:
    """Return a rejection where even the lower end of the challenger's interval is too good to be true.

    Parameters
    ----------
    table : polars.DataFrame
        From `compare`.
    bound : float
        From `pipelines.registry.leak_stop.leak_bound`.
    accepted : bool
        Whether a person has explained it.
    horizon_sessions : int
        Run of the label. Labels overlap over so many sessions: of fewer than `INDEPENDENT_LABELS` times as
        many an interval says nothing, and nothing is suspected.
    """
    if table.is_empty() or accepted or decision.sessions < INDEPENDENT_LABELS * horizon_sessions:
        return decision
    row = table.filter(pl.col("forecaster") == challenger).row(0, named=True)
    low = row["rank_ic_low"]
    # One scored session has no interval: then the number itself is all there is.
    if not (row["rank_ic"] if isnan(low) else low) > bound:
        return decision
    reason = (
        f"its rank IC of {row['rank_ic']:.4f} on the held-out rows, with 95 % at least "
        f"{low:.4f}, is above the leak bound {bound:.4f}: look for a leak, and if a person "
        'can explain it, run `bellwether promote --accept-suspect --why "…"`'
    )
    return replace(decision, verdict="rejection", why=f"{reason}; otherwise: {decision.why}")


def as_numbers(decision: Decision, table: pl.DataFrame) -> dict[str, Any]:
    """Return what was compared, for the ledger; NaN becomes None, so that it stays valid JSON."""
    shown = table.select(SHOWN).with_columns(pl.col(pl.Float64).fill_nan(None)) if table.height else table
    return {
        "verdict": decision.verdict,
        "sessions": decision.sessions,
        "lost": list(decision.lost),
        "comparisons": [_finite(asdict(item)) for item in decision.comparisons],
        "table": shown.to_dicts(),
    }


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in record.items()}  # noqa: PLR0124
