"""The training frame is read from pinned tables: what comes to the lake meanwhile is no part of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from features.views import find_view
from pipelines.base.context import Context
from pipelines.base.stage import FEATURE_TABLES
from pipelines.registry.model_identity import read_assumed_share
from pipelines.registry.training_frame import open_view, read_frame
from pipelines.tables.contracts import GOLD_LABELS, SILVER_BARS, select_tables
from tests.gold_tables import GOLD_FEATURES_DAILY
from tests.pipelines.synthetic_gold import append_rows, correct, make_bars, make_gold, retract, write_gold


def test_a_frame_is_that_of_the_moment_at_which_its_tables_were_pinned(
    open_home: Callable[..., Context], spark: object, tmp_path: Path
) -> None:
    """As a history load would add it: known at or before the cut, and there only after it was read."""
    context, gold = open_home(tmp_path), make_gold(symbols=3, sessions=20)
    write_gold(context.lake, gold)
    as_of, features = gold.sessions[-1], find_view("features_daily").feature_names[:1]
    with context.writing():
        view = open_view(context, select_tables([FEATURE_TABLES, "gold.labels", "silver.bars"]))
    bars = make_bars(retract(gold.daily, "S00", gold.sessions[4], days=1))
    append_rows(context.lake, SILVER_BARS, bars.with_columns(pl.lit("assumed").alias("known_by")))
    gone = retract(gold.daily, "S00", gold.sessions[4], days=0)
    gone = gone.with_columns(pl.col("known_at").dt.offset_by("1m"))
    append_rows(context.lake, GOLD_FEATURES_DAILY, gone)
    append_rows(context.lake, GOLD_LABELS, correct(gold.labels, "S01", gold.sessions[5], days=1, value=9.0))
    pinned, now = (read_frame(one, as_of, 1, features) for one in (view, context))
    assert (pinned.height, now.height) == (54, 53)
    assert (9.0 in pinned["label"], 9.0 in now["label"]) == (False, True)
    assert [read_assumed_share(one, as_of) for one in (view, context)] == [0.0, round(1 / 61, 4)]
