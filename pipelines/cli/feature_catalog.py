"""The catalog of features as rows and as pages; nothing is opened or started for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from features.code_digest import feature_digest
from features.feature import Feature
from features.views import VIEWS, FeatureView, find_feature, view_of
from pipelines.base.errors import SettingsError
from pipelines.base.known_names import check_known
from pipelines.tables.contracts import feature_table

Sets = Mapping[str, Sequence[str]]

_PARTS = ("family", "unit", "lookback_sessions", "alignment", "level")
_KNOWN = {
    "close": "at the close of its session",
    "calendar": "before its session",
    "text": "at the last moment at which a text still counts for its session",
}
_SCHEMA = {
    "feature": pl.String,
    "view": pl.String,
    **dict.fromkeys(_PARTS, pl.String),
    "lookback_sessions": pl.Int64,
    "sets": pl.String,
}


def list_features(
    sets: Sets, *, view: str | None = None, in_set: str | None = None, family: str | None = None
) -> pl.DataFrame:
    """Return the registered features, one a row, in the order of views and columns.

    Parameters
    ----------
    sets : mapping of set to its features
        As `features.sets` of the settings has them.
    view, in_set, family : str, optional
        Only features of this view, of this set, of this family.

    Returns
    -------
    polars.DataFrame, shape (n_features, 8)
        `feature`, `view`, `family`, `unit`, `lookback_sessions` (its own session included), `alignment`,
        `level` and `sets`: names with a comma between, empty where no set names it.

    Raises
    ------
    SettingsError
        If there is no such view, set or family, with near matches.
    """
    families = dict.fromkeys(feature.family for one in VIEWS.values() for feature in one.features)
    for name, known, asked in ((view, VIEWS, "view"), (in_set, sets, "in-set"), (family, families, "family")):
        if name is not None:
            check_known(name, known, f"--{asked}")
    rows = [
        _row(one, feature, sets)
        for one in VIEWS.values()
        for feature in one.features
        if view in (None, one.name)
        and family in (None, feature.family)
        and (in_set is None or feature.name in sets[in_set])
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def describe_feature(name: str, sets: Sets) -> dict[str, Any]:
    """Return all that is known of one feature, JSON-ready.

    Raises
    ------
    SettingsError
        If there is none of that name, with near matches.
    """
    try:
        view, feature = view_of(name), find_feature(name)
    except KeyError as error:
        raise SettingsError(error.args[0]) from error
    return {
        "feature": feature.name,
        "definition": feature.definition,
        **{part: getattr(feature, part) for part in _PARTS},
        "inputs": list(feature.inputs),
        "source": feature.source,
        "view": view.name,
        "table": feature_table(view).name,
        "built_from": view.source,
        "sets": _sets_with(name, sets),
        "digest": feature_digest(name),
    }


def render_page(described: Mapping[str, Any]) -> str:
    """Return what `describe_feature` says as a page: one line a part."""
    sessions, level = described["lookback_sessions"], described["level"]
    whose = "of its own symbol" if level == "symbol" else "of all symbols"
    parts = {
        "definition": described["definition"],
        "unit": described["unit"],
        "look-back": f"{sessions} session{'s' if sessions > 1 else ''}, its own included",
        "level": f"{level}: reads rows {whose}",
        "known": f"{_KNOWN[described['alignment']]} ({described['alignment']})",
        "inputs": ", ".join(described["inputs"]) or "no other feature",
        "source": described["source"],
        "view": f"{described['view']}, table {described['table']}, built from {described['built_from']}",
        "sets": ", ".join(described["sets"]) or "none",
        "digest": described["digest"],
    }
    lines = (f"  {name:<12}{text}" for name, text in parts.items())
    return "\n".join([described["feature"], *lines])


def _row(view: FeatureView, feature: Feature, sets: Sets) -> tuple[Any, ...]:
    parts = (getattr(feature, part) for part in _PARTS)
    return (feature.name, view.name, *parts, ", ".join(_sets_with(feature.name, sets)))


def _sets_with(name: str, sets: Sets) -> list[str]:
    return [called for called, features in sets.items() if name in features]
