"""The peers of the feature stage, each for a process of its own that prints what it took as one line of JSON.

Nothing here is a program: `benchmarks.feature_stage` calls these by ``python -c``.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import polars as pl

from benchmarks.alpha158_engine import processor_seconds
from benchmarks.bar_sets import source_rows
from features.sessions import SessionCalendar
from features.views import VIEWS, FeatureView
from pipelines.app.settings import load_settings
from pipelines.io.spark import build_session

ENGINE = ("spark.master=local[2]",)
"""What differs from the settings that the project comes with, for the stage and its peers alike."""
BAR_VIEWS = tuple(view for view in VIEWS.values() if view.source == "bars")
REPEATS = 3


def copy_tables(lake: str, target: str, read: str, *written: str) -> None:
    """Read one table of a lake and write others' rows to Delta once, timed from when the session is ready.

    Parameters
    ----------
    lake, target : str
        Roots of the lake and of what is written.
    read : str
        Table whose rows are read and dropped, ``layer/noun``.
    *written : str
        Tables that are read and written, unpartitioned.
    """
    spark = build_session(load_settings(overrides=ENGINE)[0].spark, warehouse=Path(target) / "spark")
    began = time.perf_counter()
    spark.read.format("delta").load(f"{lake}/{read}").write.format("noop").mode("overwrite").save()
    for table in written:
        spark.read.format("delta").load(f"{lake}/{table}").write.format("delta").save(f"{target}/{table}")
    print(json.dumps({"wall": time.perf_counter() - began}), flush=True)
    spark.stop()


def evaluate_views(bars: str) -> None:
    """Evaluate every view of bars in memory, reading aside: the middle one of three repetitions.

    Parameters
    ----------
    bars : str
        Parquet file of daily bars, with `symbol`, `date` or `session`, prices and `volume`.
    """
    rows = source_rows(pl.read_parquet(bars).rename({"date": "session"}, strict=False))
    few = rows.filter(pl.col("symbol").is_in(rows["symbol"].unique().sort().head(2).implode()))
    sessions, calendar = rows.select(pl.col("session").unique().sort()), SessionCalendar()
    told = {}
    for view in BAR_VIEWS:
        view.evaluate(few, sessions, calendar)  # loads what set-up has compiled
        runs = [_time_view(view, rows, sessions, calendar) for _ in range(REPEATS)]
        wall, cpu = (statistics.median(seconds) for seconds in zip(*runs, strict=True))
        told[view.name] = {"wall": wall, "cpu": cpu}
    print(json.dumps(told), flush=True)


def _time_view(
    view: FeatureView, rows: pl.DataFrame, sessions: pl.DataFrame, calendar: SessionCalendar
) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), processor_seconds()
    view.evaluate(rows, sessions, calendar)
    return time.perf_counter() - wall, processor_seconds() - cpu
