"""What Feast knows of the platform: one entity, three feature views, two feature services.

Nothing is written by hand: a feature that enters `features/catalog.py` enters its view here.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.types import Bool, Float64, Int64, String
from feast.value_type import ValueType

from features.catalog import Feature, daily_features, text_features

PROJECT = "bellwether"
DAILY_VIEW = "features_daily"
TEXT_VIEW = "features_text"
ISSUED_VIEW = "issued_forecasts"
MODEL_SERVICE = "daily_model"
ISSUED_SERVICE = "issued"

SYMBOL = Entity(
    name="symbol",
    join_keys=["symbol"],
    value_type=ValueType.STRING,
    description="A listed instrument, as the source names it.",
)

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
        services = [
            [service.name, *(projection.name for projection in service.feature_view_projections)]
            for service in self.services
        ]
        text = json.dumps([self.entity.name, views, services], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _describe(view: FeatureView) -> list[object]:
    # Feast keeps the schema in an order that differs between processes.
    ordered = sorted(view.schema, key=lambda field: field.name)
    fields = [[field.name, str(field.dtype), field.description, field.tags] for field in ordered]
    source = view.batch_source
    columns = [source.table, source.timestamp_field, source.created_timestamp_column]
    return [view.name, view.ttl.total_seconds(), fields, columns, view.description]


def build_definitions(ttl: timedelta) -> Definitions:
    """Return the entity, the views and the services.

    Parameters
    ----------
    ttl : timedelta
        Oldest value, counted back from the instant asked about, that a retrieval still considers.
        It must reach over the longest closure of the exchange.

    Raises
    ------
    ValueError
        If `ttl` is not positive: without one the point-in-time join is quadratic.
    """
    if ttl <= timedelta():
        msg = f"ttl={ttl} must be positive; a few days reach over every closure of an exchange"
        raise ValueError(msg)
    daily = _feature_view(DAILY_VIEW, daily_features(), ttl, "Features from bars; one row a session.")
    text = _feature_view(TEXT_VIEW, text_features(), ttl, "Sentiment features; null when nothing was said.")
    issued = FeatureView(
        name=ISSUED_VIEW,
        entities=[SYMBOL],
        ttl=ttl,
        schema=[Field(name="symbol", dtype=String), *VERSION_FIELDS, *_ISSUED_FIELDS],
        source=_source(ISSUED_VIEW, created="issued_at"),
        description="The champion's issued forecasts, published by the forecast stage.",
    )
    services = (
        FeatureService(name=MODEL_SERVICE, features=[daily, text], description="What a model may read."),
        FeatureService(name=ISSUED_SERVICE, features=[issued], description="What was last forecast."),
    )
    return Definitions(entity=SYMBOL, views=(daily, text, issued), services=services)


def source_table(view: str) -> str:
    """Return the Spark view that holds every version of the rows of `view`."""
    return f"{view}_versions"


def _feature_view(name: str, features: tuple[Feature, ...], ttl: timedelta, description: str) -> FeatureView:
    return FeatureView(
        name=name,
        entities=[SYMBOL],
        ttl=ttl,
        schema=[Field(name="symbol", dtype=String), *VERSION_FIELDS, _VALID, *map(_field, features)],
        source=_source(name, created="known_at"),
        description=description,
    )


def _field(feature: Feature) -> Field:
    tags = {
        "unit": feature.unit,
        "lookback_sessions": str(feature.lookback_sessions),
        "alignment": feature.alignment,
        "source": feature.source,
    }
    return Field(name=feature.name, dtype=Float64, description=feature.definition, tags=tags)


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
