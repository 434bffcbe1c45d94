"""The training frame as `train` reads it, beside the point-in-time join of Feast's own Spark store.

One process and one Spark session read the frame of the set `alpha158`, with the features that only baselines
read, from a home with five years of 505 symbols, in turns: through `pipelines.registry.training_frame`, whose
join is `pipelines.io.point_in_time`, and with Feast's `SparkOfflineStore` in its place, on the same
definitions, tables and spine. Feast knows of no session: its answer from another session's row is refused
here as ours is within the join. Then the two frames are compared, row by row and bit by bit.

    python -m benchmarks.training_frame [--home HOME] [--turns 2] [--set spark.driver_memory=6g]

--home is a home loaded up to `build_features`, such as `benchmarks.feature_stage --keep` leaves; without it
one is loaded, in 5 minutes. Takes 40 minutes at most: no turn begins that could not end by then.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import feast
import polars as pl
from pyspark.sql import functions as F

from benchmarks.daily_run import BARS
from benchmarks.feature_peers import ENGINE
from benchmarks.feature_stage import LAST, load_home
from features.params import FeaturesParams
from features.views import find_view, names_by_view
from models.params import ModelsParams
from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.io.frames import persisted
from pipelines.io.historical_retrieval import from_spine, register_versions, to_spine, with_features
from pipelines.registry.training_frame import SPINE, finish_frame, open_view, read_frame, read_spine
from pipelines.stages.train import STAGE
from pipelines.tables.contracts import select_tables
from serving.online.feast_config import build_config
from serving.online.params import FeatureStoreParams

RESULT = Path(__file__).parent / "results" / "training_frame.md"
FEATURE_SET = "alpha158"
MOST, CAP_MINUTES = 0.60, 40
AT = "cutoff_at"
REGEX_NAMES = "spark.sql.parser.quotedRegexColumnNames"
STORY = (
    "{rows:,} rows × {columns} features as `train` reads them for {as_of}, from Delta to a sorted frame "
    "in memory, beside the same through Feast's own `SparkOfflineStore` {version}: same definitions, ttl, "
    "tables, spine and Spark session ({master}, {memory} for the driver). Wall-clock seconds in one "
    "process on {cores} cores, in turns, the other one first in every second. Of {spine:,} rows of the "
    "spine {refused:,} are refused on either side: no valid vector of their own session was known."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Wall seconds of both ways in one turn."""

    ours: float
    stock: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where two frames of one shape part: rows that only one has, and cells of common rows."""

    rows: int
    cells: int

    @property
    def is_none(self) -> bool:
        """Whether they are equal."""
        return not (self.rows or self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which training frame is read: of which as-of, how long a label's run, and the columns."""

    as_of: date
    horizon_sessions: int
    features: tuple[str, ...]


def ask(context: Context, as_of: date) -> Asked:
    """Return what `train` would read of the feature set."""
    params = context.params(ModelsParams)
    features = context.params(FeaturesParams).sets[FEATURE_SET]
    return Asked(
        as_of=as_of,
        horizon_sessions=params.split.horizon_sessions,
        features=params.baselines.read_beside(features),
    )


def read_ours(context: Context, asked: Asked) -> pl.DataFrame:
    """Return the frame as `train` reads it."""
    return read_frame(context, asked.as_of, asked.horizon_sessions, asked.features)


def read_stock(context: Context, asked: Asked) -> pl.DataFrame:
    """Return the frame as `read_ours` does, but for the join, which is that of Feast's own Spark store."""
    with persisted(read_spine(context, asked.as_of, asked.horizon_sessions)) as spine:
        spine.count()
        joined = join_with_stock(context, spine, asked.features)
        narrow = joined.selectExpr(
            *SPINE, *(f"cast(`{name}` as float) as `{name}`" for name in asked.features)
        )
        return finish_frame(context.lake.collect(narrow))


def join_with_stock(context: Context, spine: Any, features: Sequence[str]) -> Any:
    """Return the spine's usable rows with the features, joined by Feast's own Spark store.

    A row of another session is within Feast's ttl: it is no answer where it is the primary view's, and its
    features are unknown where it is another's.
    """
    views = names_by_view(features)
    for name in views:
        register_versions(context.lake, find_view(name), None)
    config = build_config(context.params(FeatureStoreParams), context.home.feast, offline_store="spark")
    job = feast.FeatureStore(config=config).get_historical_features(
        entity_df=to_spine(spine, AT),
        features=[f"{view}:{name}" for view, names in views.items() for name in ("session", "valid", *names)],
        full_feature_names=True,
        filter_by_created_timestamp=True,
    )
    joined = job.to_spark_df()
    context.lake.spark.conf.unset(REGEX_NAMES)  # Feast sets it, and no quoted name would be one any more
    for view in views:
        own = F.col(f"{view}__session") == F.col("session").cast("string")
        joined = joined.withColumn(f"{view}__session", F.when(own, F.col(f"{view}__session")))
        joined = joined.withColumn(f"{view}__valid", F.when(own, F.col(f"{view}__valid")))
    return with_features(from_spine(joined, AT), spine.columns, views)


def compare_frames(ours: pl.DataFrame, theirs: pl.DataFrame) -> Difference:
    """Compare two frames of the same columns by symbol and session; null equals null."""
    key = ["symbol", "session"]
    alone = ours.join(theirs, on=key, how="anti").height + theirs.join(ours, on=key, how="anti").height
    common = (
        one.join(other, on=key, how="semi").sort(key) for one, other in ((ours, theirs), (theirs, ours))
    )
    left, right = common
    cells = sum(int(left[name].ne_missing(right[name]).sum()) for name in left.columns)
    return Difference(rows=alone, cells=cells)


def timed(
    read: Callable[[Context, Asked], pl.DataFrame], context: Context, asked: Asked
) -> tuple[pl.DataFrame, float]:
    """Return a frame and the seconds it took."""
    began = time.perf_counter()
    frame = read(context, asked)
    return frame, time.perf_counter() - began


def run_turn(context: Context, asked: Asked, *, stock_first: bool) -> tuple[Turn, Difference, int]:
    """Read both ways and return their seconds, where the frames part, and how many rows ours has."""
    readers = [read_stock, read_ours] if stock_first else [read_ours, read_stock]
    done = {read: timed(read, context, asked) for read in readers}
    (ours, seconds), (stock, stock_seconds) = done[read_ours], done[read_stock]
    return Turn(ours=seconds, stock=stock_seconds), compare_frames(ours, stock), ours.height


def render(
    turns: Sequence[Turn], differences: Sequence[Difference], told: dict[str, Any]
) -> tuple[str, bool]:
    """Return the page of results, and whether ours is quick enough and the frames are equal."""
    cells = [
        f"| {number} | {turn.ours:.1f} | {turn.stock:.1f} | {turn.ours / turn.stock:.0%} |"
        for number, turn in enumerate(turns, start=1)
    ]
    share, equal = (
        statistics.median(turn.ours / turn.stock for turn in turns),
        all(d.is_none for d in differences),
    )
    worst = max(differences, key=lambda one: (one.rows, one.cells))
    said = (
        "equal, row by row and bit by bit" if equal else f"NOT equal: {worst.rows} rows, {worst.cells} cells"
    )
    met = share <= MOST and equal
    parts = [
        "# The training frame beside Feast's own join\n",
        "Written by `python -m benchmarks.training_frame`.\n",
        textwrap.fill(STORY.format(**told), 110),
        "",
        "| turn | ours, s | Feast's own, s | share |",
        "|---|---|---|---|",
        *cells,
        "",
        f"The frames are {said}.",
        "",
        f"Median share {share:.0%}; wanted: at most {MOST:.0%}, and equal frames: "
        f"{'met' if met else 'NOT met'}.",
        "",
    ]
    return "\n".join(parts), met


def main() -> int:
    """Load if need be, read in turns, compare, print and write; return 0 if quick enough and equal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bars", type=Path, default=BARS)
    parser.add_argument("--home", type=Path, help="a home loaded up to build_features")
    parser.add_argument("--as-of", type=date.fromisoformat, default=date.fromisoformat(LAST))
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="a setting, for both ways")
    chosen, began = parser.parse_args(), time.perf_counter()
    with tempfile.TemporaryDirectory(
        ignore_cleanup_errors=True
    ) as scratch:  # the JVM may still be tidying up
        home = chosen.home or Path(scratch) / "home"
        if chosen.home is None:
            load_home(home, chosen.bars, "ingest", "curate", "build_features")
        settings = load_settings(overrides=[*ENGINE, *chosen.set])[0]
        opened = open_context(settings, home)
        with opened.writing():
            context = open_view(opened, select_tables(STAGE.reads))
        asked = ask(context, chosen.as_of)
        spine = int(read_spine(context, asked.as_of, asked.horizon_sessions).count())
        turns, differences, rows = [], [], 0
        for number in range(chosen.turns):
            turn, difference, rows = run_turn(context, asked, stock_first=number % 2 == 1)
            turns.append(turn)
            differences.append(difference)
            print(turn, difference, flush=True)
            if time.perf_counter() - began + turn.ours + turn.stock > CAP_MINUTES * 60:
                break
        context.lake.spark.stop()
    told = {
        "rows": rows, "columns": len(asked.features), "as_of": asked.as_of, "version": feast.__version__,
        "master": settings.spark.master, "memory": settings.spark.driver_memory, "cores": os.cpu_count(),
        "spine": spine, "refused": spine - rows,
    }  # fmt: skip
    page, met = render(turns, differences, told)
    print(page)
    RESULT.write_text(page, encoding="utf-8")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
