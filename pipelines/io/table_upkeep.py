"""Upkeep of Delta tables: small files joined, files past their retention removed."""

from __future__ import annotations

from delta.tables import DeltaTable

from pipelines.base.lake import Lake
from pipelines.base.table import TableContract

LOG_RETENTION = "delta.logRetentionDuration"


def compact_table(lake: Lake, contract: TableContract) -> int:
    """Join the small files of each partition and return how many files that took away; no row changes."""
    metrics = _table(lake, contract).optimize().executeCompaction().select("metrics.*").collect()[0]
    return int(metrics["numFilesRemoved"]) - int(metrics["numFilesAdded"])


def vacuum_table(lake: Lake, contract: TableContract, *, retention_days: int) -> None:
    """Remove the files that no version younger than `retention_days` refers to."""
    _table(lake, contract).vacuum(retentionHours=24.0 * retention_days)


def keep_log(lake: Lake, contract: TableContract, *, retention_days: int) -> None:
    """Have the table's log kept for as long as its files; a table that is told so already gets no commit."""
    wanted = f"interval {retention_days} days"
    told = _table(lake, contract).detail().select("properties").collect()[0]["properties"]
    if told.get(LOG_RETENTION) != wanted:
        place = lake.path(contract.name)
        lake.spark.sql(f"alter table delta.`{place}` set tblproperties ('{LOG_RETENTION}' = '{wanted}')")


def _table(lake: Lake, contract: TableContract) -> DeltaTable:
    return DeltaTable.forPath(lake.spark, lake.path(contract.name))
