"""Views of the catalog in the form that the firewall examines."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from features.leakcheck.examination import Declared
from features.leakcheck.trial import Compute
from features.sessions import SessionCalendar
from features.views import FeatureView


def compute_view(view: FeatureView, names: Sequence[str], calendar: SessionCalendar) -> Compute:
    """Return the function from a view's source rows to some of its features.

    Its sessions are those of the calendar from the first row's to the last row's; values of one on which
    there is no row at all, such as a day without any text, are left out.
    """

    def compute(rows: pl.DataFrame) -> pl.DataFrame:
        first, last = rows.select(first=pl.col("session").min(), last=pl.col("session").max()).row(0)
        sessions = calendar.frame(first, last).select("session")
        values = view.evaluate(rows, sessions, calendar).select("symbol", "session", *names)
        return values.join(rows.select("session").unique(), on="session", how="semi")

    return compute


def declared_by(view: FeatureView, names: Sequence[str]) -> Declared:
    """Return the look-backs of a view's entries, and which are known before their session."""
    chosen = [feature for feature in view.features if feature.name in names]
    return Declared(
        lookback={feature.name: feature.lookback_sessions for feature in chosen},
        known={feature.name: "before" for feature in chosen if feature.alignment == "calendar"},
    )
