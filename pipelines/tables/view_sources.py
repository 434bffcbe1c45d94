"""The rows that feature views are built from: one named query a `FeatureView.source`."""

from __future__ import annotations

from collections.abc import Callable

from features.views import FeatureView
from pipelines.base.table import TableContract
from pipelines.tables.contracts import SILVER_BARS, SILVER_TEXT, SILVER_TEXT_SCORES
from pipelines.tables.queries import rows_of, scored_texts

_SOURCES: dict[str, tuple[tuple[TableContract, ...], Callable[[FeatureView, str], str]]] = {
    "bars": ((SILVER_BARS,), lambda view, _scorer: rows_of(SILVER_BARS, view.source_columns, "true")),
    "scored_texts": (
        (SILVER_TEXT, SILVER_TEXT_SCORES),
        lambda view, scorer: scored_texts(
            SILVER_TEXT, SILVER_TEXT_SCORES, view.source_columns, model_version=scorer
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


def source_query(view: FeatureView, *, scorer: str) -> str:
    """Return the query for all versions of a view's source rows: its `source_columns`.

    Parameters
    ----------
    scorer : str
        Version of the text scorer in use; texts that it has not scored yet are left out.
    """
    tables_of(view)
    return _SOURCES[view.source][1](view, scorer)
