"""Feast's offline store over Delta: its point-in-time join, with work that grows with the rows asked for.

Feast's own Spark template pairs every spine row of a symbol with every version of that symbol and carries all
columns through the de-duplication. Here versions are chosen from narrow rows that meet in time buckets of one
ttl, and the features are fetched once, for the chosen versions. What is chosen is the same; a test compares
the two on random tables. Named in the Feast configuration as the offline store.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from feast.infra.offline_stores import offline_utils
from feast.infra.offline_stores.contrib.spark_offline_store.spark import (
    SparkOfflineStore,
    SparkOfflineStoreConfig,
    SparkRetrievalJob,
)
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import FeatureViewQueryContext
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

SPINE_TIMESTAMP = "event_timestamp"
SESSION = "session"
_MATERIALIZE = (
    "Feast's materialize would publish versions that were not known yet; "
    "run `bellwether materialize --as-of SESSION` instead"
)


class DeltaOfflineStoreConfig(SparkOfflineStoreConfig):  # type: ignore[misc]
    """Configuration; Feast finds it by the store's name with ``Config`` behind it."""

    type: Literal["pipelines.io.point_in_time.DeltaOfflineStore"] = (
        "pipelines.io.point_in_time.DeltaOfflineStore"
    )


class DeltaOfflineStore(SparkOfflineStore):  # type: ignore[misc]
    """Historical retrieval on the process's running Spark session."""

    @staticmethod
    def get_historical_features(  # noqa: PLR0917 (Feast passes them by position)
        config: Any,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: DataFrame,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **_options: Any,
    ) -> RetrievalJob:
        """Return the job that joins to each spine row the version Feast's contract names.

        Parameters
        ----------
        entity_df : pyspark.sql.DataFrame
            The spine: entity columns and `event_timestamp`. Every row comes back once, in any order.
        filter_by_created_timestamp : bool
            Admit only versions whose created timestamp is not later than the spine's.

        Raises
        ------
        ValueError
            If the spine is no Spark frame, holds no row or lacks a column.
        """
        earliest, latest = _time_range(entity_df)
        reached = earliest
        if SESSION in entity_df.columns:
            # A named session may lie long before every instant: what Feast scans has to reach back to it.
            first = entity_df.agg(F.min(SESSION)).collect()[0][0]
            reached = datetime(first.year, first.month, first.day, tzinfo=UTC)
        contexts = offline_utils.get_feature_view_query_context(
            feature_refs, feature_views, registry, project, (min(earliest, reached), latest)
        )
        joined = join_versions(
            entity_df, contexts, prefixed=full_feature_names, known_only=filter_by_created_timestamp
        )
        metadata = RetrievalMetadata(
            features=feature_refs,
            keys=[name for name in entity_df.columns if name != SPINE_TIMESTAMP],
            min_event_timestamp=earliest,
            max_event_timestamp=latest,
        )
        return PointInTimeJob(joined, full_feature_names=full_feature_names, config=config, metadata=metadata)

    @staticmethod
    def pull_latest_from_table_or_query(*_arguments: Any, **_options: Any) -> RetrievalJob:
        """Refuse Feast's own materialisation, which knows nothing of `known_at`.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(_MATERIALIZE)

    @staticmethod
    def pull_all_from_table_or_query(*_arguments: Any, **_options: Any) -> RetrievalJob:
        """Refuse it in its other guise; see `pull_latest_from_table_or_query`."""
        raise NotImplementedError(_MATERIALIZE)


class PointInTimeJob(SparkRetrievalJob):  # type: ignore[misc]
    """A retrieval that is a Spark frame already."""

    def __init__(self, joined: DataFrame, *, full_feature_names: bool, config: Any, metadata: Any) -> None:
        super().__init__(
            spark_session=joined.sparkSession,
            query="",
            full_feature_names=full_feature_names,
            config=config,
            metadata=metadata,
        )
        self._joined = joined

    def to_spark_df(self) -> DataFrame:
        """Return the joined rows, not computed yet."""
        return self._joined


def join_versions(
    spine: DataFrame, contexts: list[FeatureViewQueryContext], *, prefixed: bool, known_only: bool
) -> DataFrame:
    """Join to each spine row, for every view, the latest version that its instant admits.

    The latest `event_timestamp` within the view's ttl wins, then the latest created timestamp. A spine that
    names a session gets that session's versions and no other's, however long ago it was.

    Parameters
    ----------
    spine : pyspark.sql.DataFrame
        The views' entities, `event_timestamp` (the instant, a UTC timestamp) and perhaps `session`.
    contexts : list of FeatureViewQueryContext
        A view each; its table has one row a version.
    prefixed : bool
        Name a feature ``view__feature``.
    known_only : bool
        Admit only versions whose created timestamp is not later than the instant.

    Returns
    -------
    pyspark.sql.DataFrame, shape (n_spine, n_columns + n_features)
        Each row of the spine once, in any order; nulls where no version is admitted.

    Raises
    ------
    ValueError
        If a view has no ttl or no created timestamp column.
    """
    named = [SESSION] if SESSION in spine.columns else []
    choose = _choose_of_session if named else _choose_within_ttl
    narrow = spine
    for context in contexts:
        keys = [*context.entities, SPINE_TIMESTAMP, *named]
        narrow = narrow.join(choose(spine, context, known_only=known_only), on=keys, how="left")
    # Every version is chosen before any feature is fetched, and the widest view is joined last: a join moves
    # all columns that its left side has gathered so far.
    wide = narrow
    for context in sorted(contexts, key=lambda view: len(view.features)):
        event_name, created_name = _version_columns(context)
        prefix = f"{context.name}__" if prefixed else ""
        features = _table(spine.sparkSession, context).selectExpr(
            *context.entities,
            f"{context.timestamp_field} as {event_name}",
            f"{context.created_timestamp_column} as {created_name}",
            *(f"{feature} as {prefix}{feature}" for feature in context.features),
        )
        keys = [*context.entities, event_name, created_name]
        wide = wide.hint("shuffle_hash").join(features, on=keys, how="left")
    return wide.drop(*(name for context in contexts for name in _version_columns(context)))


def _choose_within_ttl(spine: DataFrame, context: FeatureViewQueryContext, *, known_only: bool) -> DataFrame:
    """Return for each distinct (entity, instant) of the spine the identity of its version.

    Instants and versions meet in buckets as long as the ttl: a version within reach lies in the instant's own
    bucket or the one before, so the join is an equality and grows with the rows, not with their product.
    """
    bucket = _bucket(F.col(SPINE_TIMESTAMP), context.ttl)
    probes = spine.select(*context.entities, SPINE_TIMESTAMP).distinct()
    probes = probes.withColumn("_bucket", F.explode(F.array(bucket, bucket - 1)))
    versions = _identities(
        spine, context, _bucket(F.col(context.timestamp_field), context.ttl).alias("_bucket")
    )
    # The bucket before reaches back up to twice the ttl, so the ttl itself is checked on what has met.
    oldest = F.col(SPINE_TIMESTAMP) - F.expr(f"INTERVAL {context.ttl} SECONDS")
    met = probes.join(versions, on=[*context.entities, "_bucket"], how="inner")
    return _latest(met.where(F.col("_event_at") >= oldest), context, [], known_only=known_only)


def _choose_of_session(spine: DataFrame, context: FeatureViewQueryContext, *, known_only: bool) -> DataFrame:
    """Return for each distinct (entity, instant, session) of the spine the identity of its version."""
    probes = spine.select(*context.entities, SPINE_TIMESTAMP, SESSION).distinct()
    versions = _identities(spine, context, F.to_date(SESSION).alias(SESSION))
    met = probes.join(versions, on=[*context.entities, SESSION], how="inner")
    return _latest(met, context, [SESSION], known_only=known_only)


def _identities(spine: DataFrame, context: FeatureViewQueryContext, met_by: Column) -> DataFrame:
    """Return of each version when it happened and became known, and what the spine meets it by."""
    return _table(spine.sparkSession, context).select(
        *context.entities,
        F.col(context.timestamp_field).alias("_event_at"),
        F.col(context.created_timestamp_column).alias("_created_at"),
        met_by,
    )


def _latest(
    met: DataFrame, context: FeatureViewQueryContext, named: list[str], *, known_only: bool
) -> DataFrame:
    """Return the latest version that each instant admits, by event and then by created timestamp."""
    admitted = F.col("_event_at") <= F.col(SPINE_TIMESTAMP)
    if known_only:
        admitted &= F.col("_created_at") <= F.col(SPINE_TIMESTAMP)
    keys = [*context.entities, SPINE_TIMESTAMP, *named]
    # Structs compare field by field: the later event wins, and only of one event the later created one.
    chosen = (
        met.where(admitted).groupBy(*keys).agg(F.max(F.struct("_event_at", "_created_at")).alias("_version"))
    )
    event_name, created_name = _version_columns(context)
    return chosen.select(
        *keys,
        F.col("_version._event_at").alias(event_name),
        F.col("_version._created_at").alias(created_name),
    )


def _table(session: SparkSession, context: FeatureViewQueryContext) -> DataFrame:
    """Return the view's rows that any instant of the spine can reach."""
    if not context.ttl or not context.created_timestamp_column:
        msg = (
            f"view {context.name} needs a ttl and a created timestamp column; see feature_repo/definitions.py"
        )
        raise ValueError(msg)
    # Feast gives both without a zone and means UTC; as local times they would cut rows off at either end.
    earliest, latest = context.min_event_timestamp, context.max_event_timestamp
    reachable = F.col(context.timestamp_field).between(_instant(earliest), _instant(latest))
    return session.table(context.table_subquery).where(reachable)


def _instant(naive_utc: str | None) -> Column:
    return F.lit(datetime.fromisoformat(str(naive_utc)).replace(tzinfo=UTC))


def _bucket(instant: Column, ttl: int) -> Column:
    return F.floor(F.unix_seconds(instant) / ttl)


def _version_columns(context: FeatureViewQueryContext) -> tuple[str, str]:
    return f"_{context.name}_event_at", f"_{context.name}_created_at"


def _time_range(spine: DataFrame) -> tuple[datetime, datetime]:
    """Return the spine's first and last instant, in microseconds on the way: Spark's own are local times."""
    if not isinstance(spine, DataFrame):
        msg = f"the spine is a {type(spine).__name__}; give a Spark frame"
        raise ValueError(msg)
    if SPINE_TIMESTAMP not in spine.columns:
        msg = f"the spine has columns {spine.columns} and lacks {SPINE_TIMESTAMP}; rename the instant to it"
        raise ValueError(msg)
    first, last = spine.agg(
        F.unix_micros(F.min(SPINE_TIMESTAMP)), F.unix_micros(F.max(SPINE_TIMESTAMP))
    ).collect()[0]
    if first is None:
        msg = "the spine holds no row; there is nothing to retrieve"
        raise ValueError(msg)
    return _from_micros(first), _from_micros(last)


def _from_micros(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
