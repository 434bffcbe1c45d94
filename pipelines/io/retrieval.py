"""Which rows of gold Feast is asked about, and which of its answers may be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import polars as pl
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_repo.definitions import DAILY_VIEW, ISSUED_VIEW, TEXT_VIEW, source_table
from features.catalog import daily_features, text_features
from pipelines.base.errors import ContractViolation
from pipelines.base.lake import Lake
from pipelines.base.table import TableContract
from pipelines.tables.as_of import instant_literal
from pipelines.tables.contracts import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT, GOLD_FORECASTS
from pipelines.tables.scope import dates_condition

CONTRACTS: dict[str, TableContract] = {
    DAILY_VIEW: GOLD_FEATURES_DAILY,
    TEXT_VIEW: GOLD_FEATURES_TEXT,
    ISSUED_VIEW: GOLD_FORECASTS,
}


def views_of(features: Sequence[str]) -> dict[str, list[str]]:
    """Return the features by view; the daily view is always there, as it says what is valid."""
    chosen: dict[str, list[str]] = {DAILY_VIEW: []}
    places = dict.fromkeys((feature.name for feature in daily_features()), DAILY_VIEW)
    places |= dict.fromkeys((feature.name for feature in text_features()), TEXT_VIEW)
    for name in features:
        if name not in places:
            msg = f"feature {name!r} is in no feature view; docs/features.md lists them all"
            raise ValueError(msg)
        chosen.setdefault(places[name], []).append(name)
    return chosen


def check_spine(spine: DataFrame) -> None:
    """Refuse a spine that lacks a column.

    Raises
    ------
    ContractViolation
        Naming the column.
    """
    for name in ("symbol", "session", "decision_at"):
        if name not in spine.columns:
            raise ContractViolation("spine", name, f"is missing among {spine.columns}; add the column")
    if "event_timestamp" in spine.columns:
        raise ContractViolation("spine", "event_timestamp", "is Feast's own name; drop or rename the column")


_IS_OWN = "{view}__session = cast(session as string)"
"""True where the vector found is the row's own session's."""


def refusal() -> Column:
    """Why a joined row must not be used, null where it may."""
    return (
        F.when(F.col(f"{DAILY_VIEW}__session").isNull(), "absent")
        .when(~F.expr(_IS_OWN.format(view=DAILY_VIEW)), "other_session")
        .when(~F.col(f"{DAILY_VIEW}__valid"), "retracted")
    )


def with_features(joined: DataFrame, kept: Sequence[str], views: Mapping[str, Sequence[str]]) -> DataFrame:
    """Return the usable rows with the features under their own names, null where another session's."""
    columns = [
        f"case when {_IS_OWN.format(view=view)} and {view}__valid then {view}__{name} end as {name}"
        for view, names in views.items()
        for name in names
    ]
    return joined.where(refusal().isNull()).selectExpr(*kept, *columns)


def register_versions(lake: Lake, view: str, at_version: int | None) -> None:
    """Put the Spark view that Feast reads over the wanted Delta version of its gold table."""
    contract = CONTRACTS[view]
    columns = (name for name in contract.columns if name not in {"symbol", "session", "month"})
    rows: DataFrame = lake.scan_table(contract, at_version=at_version)
    versions = rows.select(
        "symbol",
        F.col("session").cast("string").alias("session"),
        F.unix_micros("event_timestamp").alias("event_at_us"),
        F.unix_micros("known_at").alias("known_at_us"),
        *columns,
    )
    versions.createOrReplaceTempView(source_table(view))


def read_newest(lake: Lake, contract: TableContract, *, as_of: date, decision_at: datetime) -> pl.DataFrame:
    """Return for each symbol the newest version of its newest session that is known at an instant.

    Parameters
    ----------
    contract : TableContract
        A feature table.
    as_of : date
        Last session considered.
    decision_at : datetime
        Versions known later are left out.

    Returns
    -------
    polars.DataFrame
        One row a symbol, which bounds it; columns of the contract, sorted by symbol.
    """
    table = contract.alias
    in_sight = f"session <= date'{as_of}' and known_at <= {instant_literal(decision_at)}"
    last = f"select symbol, max(session) as last from {table} where {in_sight} group by symbol"
    sessions = lake.collect_query(last, contract).get_column("last").unique().to_list()
    if not sessions:
        return pl.DataFrame(schema=dict(contract.schema))
    columns = ", ".join(f"t.{name}" for name in contract.columns)
    rows = lake.collect_query(
        f"select {columns} from {table} as t join ({last}) as n "
        "on t.symbol = n.symbol and t.session = n.last "
        f"where {in_sight} and {dates_condition(sessions)}",
        contract,
    )
    return rows.sort("symbol", "known_at").unique("symbol", keep="last", maintain_order=True)
