"""The rows that feature views are built from: one named query a `FeatureView.source`.

Any number of feeds stand beside one another in silver; what is built rests on the primary ones alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from features.views import FeatureView
from pipelines.base.lake import Lake
from pipelines.base.table import Dtype, TableContract
from pipelines.tables.contracts import SILVER_ACTIONS, SILVER_BARS, SILVER_TEXT, SILVER_TEXT_SCORES, TEXT
from pipelines.tables.queries import bars_and_actions, equals, limited, rows_of, scored_texts

Build = Callable[[FeatureView, str, str | None, str], str]
"""From a view, the primary sources of bars and texts and the scorer's version to the query."""

_SOURCES: dict[str, tuple[tuple[TableContract, ...], Build]] = {
    "bars": (
        (SILVER_BARS, SILVER_ACTIONS),
        lambda view, bars, _texts, _scorer: bars_and_actions(
            SILVER_BARS, SILVER_ACTIONS, view.source_columns, where=primary_bars(bars)
        ),
    ),
    "scored_texts": (
        (SILVER_TEXT, SILVER_TEXT_SCORES),
        lambda view, _bars, texts, scorer: scored_texts(
            SILVER_TEXT,
            SILVER_TEXT_SCORES,
            view.source_columns,
            model_version=scorer,
            where="false" if texts is None else f"t.{equals('source', texts)}",
        ),
    ),
}


def tables_of(view: FeatureView) -> tuple[TableContract, ...]:
    """Return the tables that a view's source reads.

    Raises
    ------
    KeyError
        If there is no source of that name.
    """
    if view.source not in _SOURCES:
        msg = f"view {view.name} reads the source {view.source!r}; there are {', '.join(_SOURCES)}"
        raise KeyError(msg)
    return _SOURCES[view.source][0]


def read_together(views: Iterable[FeatureView]) -> FeatureView:
    """Return a view that reads what all of some views of one source read of it."""
    first, *others = views
    columns = dict.fromkeys([*first.columns, *(name for view in others for name in view.columns)])
    return replace(first, columns=tuple(columns))


def columns_of(view: FeatureView) -> dict[str, Dtype]:
    """Return the types of a view's `source_columns`; ``record`` names what a row of several kinds is."""
    types = {"record": TEXT} | {name: one for table in tables_of(view) for name, one in table.schema.items()}
    return {name: types[name] for name in view.source_columns}


def primary_bars(source: str) -> str:
    """Return the condition of the rows of bars and actions that the platform's own tables are built from."""
    return equals("source", source)


def holds_bars(lake: Lake, source: str) -> bool:
    """Tell whether silver holds any bar of a source."""
    some = limited(rows_of(SILVER_BARS, ["symbol"], primary_bars(source)), 1)
    return lake.exists(SILVER_BARS) and lake.collect_query(some, SILVER_BARS).height > 0


def source_query(view: FeatureView, *, bars: str, texts: str | None, scorer: str) -> str:
    """Return the query for all versions of a view's source rows: its `source_columns`.

    Parameters
    ----------
    bars, texts : str
        Names of the primary sources; rows of others are left out. None where there are no texts.
    scorer : str
        Version of the text scorer in use; texts that it has not scored yet are left out.
    """
    tables_of(view)
    return _SOURCES[view.source][1](view, bars, texts, scorer)
