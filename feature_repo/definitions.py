"""What Feast knows of the platform: entities, feature views, and a feature service for each feature set.

Nothing is written by hand: a view of `features/views.py` and a set of the settings are here by themselves.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Bool, Float32, Float64, Int64, String
from feast.value_type import ValueType

from features import views
from features.sessions import SessionCalendar
from features.sets import FeatureSet

ISSUED_VIEW = "issued_forecasts"
ISSUED_SERVICE = "issued"

SYMBOL = Entity(
    name="symbol",
    join_keys=["symbol"],
    value_type=ValueType.STRING,
    description="A listed instrument, as the source names it.",
)

_ENTITIES: dict[views.Entity, Entity] = {"symbol": SYMBOL}
_NUMBERS = {"double": Float64, "single": Float32}

VERSION_FIELDS = (
    Field(name="session", dtype=String, description="Exchange date that the row is about, ISO 8601."),
    Field(name="event_at_us", dtype=Int64, description="Official close of the session, µs since 1970 UTC."),
    Field(
        name="known_at_us", dtype=Int64, description="When this version could be known, µs since 1970 UTC."
    ),
)
"""Say which version of which session a row is; `session` orders like the date it names."""

_VALID = Field(name="valid", dtype=Bool, description="False: the row was retracted, its features are null.")
_ISSUED_FIELDS = (
    Field(name="horizon", dtype=Int64, description="Sessions that the forecast return spans."),
    Field(name="model_version", dtype=String),
    Field(name="model_key", dtype=String),
    Field(name="family", dtype=String),
    Field(name="value", dtype=Float64, description="Forecast score; larger is better."),
    Field(name="rank", dtype=Float64, description="Rank among the session's forecasts, 0 to 1."),
    Field(name="q10", dtype=Float64),
    Field(name="q50", dtype=Float64),
    Field(name="q90", dtype=Float64),
    Field(
        name="decision_at_us", dtype=Int64, description="When the forecast had to exist, µs since 1970 UTC."
    ),
    Field(name="universe", dtype=Int64, description="Symbols that were forecast together."),
    Field(name="in_sample", dtype=Bool),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """Everything that is registered with Feast."""

    entity: Entity
    views: tuple[FeatureView, ...]
    services: tuple[FeatureService, ...]

    @property
    def objects(self) -> list[Entity | FeatureView | FeatureService]:
        """All of them, in the order in which Feast wants them."""
        return [self.entity, *self.views, *self.services]

    def digest(self) -> str:
        """Return 16 hexadecimal digits that change with any definition."""
        views = [_describe(view) for view in self.views]
        services = []
        for service in self.services:
            chosen = service.feature_view_projections
            read = [[one.name, sorted(field.name for field in one.features)] for one in chosen]
            services.append([service.name, read])
        text = json.dumps([self.entity.name, views, services], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _describe(view: FeatureView) -> list[object]:
    # Feast keeps the schema in an order that differs between processes.
    ordered = sorted(view.schema, key=lambda field: field.name)
    fields = [[field.name, str(field.dtype), field.description, field.tags] for field in ordered]
    source = view.batch_source
    columns = [source.table, source.timestamp_field, source.created_timestamp_column]
    return [view.name, view.ttl.total_seconds(), fields, columns, view.description]


def view_ttl(calendar: SessionCalendar) -> timedelta:
    """Return the ttl of every view on an exchange, in whole days.

    At any instant up to the next session's cut the row of the last session is within reach, over the longest
    closure that the calendar knows, and little more: every day is one more candidate a row.
    """
    return timedelta(days=calendar.longest_reach // timedelta(days=1) + 1)


def build_definitions(ttl: timedelta, sets: Sequence[FeatureSet]) -> Definitions:
    """Return the entity, the views of `features.views` and of issued forecasts, and the services.

    Parameters
    ----------
    ttl : timedelta
        Oldest value, counted back from the instant asked about, that a retrieval still considers.
        It must reach over the longest closure of the exchange: see `view_ttl`.
    sets : sequence of FeatureSet
        Each becomes a service of its name with the set's columns and no others.

    Raises
    ------
    ValueError
        If `ttl` is not positive (without one the point-in-time join is quadratic), or a set is called as
        the service of issued forecasts is.
    """
    if ttl <= timedelta():
        msg = f"ttl={ttl} must be positive; view_ttl gives the one of a calendar"
        raise ValueError(msg)
    if ISSUED_SERVICE in {one.name for one in sets}:
        msg = (
            f"a feature set may not be called {ISSUED_SERVICE!r}, the service of issued forecasts; rename it"
        )
        raise ValueError(msg)
    own = {view.name: _feature_view(view, ttl) for view in views.feature_views()}
    issued = FeatureView(
        name=ISSUED_VIEW,
        entities=[SYMBOL],
        ttl=ttl,
        schema=[Field(name="symbol", dtype=String), *VERSION_FIELDS, *_ISSUED_FIELDS],
        source=_source(ISSUED_VIEW, created="issued_at"),
        description="The champion's issued forecasts, published by the forecast stage.",
    )
    services = (
        *(_feature_service(one, own) for one in sets),
        FeatureService(name=ISSUED_SERVICE, features=[issued], description="What was last forecast."),
    )
    return Definitions(entity=SYMBOL, views=(*own.values(), issued), services=services)


def _feature_service(chosen: FeatureSet, own: Mapping[str, FeatureView]) -> FeatureService:
    """Return the service of a set: of each view its columns, and those that say which row it is."""
    projected = [
        own[name][[*(field.name for field in (*VERSION_FIELDS, _VALID)), *columns]]
        for name, columns in chosen.by_view().items()
    ]
    return FeatureService(
        name=chosen.name,
        features=projected,
        description=f"What a model of the feature set {chosen.name} reads.",
    )


def source_table(view: str) -> str:
    """Return the Spark view that holds every version of the rows of `view`."""
    return f"{view}_versions"


def _feature_view(view: views.FeatureView, ttl: timedelta) -> FeatureView:
    fields = [
        Field(
            name=feature.name,
            dtype=_NUMBERS[view.precision],
            description=feature.definition,
            tags={
                "unit": feature.unit,
                "lookback_sessions": str(feature.lookback_sessions),
                "alignment": feature.alignment,
                "source": feature.source,
            },
        )
        for feature in view.features
    ]
    return FeatureView(
        name=view.name,
        entities=[_ENTITIES[view.entity]],
        ttl=ttl,
        schema=[Field(name=view.entity, dtype=String), *VERSION_FIELDS, _VALID, *fields],
        source=_source(view.name, created="known_at"),
        description=view.description,
    )


def _source(view: str, *, created: str) -> SparkSource:
    with warnings.catch_warnings():  # Feast calls its Spark source experimental at every start
        warnings.simplefilter("ignore", RuntimeWarning)
        return SparkSource(
            name=source_table(view),
            table=source_table(view),
            timestamp_field="event_timestamp",
            created_timestamp_column=created,
            description="All versions; registered over the Delta table by pipelines.io.feature_store.",
        )
