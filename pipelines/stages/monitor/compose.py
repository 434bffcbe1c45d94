"""What the report shows, from what was measured: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from models.forecast_frames import KEY
from pipelines.io.drift import DriftPage, Series
from pipelines.stages.monitor.params import MonitorParams
from pipelines.stages.monitor.scales import SCALES
from pipelines.stages.monitor.steps import DriftWindows, choose_columns, sample_rows
from pipelines.stages.monitor.verdict import Verdict

FORECAST = "forecast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was read and measured for one as-of.

    Attributes
    ----------
    features : polars.DataFrame
        `symbol`, `session` and features of valid vectors.
    forecasts : polars.DataFrame
        `symbol`, `session`, `value`: what was issued last, in time or not.
    measured : polars.DataFrame
        Session-level measures.
    realised, replayed : polars.DataFrame
        `session`, `rank_ic`: of what was issued by the decision, and of what was issued after it.
    shown : sequence of str
        Features in order of importance.
    """

    verdict: Verdict
    windows: DriftWindows
    features: pl.DataFrame
    forecasts: pl.DataFrame
    measured: pl.DataFrame
    realised: pl.DataFrame
    replayed: pl.DataFrame
    shown: Sequence[str]


def compose_page(found: Findings, params: MonitorParams, *, champion: str) -> DriftPage:
    """Return the report's content.

    Parameters
    ----------
    champion : str
        The champion in words.
    """
    reference, current = (
        rows_of(found, window) for window in (found.windows.reference, found.windows.current)
    )
    verdict = found.verdict
    return DriftPage(
        headline=f"{'Drift' if verdict.verdict == 'drift' else 'No drift'} as of {verdict.as_of}",
        facts=_facts(found, reference.height, current.height),
        remarks=[f"Champion: {champion}.", *_remarks(verdict)],
        reference=sample_rows(reference, params.sample_rows),
        current=sample_rows(current, params.sample_rows),
        features=choose_columns(found.shown, reference, current),
        forecasts=choose_columns([FORECAST], reference, current),
        distance=params.feature_distance,
        measures=[
            Series(
                title=scale.name.replace("_", " ").capitalize(),
                caption=f"log of the {scale.meaning}",
                points=found.measured.select("session", pl.col(scale.name).alias("value")),
                first_current=found.windows.current[0],
            )
            for scale in SCALES
        ],
        realised=_realised(found),
    )


def rows_of(found: Findings, sessions: Sequence[object]) -> pl.DataFrame:
    """Return the valid rows of a window with their features and, where one was issued, the forecast."""
    inside = pl.col("session").is_in(pl.Series(sessions, dtype=pl.Date).implode())
    issued = found.forecasts.select(*KEY, pl.col("value").alias(FORECAST))
    valid = found.features.filter(inside)
    return valid.join(issued, on=list(KEY), how="left").select(*KEY, *found.shown, FORECAST)


def mean_rank_ic(found: Findings, by_session: pl.DataFrame) -> float | None:
    """Return the mean `rank_ic` over the current window, None while no outcome is known."""
    inside = by_session.filter(pl.col("session") >= found.windows.current[0])
    mean = inside.get_column("rank_ic").mean()
    return None if mean is None else float(mean)  # type: ignore[arg-type]


def _facts(found: Findings, reference_rows: int, current_rows: int) -> list[tuple[str, str]]:
    windows = found.windows
    facts = [
        (f"{name}: {sessions[0]} to {sessions[-1]}, {rows:,} rows", f"{len(sessions)} sessions")
        for name, sessions, rows in (
            ("reference", windows.reference, reference_rows),
            ("current", windows.current, current_rows),
        )
    ]
    facts += [
        (f"{shift.name.replace('_', ' ')} (z {shift.z:+.1f})", f"× {shift.ratio:.2f}")
        for shift in found.verdict.shifts
    ]
    if found.verdict.coverage is not None:
        facts.append(("of the reference's symbols", f"{found.verdict.coverage:.0%}"))
    return facts


def _remarks(verdict: Verdict) -> list[str]:
    if not verdict.reasons:
        return ["Every session-level measure is within its usual range."]
    outcome = "A new training is asked for." if verdict.retrain else "No new training is asked for."
    return [*(f"Why: {reason}." for reason in verdict.reasons), outcome]


def _realised(found: Findings) -> list[Series]:
    shown = (
        ("Rank correlation of forecasts issued by their decision with what came of them", found.realised),
        ("The same of replays, issued after the decision: nobody could have used them", found.replayed),
    )
    return [
        Series(
            title=title,
            caption="rank IC",
            points=points.select("session", pl.col("rank_ic").alias("value")),
            first_current=found.windows.current[0],
        )
        for title, points in shown
        if not points.is_empty()
    ]
