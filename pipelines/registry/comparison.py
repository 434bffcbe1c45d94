"""Challenger and champion on the challenger's held-out rows, forecast here and now."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from features.views import all_features
from models.selection import comparable_sessions
from models.splits import Part
from models.training import forecast_part
from pipelines.base.context import Context
from pipelines.io.feature_retrieval import read_features
from pipelines.io.model_folder import read_forecaster
from pipelines.registry.challenger import Challenger
from pipelines.registry.champion import load_champion
from pipelines.registry.ledger import LedgerEntry

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionForecasts:
    """What the champion says of the challenger's hold-out.

    Attributes
    ----------
    name : str
        Its name in tables of results.
    forecasts : polars.DataFrame or None
        `symbol`, `session`, `value`; None where it cannot forecast them.
    unseen : tuple of date
        Sessions that neither model has seen.
    why_not : str
        Why it cannot forecast them; empty where it can.
    """

    name: str
    forecasts: pl.DataFrame | None
    unseen: tuple[date, ...]
    why_not: str = ""


def forecast_holdout(challenger: Challenger, frame: pl.DataFrame) -> pl.DataFrame:
    """Let the challenger forecast its hold-out again; see `models.training.forecast_part`.

    Parameters
    ----------
    frame : polars.DataFrame
        From `Challenger.read_frame`.
    """
    return forecast_part(read_forecaster(challenger.folder), frame, _holdout(challenger))


def forecast_champion(
    context: Context, current: LedgerEntry, challenger: Challenger, frame: pl.DataFrame
) -> ChampionForecasts:
    """Let the champion forecast the challenger's held-out rows.

    Parameters
    ----------
    context : Context
        Its lake is read for features of the champion's that the frame lacks, each as it was known at the
        cut of its row.
    frame : polars.DataFrame
        The challenger's training frame.
    """
    champion = load_champion(context, current)
    name = f"champion {champion.lineage.family} v{current.model_version}"
    unseen = comparable_sessions(
        frame,
        [challenger.lineage.fitted_until, champion.lineage.fitted_until],
        embargo_sessions=max(challenger.lineage.embargo_sessions, champion.lineage.embargo_sessions),
    )
    forecaster = read_forecaster(champion.folder)
    lacking = [one for one in forecaster.feature_names if one not in frame.columns]
    missing = sorted(set(lacking).difference(feature.name for feature in all_features()))
    if missing:
        why = f"the features {missing[:5]} ({len(missing)} in all) are no longer built"
        return _mute(name, unseen, why)
    test = _holdout(challenger)
    if lacking:
        near = _of_part(frame, test, forecaster.history_sessions)
        frame = context.lake.collect(read_features(context, near, lacking, at="cutoff_at"))
        if unbuilt := near.height - frame.height:
            rows = f"{unbuilt} of {near.height} rows"
            return _mute(name, unseen, f"of {rows} there are no features {lacking[:5]}; run build_features")
    forecasts = forecast_part(forecaster, frame, test)
    return ChampionForecasts(name=name, forecasts=forecasts, unseen=tuple(unseen))


def _mute(name: str, unseen: Iterable[date], why: str) -> ChampionForecasts:
    """Return what is known of a champion that cannot forecast the rows, and say so."""
    why_not = f"{name} cannot be asked: {why}"
    log.warning(why_not)
    return ChampionForecasts(name=name, forecasts=None, unseen=tuple(unseen), why_not=why_not)


def _of_part(frame: pl.DataFrame, part: Part, history_sessions: int) -> pl.DataFrame:
    """Return the rows that a forecaster looks at to forecast a part: its own and the history before them."""
    sessions = frame.filter(pl.col("session") <= part.last)["session"].unique().sort()
    needed = int((sessions >= part.first).sum()) + history_sessions - 1
    return frame.filter(pl.col("session").is_in(sessions.tail(needed).implode()))


def _holdout(challenger: Challenger) -> Part:
    test = challenger.lineage.splits["final"]["test"]
    return Part(first=date.fromisoformat(test["first"]), last=date.fromisoformat(test["last"]))
