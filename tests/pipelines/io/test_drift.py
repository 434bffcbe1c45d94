"""The report is one page that needs nothing else, and its distances say what moved."""

from __future__ import annotations

import re
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from pipelines.io.drift import DriftPage, Rendered, Series, draw_series, render_report

DAYS = [date(2024, 1, 2) + timedelta(days=step) for step in range(40)]
SERIES = Series(
    title="Dispersion of returns",
    caption="log",
    points=pl.DataFrame({"session": DAYS, "value": [0.1] * 30 + [0.6] * 9 + [None]}),
    first_current=DAYS[30],
)


def rows(count: int, *, factor: float) -> pl.DataFrame:
    draw = np.random.default_rng(count)
    columns = {name: draw.standard_normal(count) for name in ("quiet", "loud", "forecast")}
    return pl.DataFrame(columns).with_columns(pl.col("loud") * factor)


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    page = DriftPage(
        headline="Drift as of 2024-02-10",
        facts=[("reference", "30 sessions"), ("current", "10 sessions")],
        remarks=["Why: the range is 1.6 times the reference's."],
        reference=rows(2000, factor=1.0),
        current=rows(800, factor=1.6),
        features=["quiet", "loud"],
        forecasts=["forecast"],
        distance=0.15,
        measures=[SERIES],
        realised=[],
    )
    return render_report(page)


def test_report_loads_nothing_from_elsewhere(rendered: Rendered) -> None:
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']?https?:", rendered.html)
    assert "@import" not in re.sub(r"<script>.*?</script>", "", rendered.html, flags=re.DOTALL)


def test_report_says_verdict_reasons_and_sections(rendered: Rendered) -> None:
    wanted = (
        "Drift as of 2024-02-10",
        "the range is 1.6 times",
        "Dispersion of returns",
        "Drift of the features",
    )
    for text in (*wanted, "Drift of the forecasts", "Realised rank correlation", "Data quality"):
        assert text in rendered.html
    assert "No issued forecast of these windows has a known outcome yet" in rendered.html


def test_distances_name_the_columns_that_moved(rendered: Rendered) -> None:
    assert rendered.drifted == {"quiet": False, "loud": True, "forecast": False}


def test_draw_series_separates_the_windows_and_marks_the_usual_level() -> None:
    figure = draw_series(SERIES)
    reference, current = figure.data
    assert (reference.name, len(reference.x), current.x[0]) == ("reference", 30, str(DAYS[30]))
    assert current.y[-1] is None
    assert figure.layout.shapes[0].y0 == pytest.approx(0.1)
