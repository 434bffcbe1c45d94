"""The tables that the stage builds, each on its own: what is evaluated at a session, and what rows it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

import polars as pl

from features.code_digest import labels_digest, view_digest
from features.feature import MAX_LOOKBACK_SESSIONS, Feature
from features.labels import compute_labels
from features.panel import dense_panel
from features.sessions import SessionCalendar
from features.views import FeatureView
from pipelines.base.table import TableContract
from pipelines.stages.build_features.evaluations import split_chains
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_LABELS, feature_table
from pipelines.tables.scope import dates_condition, span_condition
from pipelines.tables.session_grid import SessionGrid
from pipelines.tables.version_chains import drop_repeated_states, month_of_session

LABELS = "labels"
NEAR_SESSIONS = 64
"""Look-back that most features have at most: for a few sessions the others are computed apart."""
_KEY = ("symbol", "session")


class BuiltTable(Protocol):
    """A gold table: rows of one source evaluated session by session."""

    @property
    def name(self) -> str:
        """What the report and the record of runs call it."""
        ...

    @property
    def contract(self) -> TableContract:
        """The gold table."""
        ...

    @property
    def view(self) -> FeatureView:
        """The view whose source rows it is built from."""
        ...

    @property
    def lookback(self) -> int:
        """Sessions of which a change evaluates a session again, its own included."""
        ...

    def digest(self) -> str:
        """Return the digest of what its rows depend on, source rows, calendar and stage aside."""
        ...

    def evaluate(
        self, known: pl.DataFrame, grid: SessionGrid, calendar: SessionCalendar, first: int, last: int
    ) -> pl.DataFrame:
        """Return symbol, the session's own columns and the values at positions `first` to `last`.

        Parameters
        ----------
        known : polars.DataFrame
            The source's rows known at one instant, placed, of the sessions looked back to as well.
        """
        ...

    def versions(self, evaluated: pl.DataFrame, grid: SessionGrid) -> pl.DataFrame:
        """Return the table's rows that evaluations amount to, repeats dropped."""
        ...

    def touched_condition(self, calendar: SessionCalendar, touched: Sequence[date]) -> str:
        """Return the condition of the rows that are made at some sessions."""
        ...

    def span_condition(self, calendar: SessionCalendar, first: date | None, end: date | None) -> str:
        """Return the condition of the rows made at `first` and later, before `end`; None for no bound."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTable:
    """The vectors of a view.

    Attributes
    ----------
    view : FeatureView
        The definition itself and not its name: a worker of Spark's may not have it registered.
    """

    view: FeatureView

    @property
    def name(self) -> str:
        """The view's name."""
        return self.view.name

    @property
    def contract(self) -> TableContract:
        """The view's gold table."""
        return feature_table(self.view)

    @property
    def lookback(self) -> int:
        """The view's look-back."""
        return self.view.lookback_sessions

    def digest(self) -> str:
        """Return the view's digest."""
        return view_digest(self.view)

    def evaluate(
        self, known: pl.DataFrame, grid: SessionGrid, calendar: SessionCalendar, first: int, last: int
    ) -> pl.DataFrame:
        """Return the vectors at the rows that the view has, with ``row_valid``."""
        view = self.view
        if view.row_rule == "of_source":
            rows = _rows_there(known, view, first, last)
            for reach, features in self._by_reach(last - first + 1):
                near = known.filter(pl.col("position") > first - reach)
                sessions = grid.between(first - reach + 1, last).select("session")
                values = view.compute(near, sessions, calendar, features)
                fresh = [name for name in values.columns if name not in rows.columns]
                rows = rows.join(values.select(*_KEY, *fresh), on=_KEY, how="inner", maintain_order="left")
            values_of = pl.col(view.feature_names).cast(view.value_type)
            return rows.select(pl.exclude(view.feature_names), values_of)
        sessions = grid.between(first - self.lookback + 1, last).select("session")
        values = view.evaluate(known, sessions, calendar)
        said = values.filter(pl.any_horizontal(pl.col(view.feature_names).is_not_null()))
        placed = grid.placed(said).filter(pl.col("position").is_between(first, last))
        return placed.drop("cutoff_at").with_columns(row_valid=pl.lit(value=True))

    def _by_reach(self, wanted_sessions: int) -> list[tuple[int, list[Feature]]]:
        """Return the features to compute in one pass, and how many sessions that pass reads for each.

        For a few sessions nearly all that is computed is look-back, so the features that look back far, which
        are few, are computed apart.
        """
        own = {feature.name: feature for feature in self.view.features}

        def with_inputs(feature: Feature) -> list[Feature]:
            return [one for name in feature.inputs for one in with_inputs(own[name])] + [feature]

        needed = {name: with_inputs(feature) for name, feature in own.items()}
        far = {
            name
            for name, reads in needed.items()
            if max(one.lookback_sessions for one in reads) > NEAR_SESSIONS
        }
        if not far or wanted_sessions > NEAR_SESSIONS:
            return [(self.lookback, list(own.values()))]
        near = [feature for name, feature in own.items() if name not in far]
        beyond = {one.name: one for name in own if name in far for one in needed[name]}
        return [(NEAR_SESSIONS, near), (self.lookback, list(beyond.values()))]

    def versions(self, evaluated: pl.DataFrame, grid: SessionGrid) -> pl.DataFrame:
        """Return the rows of the view's gold table, nulls where unknown.

        Notes
        -----
        A vector is known when its last input was. Rows that exist only where something is known may rest on
        inputs of earlier sessions alone, so they are not known before their own session's close.
        """
        del grid
        names = self.view.feature_names
        known_at = pl.col("inputs_known_at")
        if self.view.row_rule == "where_known":
            known_at = pl.max_horizontal("inputs_known_at", "event_timestamp")
        rows = evaluated.select(
            *_KEY,
            "event_timestamp",
            known_at.alias("known_at"),
            pl.col("row_valid").alias("valid"),
            *names,
            month_of_session(),
            "evaluated_at",
        )
        once, again = split_chains(rows, _KEY)
        chains = drop_repeated_states(again, _KEY, ("valid", *names), order="evaluated_at")
        return pl.concat([once, chains]).drop("evaluated_at")

    def touched_condition(self, calendar: SessionCalendar, touched: Sequence[date]) -> str:
        """Return the condition of the vectors of some sessions."""
        del calendar
        return dates_condition(touched)

    def span_condition(self, calendar: SessionCalendar, first: date | None, end: date | None) -> str:
        """Return the condition of the vectors of `first` and later, before `end`."""
        del calendar
        return span_condition(first, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """Outcomes, evaluated at the session in which they END.

    The label of the forecast made with session t is the return from the close of t + 1 to that of t + 1 + h.

    Attributes
    ----------
    view : FeatureView
        The primary one: an outcome is looked for where its source has a row.
    horizons : tuple of int
        Sessions held, ascending.
    lag : timedelta
        From the close that ends a label to when it counts as known.
    """

    view: FeatureView
    horizons: tuple[int, ...]
    lag: timedelta

    @property
    def name(self) -> str:
        """The same for all labels."""
        return LABELS

    @property
    def contract(self) -> TableContract:
        """The gold table of the labels."""
        return GOLD_LABELS

    @property
    def lookback(self) -> int:
        """The longest look-back of all, whatever the views of today declare.

        A label reads a horizon of sessions, and counts as known no earlier than a vector that may look as far
        back as any: what comes late for the one is late for the other.
        """
        return max(MAX_LOOKBACK_SESSIONS, self.horizons[-1] + 1)

    def digest(self) -> str:
        """Return the digest of the code of the labels, their horizons and their lag."""
        return f"{labels_digest()} {self.horizons} {self.lag} {self.view.row_rule} {self.view.row_record}"

    def evaluate(
        self, known: pl.DataFrame, grid: SessionGrid, calendar: SessionCalendar, first: int, last: int
    ) -> pl.DataFrame:
        """Return ``label_<h>`` (fraction) at the session in which the label ENDS, null where unknown."""
        del calendar
        start = first - self.horizons[-1]
        near = known.filter(pl.col("position") >= start)
        panel = dense_panel(near, grid.between(start, last).select("session"))
        # Sorted by symbol, session and horizon, and dense: each horizon is every so many rows.
        long = compute_labels(panel, self.horizons)
        values = panel.select(_KEY).with_columns(
            long["value"].gather_every(len(self.horizons), place).alias(f"label_{horizon}")
            for place, horizon in enumerate(self.horizons)
        )
        rows = _rows_there(known, self.view, first, last)
        return rows.join(values, on=_KEY, how="left", maintain_order="left")

    def versions(self, evaluated: pl.DataFrame, grid: SessionGrid) -> pl.DataFrame:
        """Return the rows of `gold.labels`; `session` and `event_timestamp` are the signal's.

        A label that was known and is no longer is a version with a null and ``valid=false``.
        """
        once, again = split_chains(evaluated, _KEY)
        parts = [
            versions
            for horizon in self.horizons
            for versions in (
                # Before its first value a label is absent, not retracted: only what was known once can be
                # taken back.
                self._rows(once, grid, horizon).filter("valid"),
                self._chains(self._rows(again, grid, horizon)),
            )
        ]
        return pl.concat(parts).drop("evaluated_at").with_columns(month_of_session())

    def _rows(self, evaluated: pl.DataFrame, grid: SessionGrid, horizon_sessions: int) -> pl.DataFrame:
        # Shifted to where the label ends, so that one join by position finds the session that it belongs to.
        signals = grid.frame.select(
            (pl.col("position") + 1 + horizon_sessions).alias("position"),
            pl.col("session").alias("signal"),
            pl.col("event_timestamp").alias("signal_at"),
        )
        value = pl.col(f"label_{horizon_sessions}")
        return evaluated.join(signals, on="position", how="inner", maintain_order="left").select(
            "symbol",
            pl.col("signal").alias("session"),
            pl.lit(horizon_sessions, pl.Int32).alias("horizon"),
            pl.col("signal_at").alias("event_timestamp"),
            pl.col("event_timestamp").alias("label_end"),
            pl.max_horizontal("inputs_known_at", pl.col("event_timestamp") + self.lag).alias("known_at"),
            value.is_not_null().alias("valid"),
            value.alias("value"),
            "evaluated_at",
        )

    def _chains(self, rows: pl.DataFrame) -> pl.DataFrame:
        ever = pl.col("valid").cum_max().over(_KEY, order_by="evaluated_at")
        return drop_repeated_states(rows.filter(ever), _KEY, ("valid", "value"), order="evaluated_at")

    def touched_condition(self, calendar: SessionCalendar, touched: Sequence[date]) -> str:
        """Return the condition of the labels that END in some sessions.

        Rows of other horizons of the same signals are left as they are.
        """
        parts = [
            queries.of_horizon(horizon, dates_condition(self._signals(calendar, touched, horizon)))
            for horizon in self.horizons
        ]
        return " or ".join(parts)

    def span_condition(self, calendar: SessionCalendar, first: date | None, end: date | None) -> str:
        """Return the condition of the labels that END in `first` and later, before `end`.

        Without a first, of those of horizons that are no longer kept too.
        """
        parts = []
        for horizon in self.horizons:
            bounds = [None if day is None else calendar.look_back(day, 1 + horizon) for day in (first, end)]
            parts.append(queries.of_horizon(horizon, span_condition(*bounds)))
        if first is None:
            parts.append(f"horizon not in ({', '.join(map(str, self.horizons))})")
        return " or ".join(parts)

    def _signals(self, calendar: SessionCalendar, ends: Sequence[date], horizon_sessions: int) -> list[date]:
        """Return the sessions whose labels of a horizon end in some sessions."""
        back = 1 + horizon_sessions
        return [calendar.shift(day, -back) for day in ends if calendar.position(day) >= back]


def _rows_there(known: pl.DataFrame, view: FeatureView, first: int, last: int) -> pl.DataFrame:
    """Return the rows of the source that count as rows of a view, with their session and ``row_valid``."""
    wanted = pl.col("position").is_between(first, last)
    if view.row_record is not None:
        wanted &= pl.col("record") == view.row_record
    return known.filter(wanted).select(*_KEY, "position", "event_timestamp", row_valid="valid")


def nothing_of(contract: TableContract) -> pl.DataFrame:
    """Return no rows, in the columns of a table."""
    return pl.DataFrame(schema=dict[str, Any](contract.schema))
