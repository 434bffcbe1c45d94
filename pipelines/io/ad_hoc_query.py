"""A query that a person wrote, run by Spark and by nothing that could change a table."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from pyspark.errors import PySparkException

from pipelines.base.errors import QueryError
from pipelines.base.lake import Lake
from pipelines.base.table import TableContract
from pipelines.tables import queries


def run_ad_hoc(lake: Lake, query: str, contracts: Sequence[TableContract], *, limit: int) -> pl.DataFrame:
    """Return at most `limit` rows of a Spark SQL query over the tables of `contracts`.

    The query is run as a part of another one, so Spark's parser refuses whatever is not one: statements
    that write, or change a table, do not get as far as the lake.

    Raises
    ------
    QueryError
        If Spark cannot run it, with the first line of its reason.
    """
    inner = query.strip().rstrip(";")
    try:
        return lake.collect(lake.scan_query(queries.limited(inner, limit), *contracts))
    except PySparkException as error:
        raise QueryError(str(error).strip().splitlines()[0]) from error
