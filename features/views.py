"""The registry of feature views: which features are built together, from which rows, and how.

Whoever stores, publishes, retrieves or serves features iterates over this registry. A view's gold table is
``gold.<name>`` and its Feast view has its name. A new view is one more entry of `VIEWS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from features.alpha158 import compute_alpha158
from features.catalog import ALPHA158_FEATURES, BAR_FEATURES, TEXT_FEATURES
from features.compute import compute_from_bars, compute_from_texts
from features.feature import Feature
from features.panel import BAR_RECORD, SOURCE_COLUMNS
from features.sessions import SessionCalendar
from features.text import SCORED_COLUMNS

Entity = Literal["symbol"]
"""What a row is about; a market and a factor may follow."""

Cadence = Literal["session"]
"""How often there is a row; an hour and a week may follow."""

RowRule = Literal["of_source", "where_known"]

Precision = Literal["double", "single"]

Compute = Callable[[pl.DataFrame, pl.DataFrame, SessionCalendar, Sequence[Feature]], pl.DataFrame]

KEY = ("symbol", "session")
PREFIX = "features_"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """Features of one entity and cadence that are built from the same rows in one pass.

    Parameters
    ----------
    name : str
        Name of the Feast view and, behind ``gold.``, of the table.
    description : str
        One sentence for Feast's catalog.
    source : str
        The rows it is built from: a named query of `pipelines.tables`, such as ``bars``.
    columns : tuple of str
        Columns that `compute` reads of the source, beyond symbol, session and known_at.
    version_key : tuple of str
        Of the source's rows with equal key, the one with the latest `known_at` counts.
    features : tuple of Feature
        In the order of their columns, with all features that they read.
    compute : callable
        ``compute(rows, sessions, calendar, features)``, see `evaluate`. It takes the features as an
        argument, so that what a feature's digest reaches is not the whole catalog.
    row_rule : {"of_source", "where_known"}
        Which rows the view has. ``of_source``: one for each row of the source, with that row's `valid`,
        so `columns` must hold ``valid``. ``where_known``: one where any feature is known, always valid.
    row_record : str, optional
        For ``of_source``: only rows of this ``record`` count, where the source holds rows of several.
    precision : {"double", "single"}
        Of the values, in its table and wherever they are published. ``compute`` returns columns of that type:
        what is computed in double precision is rounded there, once. A view in another precision is another
        view: tables and online rows keep their types.
    entity : {"symbol"}
    cadence : {"session"}

    Raises
    ------
    ValueError
        If it has no features, lacks one that another reads, is not called ``features_…``, takes rows of its
        source without ``valid``, or tells rows apart by ``record`` without it in the key.
    """

    name: str
    description: str
    source: str
    columns: tuple[str, ...]
    version_key: tuple[str, ...]
    features: tuple[Feature, ...]
    compute: Compute
    row_rule: RowRule = "where_known"
    row_record: str | None = None
    precision: Precision = "double"
    entity: Entity = "symbol"
    cadence: Cadence = "session"

    def __post_init__(self) -> None:
        """Check what the build relies on."""
        if not self.features:
            msg = f"view {self.name!r} has no features; give it at least one"
            raise ValueError(msg)
        lacking = {name for one in self.features for name in one.inputs}.difference(self.feature_names)
        if lacking:
            msg = f"view {self.name!r} lacks {sorted(lacking)}, which its features read; add them to it"
            raise ValueError(msg)
        if not self.name.startswith(PREFIX):
            msg = f"view {self.name!r} must be called {PREFIX}…: stages name the tables of all views so"
            raise ValueError(msg)
        if self.row_rule == "of_source" and "valid" not in self.columns:
            msg = f"view {self.name!r}: row_rule='of_source' needs the column 'valid' among {self.columns}"
            raise ValueError(msg)
        if "record" in self.columns and "record" not in self.version_key:
            # Else an action would stand in for the bar of its day.
            msg = f"view {self.name!r} reads 'record': its version_key={self.version_key} must hold it too"
            raise ValueError(msg)

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every column that is read of the source."""
        return (*KEY, "known_at", *self.columns)

    @property
    def lookback_sessions(self) -> int:
        """Sessions that a row may read, its own included."""
        return max(feature.lookback_sessions for feature in self.features)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features, in the order of their columns."""
        return tuple(feature.name for feature in self.features)

    @property
    def is_required(self) -> bool:
        """Whether who reads it refuses a row of which the view knows nothing valid.

        It has a row for each row of its source, so that an absent one is not built, and says nothing.
        """
        return self.row_rule == "of_source"

    @property
    def value_type(self) -> type[pl.DataType]:
        """Polars' type of the features' columns."""
        return pl.Float32 if self.precision == "single" else pl.Float64

    def evaluate(self, rows: pl.DataFrame, sessions: pl.DataFrame, calendar: SessionCalendar) -> pl.DataFrame:
        """Compute the features from the source's rows as they were known at one instant.

        Parameters
        ----------
        rows : polars.DataFrame
            `source_columns` at least, one row a version key: the newest one known at the instant.
        sessions : polars.DataFrame
            `session`: consecutive and ascending, from `lookback_sessions` - 1 before the first wanted one.
        calendar : SessionCalendar
            The exchange's calendar.

        Returns
        -------
        polars.DataFrame, shape (n_symbols × n_sessions, 2 + n_features)
            `symbol`, `session` and one column of `value_type` a feature, for every symbol of `rows` and every
            session, look-back included; null means unknown, never NaN or infinite.
        """
        return self.compute(rows, sessions, calendar, self.features)


VIEWS: dict[str, FeatureView] = {
    view.name: view
    for view in (
        FeatureView(
            name="features_daily",
            description="Features from bars.",
            source="bars",
            columns=SOURCE_COLUMNS,
            version_key=("symbol", "session", "record"),
            features=BAR_FEATURES,
            compute=compute_from_bars,
            row_rule="of_source",
            row_record=BAR_RECORD,
        ),
        FeatureView(
            name="features_alpha158",
            description="Qlib's Alpha158 factors of bars.",
            source="bars",
            columns=SOURCE_COLUMNS,
            version_key=("symbol", "session", "record"),
            features=ALPHA158_FEATURES,
            compute=compute_alpha158,
            row_rule="of_source",
            row_record=BAR_RECORD,
            precision="single",
        ),
        FeatureView(
            name="features_text",
            description="Sentiment of texts; no row when nothing was said.",
            source="scored_texts",
            columns=("text_id", *SCORED_COLUMNS[3:]),
            version_key=("text_id", "symbol"),
            features=TEXT_FEATURES,
            compute=compute_from_texts,
        ),
    )
}
"""All views by name. The first is the primary one: its rows say which (symbol, session) are valid, and
labels are built in the same pass. The others may lack rows."""


def feature_views() -> tuple[FeatureView, ...]:
    """Return all views, the primary one first."""
    return tuple(VIEWS.values())


def primary_view() -> FeatureView:
    """Return the view whose rows say which (symbol, session) are valid."""
    return next(iter(VIEWS.values()))


def find_view(name: str) -> FeatureView:
    """Return the view called `name`.

    Raises
    ------
    KeyError
        If there is none of that name.
    """
    if name not in VIEWS:
        msg = f"no feature view is called {name!r}; there are {', '.join(VIEWS)}"
        raise KeyError(msg)
    return VIEWS[name]


def all_features() -> tuple[Feature, ...]:
    """Return the features of all views, in the order of views and columns; a name is unique."""
    return tuple(feature for view in VIEWS.values() for feature in view.features)


def view_of(feature_name: str) -> FeatureView:
    """Return the view that holds a feature.

    Raises
    ------
    KeyError
        If no view holds it, with near matches.
    """
    for view in VIEWS.values():
        if feature_name in view.feature_names:
            return view
    known = [feature.name for feature in all_features()]
    near = difflib.get_close_matches(feature_name, known, n=3)
    hint = f"near matches: {', '.join(near)}; " if near else ""
    msg = f"no feature is called {feature_name!r}; {hint}docs/features.md lists all {len(known)}"
    raise KeyError(msg)


def find_feature(name: str) -> Feature:
    """Return the feature called `name`.

    Raises
    ------
    KeyError
        If no view holds it, with near matches.
    """
    return next(feature for feature in view_of(name).features if feature.name == name)


def names_by_view(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return feature names by the view that holds them; the primary view is always there, and first.

    Raises
    ------
    KeyError
        If no view holds a name, with near matches.
    """
    chosen: dict[str, tuple[str, ...]] = {primary_view().name: ()}
    for name in names:
        view = view_of(name).name
        chosen[view] = (*chosen.get(view, ()), name)
    return chosen


def max_lookback() -> int:
    """Return the longest look-back of all views, in sessions, the row's own included."""
    return max(view.lookback_sessions for view in VIEWS.values())
