"""Whether a challenger takes over, decided from one table of results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import polars as pl

from models.params import PromotionParams

Verdict = Literal["bootstrap", "promotion", "rejection", "insufficient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The challenger against one benchmark: the champion or a baseline.

    Attributes
    ----------
    benchmark : str
    lead : float
        Mean rank IC of the challenger less the benchmark's, on the same rows.
    lead_t : float
        Newey–West t of that difference.
    required : float
        Lead that was asked for.
    won : bool
    """

    benchmark: str
    lead: float
    lead_t: float
    required: float
    won: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens to the challenger, and why.

    Attributes
    ----------
    verdict : {"bootstrap", "promotion", "rejection", "insufficient"}
        ``bootstrap``: there never was a champion, so it is installed whatever it lost. ``insufficient``: too
        few held-out sessions to say.
    why : str
        One sentence with the numbers.
    comparisons : tuple of Comparison
        All of them, lost ones included; the champion first.
    sessions : int
        Held-out sessions compared on.
    """

    verdict: Verdict
    why: str
    comparisons: tuple[Comparison, ...]
    sessions: int

    @property
    def installs(self) -> bool:
        """Whether the challenger takes the alias."""
        return self.verdict in {"bootstrap", "promotion"}

    @property
    def lost(self) -> tuple[str, ...]:
        """Benchmarks that the challenger did not beat by the margin."""
        return tuple(item.benchmark for item in self.comparisons if not item.won)


def decide(
    table: pl.DataFrame,
    *,
    challenger: str,
    champion: str | None,
    bootstrap: bool,
    params: PromotionParams,
    min_sessions: int,
) -> Decision:
    """Decide from an evaluation table whose `reference` was the challenger.

    Parameters
    ----------
    table : polars.DataFrame
        From `models.evaluation.evaluate`; rows other than challenger and champion are baselines.
    challenger, champion : str
        Names in the table's `forecaster`; champion None where there is none, or none that can be asked.
    bootstrap : bool
        Whether no model was ever champion. Otherwise, without a champion to compare with, every baseline must
        be beaten.
    params : PromotionParams
        Margin over champion and baselines, least paired t against the champion.
    min_sessions : int
        Fewest held-out sessions on which anything but a bootstrap is decided.

    Raises
    ------
    ValueError
        If a named forecaster is not in the table.
    """
    missing = {challenger, champion or challenger} - set(table["forecaster"])
    if missing:
        msg = f"{sorted(missing)} are not in the table, which holds {sorted(table['forecaster'])}"
        raise ValueError(msg)
    sessions = int(table.filter(pl.col("forecaster") == challenger)["sessions"][0])
    others = table.filter(pl.col("forecaster") != challenger).select("forecaster", "lead", "lead_t")
    compared = [_compare(*row, champion=champion, params=params) for row in others.iter_rows()]
    comparisons = tuple(sorted(compared, key=lambda item: (item.benchmark != champion, item.benchmark)))
    verdict: Verdict = "insufficient"
    if bootstrap:
        # Before the count of sessions: without a champion nothing would be served while it waits.
        verdict = "bootstrap"
    elif sessions >= min_sessions:
        verdict = _judge(comparisons, champion, params)
    why = _explain(verdict, comparisons, champion, sessions, min_sessions)
    return Decision(verdict=verdict, why=why, comparisons=comparisons, sessions=sessions)


def comparable_sessions(
    spine: pl.DataFrame, fitted_until: Sequence[datetime], *, embargo_sessions: int
) -> list[date]:
    """Return the sessions that no compared model has seen.

    Parameters
    ----------
    spine : polars.DataFrame
        `session` and `cutoff_at` of consecutive sessions (repeats are dropped).
    fitted_until : sequence of datetime
        Last `label_end` that entered each model.
    embargo_sessions : int
        Sessions to leave out beyond it, as between folds.

    Returns
    -------
    list of date
        Sessions s for which the `cutoff_at` of the session `embargo_sessions` before s is not earlier
        than the latest `fitted_until`: the hold-out's own rule, so a model's whole hold-out counts.
    """
    sessions = spine.select("session", "cutoff_at").unique("session", keep="first").sort("session")
    shifted = sessions.with_columns(pl.col("cutoff_at").shift(embargo_sessions))
    return shifted.filter(pl.col("cutoff_at") >= max(fitted_until))["session"].to_list()


def _compare(
    benchmark: str, lead: float, lead_t: float, *, champion: str | None, params: PromotionParams
) -> Comparison:
    # With a margin of 0 a tie would win: two models of equal forecasts would take turns for ever.
    beaten = lead >= params.margin_rank_ic and lead > 0
    if benchmark == champion:
        beaten = beaten and lead_t >= params.min_paired_t
    return Comparison(
        benchmark=benchmark, lead=lead, lead_t=lead_t, required=params.margin_rank_ic, won=beaten
    )


def _judge(comparisons: Sequence[Comparison], champion: str | None, params: PromotionParams) -> Verdict:
    """Return whether all is beaten that has to be; where no champion stands by, nothing else holds it off."""
    every = params.require_baselines or champion is None
    needed = [item for item in comparisons if every or item.benchmark == champion]
    return "promotion" if needed and all(item.won for item in needed) else "rejection"


def _explain(
    verdict: Verdict,
    comparisons: Sequence[Comparison],
    champion: str | None,
    sessions: int,
    min_sessions: int,
) -> str:
    if verdict == "insufficient":
        return f"{sessions} held-out sessions unseen by both are fewer than {min_sessions}; wait for more"
    beaten = "champion and baselines" if champion else "all baselines"
    leads = ", ".join(f"{item.benchmark} {item.lead:+.4f}" for item in comparisons)
    lost = ", ".join(item.benchmark for item in comparisons if not item.won)
    start = {
        "bootstrap": "installed because there was no champion",
        "promotion": f"beats {beaten} by the margin",
        "rejection": "does not beat every benchmark by the margin",
    }[verdict]
    tail = f"; not beaten: {lost}" if lost else ""
    return f"{start}: lead in mean rank IC over {sessions} sessions: {leads or 'no benchmark'}{tail}"
