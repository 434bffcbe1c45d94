"""Curated day by day, silver is what it is when it is made in one go; and what a cut saw stays."""

from __future__ import annotations

import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest

from pipelines.app.runner import open_context, run_stage
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.report import SessionRange
from pipelines.base.table import TableContract
from pipelines.tables.contracts import SILVER_ACTIONS, SILVER_BARS
from tests.pipelines.stages.curate.vendor_files import Vendor
from tests.pipelines.stages.files_home import DAYS, rows
from tests.pipelines.synthetic_gold import CALENDAR

TABLES = (SILVER_BARS, SILVER_ACTIONS)
SESSIONS = DAYS[:8]
MINUTE = timedelta(minutes=1)


def open_at(folder: Path, basis: str, clock: datetime) -> Context:
    """Open a home beside the vendor's folders under a clock."""
    drop, told = folder.parent / "bars", folder.parent / "actions"
    feeds = ["feeds.bars=files", "feeds.texts=files", "feeds.actions=files"]
    places = [f"sources.files.bars={drop}", f"sources.files.actions={told}"]
    more = [f"sources.files.price_basis={basis}", "ingest.max_refused_share=0.9", "curate.usual_sessions=5"]
    settings, _ = load_settings(overrides=[*feeds, *places, *more])
    return open_context(settings, folder, clock=lambda: clock)


def write(frame: pl.DataFrame, place: Path, at: datetime) -> None:
    """Write a file as of an instant."""
    place.parent.mkdir(exist_ok=True)
    frame.write_csv(place)
    os.utime(place, (at.timestamp(), at.timestamp()))


def deliver(folder: Path, vendor: Vendor, today: int, cut: datetime) -> None:
    """Let the vendor write a day's files, the last one minutes before the cut."""
    for copy, bars in enumerate(vendor.bars(today)):
        write(bars, folder / "bars" / f"{SESSIONS[today]}-{copy}.csv", cut - (60 - 30 * copy) * MINUTE)
    actions = vendor.actions(today)
    (folder / "actions").mkdir(exist_ok=True)
    if actions.height:
        write(actions, folder / "actions" / f"{SESSIONS[today]}.csv", cut - 5 * MINUTE)


def silver(context: Context, table: TableContract, until: datetime | None = None) -> pl.DataFrame:
    """Return a table's rows, those known by an instant."""
    found = rows(context, table).sort(table.key)
    return found if until is None else found.filter(pl.col("known_at") <= until)


def curate_from_scratch(folder: Path, basis: str, clock: datetime) -> Context:
    """Return a copy of a home whose silver tables were lost and made again."""
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    context = open_at(copy, basis, clock)
    for table in TABLES:
        shutil.rmtree(Path(context.lake.path(table.name)), ignore_errors=True)
    run_stage(context, "curate", SessionRange(start=SESSIONS[-1], end=SESSIONS[-1], history=False))
    return context


@pytest.mark.parametrize(("basis", "seed", "window"), [("split", 1, 6), ("raw", 2, 3)])
def test_day_by_day_is_as_in_one_go_and_what_a_cut_saw_stays(
    spark: object, tmp_path: Path, basis: str, seed: int, window: int
) -> None:
    random = Random(seed)
    vendor = Vendor(random=random, sessions=list(SESSIONS), raw=basis == "raw", window=window)
    home, seen = tmp_path / "home", []
    for today, day in enumerate(SESSIONS):
        cut = CALENDAR.cutoff_at(day)
        deliver(tmp_path, vendor, today, cut)
        if 0 < today < len(SESSIONS) - 1 and random.random() < 0.15:
            continue  # nobody ran that evening: the next one finds the files of both
        context = open_at(home, basis, cut + MINUTE)
        for stage in ("ingest", "curate"):
            run_stage(context, stage, SessionRange(start=day, end=day, history=False))
        seen.append((cut, [silver(context, table, cut) for table in TABLES]))
    again = curate_from_scratch(home, basis, cut + MINUTE)
    for at, table in enumerate(TABLES):
        whole = silver(again, table)
        assert silver(context, table).equals(whole)
        for then, known in seen:
            assert known[at].equals(whole.filter(pl.col("known_at") <= then)), (table.name, then)
    assert silver(again, SILVER_ACTIONS).height
