"""Evidently: the drift report as one HTML page that needs nothing but itself."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from evidently import DataDefinition, Dataset, Report
from evidently.core.container import MetricContainer
from evidently.legacy.model.widget import BaseWidgetInfo
from evidently.legacy.renderers.html_widgets import CounterData, counter, plotly_figure, text_widget
from evidently.presets import DataDriftPreset, DataSummaryPreset
from plotly import graph_objects

REFERENCE_COLOUR, CURRENT_COLOUR, QUIET = "#8a94a6", "#d7263d", "#e9ecf1"
_LAYOUT = {
    "margin": {"l": 60, "r": 20, "t": 40, "b": 40},
    "plot_bgcolor": "white",
    "legend": {"orientation": "h"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One number a session, drawn as a line with the reference's median and the current window marked.

    `points` has `session` and `value`; null values are gaps.
    """

    title: str
    caption: str
    points: pl.DataFrame
    first_current: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPage:
    """Everything that the report shows.

    Attributes
    ----------
    headline : str
        The verdict in one line; `facts` are (label, value) pairs below it, `remarks` paragraphs.
    reference, current : polars.DataFrame
        Rows of the two windows: `features`, `forecasts` and nothing else.
    features, forecasts : sequence of str
        Columns by the section that they are shown in.
    distance : float
        Wasserstein distance, in standard deviations, from which a column is called drifted.
    measures, realised : sequence of Series
        Session-level measures, and the rank correlation of forecasts with outcomes.
    """

    headline: str
    facts: Sequence[tuple[str, str]]
    remarks: Sequence[str]
    reference: pl.DataFrame
    current: pl.DataFrame
    features: Sequence[str]
    forecasts: Sequence[str]
    distance: float
    measures: Sequence[Series]
    realised: Sequence[Series]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The page, and for each column whether Evidently calls it drifted."""

    html: str
    drifted: dict[str, bool]


class _Section(MetricContainer):  # type: ignore[misc]
    """Widgets of our own among Evidently's."""

    name: str
    widgets: Any

    def generate_metrics(self, context: Any) -> list[Any]:  # noqa: ARG002
        """Compute nothing."""
        return []

    def render(self, context: Any, child_widgets: Any = None) -> list[BaseWidgetInfo]:  # noqa: ARG002
        """Return the widgets."""
        return list(self.widgets)


class _DriftTable(DataDriftPreset):  # type: ignore[misc]
    """Evidently's table of distances, without its own verdict on the whole: ours stands above."""

    def render(self, context: Any, child_widgets: Any = None) -> list[BaseWidgetInfo]:
        """Return the table alone, the last of the preset's widgets."""
        return list(super().render(context, child_widgets)[-1:])


def render_report(page: DriftPage) -> Rendered:
    """Draw the report.

    Distances are measured on rows, and a market moves all rows of a session together: they describe
    what changed, and the verdict comes from the session-level measures above them.
    """
    drawn = _graphs(page.realised)
    realised = [_heading("Realised rank correlation", "" if drawn else _NO_OUTCOME), *drawn]
    parts: list[Any] = [
        _Section(name="verdict", widgets=_verdict_widgets(page)),
        _Section(name="features", widgets=[_heading("Drift of the features", _FEATURES_TEXT)]),
        _drift_of(page.features, page.distance),
    ]
    if page.forecasts:
        parts += [
            _Section(name="forecasts", widgets=[_heading("Drift of the forecasts", _FORECASTS_TEXT)]),
            _drift_of(page.forecasts, page.distance),
        ]
    parts += [
        _Section(name="realised", widgets=realised),
        _Section(name="quality", widgets=[_heading("Data quality", _QUALITY_TEXT)]),
        DataSummaryPreset(columns=[*page.features, *page.forecasts]),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        snapshot = Report(parts, include_tests=False).run(
            _dataset(page, page.current), _dataset(page, page.reference)
        )
        return Rendered(html=snapshot.get_html_str(as_iframe=False), drifted=_drifted(snapshot, page))


_FEATURES_TEXT = (
    "The champion's most important features. The score is the Wasserstein distance between the windows in "
    "standard deviations of the reference. Rows of one session share its market, so scores scatter more than "
    "independent rows would: read them as a description."
)
_FORECASTS_TEXT = "The forecasts as they were issued, measured in the same way."
_QUALITY_TEXT = "Missing values, ranges and distributions of the same columns in both windows."
_NO_OUTCOME = "No issued forecast of these windows has a known outcome yet."


def _drift_of(columns: Sequence[str], distance: float) -> _DriftTable:
    return _DriftTable(
        columns=list(columns), num_method="wasserstein", num_threshold=distance, include_tests=False
    )


def _dataset(page: DriftPage, rows: pl.DataFrame) -> Dataset:
    columns = [*page.features, *page.forecasts]
    definition = DataDefinition(numerical_columns=columns)
    return Dataset.from_pandas(rows.select(columns).to_pandas(), data_definition=definition)


def _drifted(snapshot: Any, page: DriftPage) -> dict[str, bool]:
    """Read the distances back from the snapshot."""
    found = {}
    for metric in snapshot.dict()["metrics"]:
        column = metric["config"].get("column")
        if metric["config"]["type"].endswith("ValueDrift") and column is not None:
            found[column] = float(metric["value"]) >= page.distance
    return found


def _verdict_widgets(page: DriftPage) -> list[BaseWidgetInfo]:
    counters = [CounterData(label, value) for label, value in page.facts]
    widgets = [counter(title=page.headline, counters=counters)]
    if page.remarks:
        widgets.append(text_widget(text="\n\n".join(page.remarks)))
    return [*widgets, *_graphs(page.measures)]


def _heading(title: str, text: str) -> BaseWidgetInfo:
    return text_widget(title=title, text=text)


def _graphs(series: Iterable[Series]) -> list[BaseWidgetInfo]:
    return [plotly_figure(title=one.title, figure=draw_series(one)) for one in series]


def draw_series(series: Series) -> graph_objects.Figure:
    """Draw one number a session: both windows, and the reference's median as a line through them."""
    before = series.points.filter(pl.col("session") < series.first_current)
    after = series.points.filter(pl.col("session") >= series.first_current)
    axes = {"xaxis": {"title": series.caption}, "yaxis": {"gridcolor": QUIET}}
    figure = graph_objects.Figure(layout={**_LAYOUT, **axes})
    for name, part, colour in (("reference", before, REFERENCE_COLOUR), ("current", after, CURRENT_COLOUR)):
        figure.add_scatter(
            x=[str(session) for session in part["session"]],
            y=part["value"].to_list(),
            name=name,
            mode="lines+markers" if name == "current" else "lines",
            line={"color": colour, "width": 2 if name == "current" else 1},
        )
    if before["value"].drop_nulls().len():
        figure.add_hline(
            y=before["value"].median(), line={"color": REFERENCE_COLOUR, "dash": "dot", "width": 1}
        )
    return figure
