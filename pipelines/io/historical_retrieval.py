"""What Feast is asked in a historical retrieval, and which of its answers may be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_repo.definitions import source_table
from features.views import FeatureView, find_view, primary_view
from pipelines.base.errors import ContractViolation
from pipelines.base.lake import Lake
from pipelines.tables.contracts import feature_table

EVENT_TIMESTAMP = "event_timestamp"
_SET_ASIDE = "_event_timestamp"


def to_spine(rows: DataFrame, at: str) -> DataFrame:
    """Return rows as Feast wants to be asked: the instant under its own name for it, ours set aside.

    Raises
    ------
    ContractViolation
        Naming the column that the rows lack.
    """
    for name in ("symbol", "session", at):
        if name not in rows.columns:
            raise ContractViolation("spine", name, f"is missing among {rows.columns}; add the column")
    return rows.withColumnRenamed(EVENT_TIMESTAMP, _SET_ASIDE).withColumnRenamed(at, EVENT_TIMESTAMP)


def from_spine(joined: DataFrame, at: str) -> DataFrame:
    """Undo `to_spine` on the joined rows."""
    return joined.withColumnRenamed(EVENT_TIMESTAMP, at).withColumnRenamed(_SET_ASIDE, EVENT_TIMESTAMP)


def register_versions(lake: Lake, view: FeatureView, at_version: int | None) -> None:
    """Put the Spark view that Feast reads over the wanted Delta version of its gold table."""
    rows: DataFrame = lake.scan_table(feature_table(view), at_version=at_version)
    versions = rows.select(
        "symbol",
        F.col("session").cast("string").alias("session"),
        F.unix_micros("event_timestamp").alias("event_at_us"),
        F.unix_micros("known_at").alias("known_at_us"),
        "event_timestamp",
        "known_at",
        "valid",
        *view.feature_names,
    )
    versions.createOrReplaceTempView(source_table(view.name))


def refusal(views: Iterable[str] = ()) -> Column:
    """Why a joined row must not be used, null where it may.

    The primary view says what is valid, and those of `views` that have a row for each row of their source do.
    The session is matched by the join itself, so a session without a vector is ``absent`` and never
    answered with the one before it; a retraction is the newest version and is ``retracted``.
    """
    required = dict.fromkeys([primary_view().name, *(one for one in views if find_view(one).is_required)])
    absent = reduce(or_, (F.col(f"{view}__session").isNull() for view in required))
    retracted = reduce(or_, (~F.col(f"{view}__valid") for view in required))
    return F.when(absent, "absent").when(retracted, "retracted")


def with_features(joined: DataFrame, kept: Sequence[str], views: Mapping[str, Sequence[str]]) -> DataFrame:
    """Return the usable rows with the features under their own names.

    Parameters
    ----------
    joined : pyspark.sql.DataFrame
        Feast's answer, columns named ``view__field``, with `valid` of each view.
    kept : sequence of str
        Columns of the rows themselves.
    views : mapping of view to its features

    Returns
    -------
    pyspark.sql.DataFrame
        Rows whose `refusal` is null; features are null where their view has nothing valid.
    """
    columns = [
        F.when(F.col(f"{view}__valid"), F.col(f"{view}__{name}")).alias(name)
        for view, names in views.items()
        for name in names
    ]
    return joined.where(refusal(views).isNull()).select(*kept, *columns)
