"""Records land alike whether they are held or read a part at a time."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.errors import TransientError
from pipelines.io.sources import NotPlain, files, plain_files
from pipelines.stages.ingest import steps
from pipelines.tables.contracts import BRONZE_BARS, OPS_COVERAGE, OPS_DELIVERIES, OPS_QUARANTINE
from tests.pipelines.stages.files_home import DAYS, NOW, deliver, make_bars, rows, run, until

LANDED = (BRONZE_BARS, OPS_DELIVERIES, OPS_QUARANTINE)
WAYS = ("held", "parts")


def open_way(folder: Path, way: str, *overrides: str) -> Context:
    """Open the home that reads the drop in one way; all of them read the same drop."""
    settings, _ = load_settings(
        overrides=[
            "feeds.bars=files", "feeds.texts=files", f"sources.files.bars={folder / 'drop'}",
            "ingest.max_refused_share=0.4", "ingest.min_refused_records=6", *overrides,
        ]
    )  # fmt: skip
    return open_context(settings, folder / way, clock=lambda: NOW)


def read_in_parts(monkeypatch: pytest.MonkeyPatch, part_rows: int) -> None:
    """Let no file be small, and a part have so many rows."""
    monkeypatch.setattr(files, "are_small", lambda _: False)
    monkeypatch.setattr(plain_files, "PART_ROWS", part_rows)


def disturb(bars: pl.DataFrame, draw: random.Random) -> pl.DataFrame:
    """Restate some bars, break some, send some twice and contradict some, in another order."""
    sent: list[dict[str, Any]] = []
    for bar in bars.to_dicts():
        fate = draw.random()
        if fate < 0.15:
            bar["close"] += 0.25
        elif fate < 0.25:
            bar["high"] = bar["low"] - 1
        sent += [bar] * (2 if 0.25 < fate < 0.4 else 1)
        if 0.4 < fate < 0.55:
            sent.append(bar | {"close": bar["close"] + 0.5})
    return pl.DataFrame(draw.sample(sent, len(sent)))


def stamp(bars: pl.DataFrame, draw: random.Random) -> pl.DataFrame:
    """Say when each arrived: after its close, a few before it."""
    said = ["T21:30:00Z", "T22:00:00+00:00", "T21:45:00Z", "T12:00:00Z"]
    return bars.with_columns(received_at=pl.col("session") + pl.Series(draw.choices(said, k=bars.height)))


def landed(context: Context) -> list[list[tuple[Any, ...]]]:
    """All that the drop has left in a home."""
    tables = [rows(context, contract) for contract in LANDED]
    return [sorted(table.rows(), key=repr) for table in tables]


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("stamped", [False, True], ids=["unstamped", "stamped"])
@pytest.mark.parametrize("seed", range(2))
def test_two_ways_to_land_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seed: int,
    stamped: bool,
) -> None:
    draw = random.Random(seed)
    said = (lambda bars: stamp(bars, draw)) if stamped else (lambda bars: bars)
    homes = {way: open_way(tmp_path, way) for way in WAYS}
    history = disturb(until(DAYS[5]), draw)
    half = history.height // 2
    batches = [
        {"a.csv": history[:half], "b.csv": history[half:]},
        {"c.csv": disturb(make_bars(), draw), "d.csv": make_bars().with_columns(low=pl.lit(-1.0))},
    ]
    for batch in batches:
        for name, bars in batch.items():
            deliver(tmp_path, said(bars), name)
        for way, context in homes.items():
            with monkeypatch.context() as patched:
                if way == "parts":
                    read_in_parts(patched, part_rows=7)
                with caplog.at_level(logging.INFO):
                    run(context, "ingest")
    held, parts = (landed(context) for context in homes.values())
    assert held == parts
    assert "left to Spark" not in caplog.text
    outcomes = {Path(row[3]).name: row[7] for row in held[1]}
    assert outcomes["d.csv"] == "refused"
    assert "landed" in outcomes.values()
    overlap = rows(homes["parts"], BRONZE_BARS)["overlap"]
    assert overlap.null_count() == 0
    assert overlap.max() > 0 or stamped  # the same words under another stamp are another record


def test_parts_are_of_few_rows_and_reach_the_table_in_one_commit(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(tmp_path, make_bars())
    context = open_way(tmp_path, "parts")
    read_in_parts(monkeypatch, part_rows=5)
    heights: list[int] = []
    whole = files.read_parts

    def counted(*said: Any) -> Iterator[pl.DataFrame]:
        for part in whole(*said):
            heights.append(part.height)
            yield part

    monkeypatch.setattr(files, "read_parts", counted)
    assert run(context, "ingest").rows_out == 36
    assert set(heights) == {5, 1}
    assert context.lake.version(BRONZE_BARS) == 1


def test_what_has_to_be_held_beyond_the_limit_is_left_to_the_engine(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bars = make_bars()
    deliver(tmp_path, pl.concat([bars, bars[:5]]))
    context = open_way(tmp_path, "parts", "lake.local_rows=9")
    read_in_parts(monkeypatch, part_rows=5)
    with caplog.at_level(logging.INFO):
        assert run(context, "ingest").rows_out == 36
    assert "left to Spark: too many" in caplog.text
    assert rows(context, OPS_QUARANTINE).height == 5


@pytest.mark.usefixtures("spark")
def test_a_copy_that_came_in_time_counts_beside_one_that_came_before_its_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The file says when its records came: at noon the day's bars cannot have been there yet."""
    noon = datetime.combine(DAYS[-1], time(17), UTC)
    for name, at in (("early.csv", noon), ("late.csv", noon + timedelta(hours=6))):
        deliver(tmp_path, make_bars().filter(pl.col("session") == str(DAYS[-1])), name)
        os.utime(tmp_path / "drop" / name, (at.timestamp(), at.timestamp()))
    homes = [open_way(tmp_path, way, "sources.files.arrival=object_time") for way in WAYS]
    for way, context in zip(WAYS, homes, strict=True):
        with monkeypatch.context() as patched, caplog.at_level(logging.INFO):
            if way == "parts":
                read_in_parts(patched, part_rows=2)
            run(context, "ingest")
        bars = rows(context, BRONZE_BARS)
        assert bars["known_at"].to_list() == [noon + timedelta(hours=6)] * 3
        assert rows(context, OPS_DELIVERIES).sort("delivered_at")["refused"].to_list() == [3, 0]
    assert "left to Spark" not in caplog.text
    assert landed(homes[0]) == landed(homes[1])


def test_small_files_are_judged_together(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in DAYS:
        deliver(tmp_path, make_bars().filter(pl.col("session") == str(day)), f"{day}.csv")
    context = open_way(tmp_path, "parts")
    read_in_parts(monkeypatch, part_rows=15)
    heights: list[int] = []
    judge = steps.judge_records

    def counted(records: pl.DataFrame, judging: steps.Judging) -> pl.DataFrame:
        heights.append(records.height)
        return judge(records, judging)

    monkeypatch.setattr(steps, "judge_records", counted)
    assert run(context, "ingest").rows_out == 36
    assert heights == [15, 15, 6] * 2
    assert rows(context, OPS_DELIVERIES)["records"].to_list() == [3] * 12


def restated(parts: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """A file that says something else by now."""
    for part in parts:
        yield part.with_columns(close=pl.lit("101.5"))


def torn(parts: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """A file of which only the beginning has been written anew."""
    yield next(parts)
    raise NotPlain("no footer")


@pytest.mark.parametrize("changed", [restated, torn])
def test_a_file_that_changes_while_it_is_read_lands_nothing(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: Callable[..., Any]
) -> None:
    deliver(tmp_path, make_bars())
    context = open_way(tmp_path, "parts")
    read_in_parts(monkeypatch, part_rows=5)
    whole, opened = files.read_parts, []

    def rewritten(*said: Any) -> Iterator[pl.DataFrame]:
        opened.append(said)
        yield from changed(whole(*said)) if len(opened) > 1 else whole(*said)

    monkeypatch.setattr(files, "read_parts", rewritten)
    with pytest.raises(TransientError, match="changed while their bars were read"):
        run(context, "ingest")
    assert rows(context, BRONZE_BARS).is_empty()
    assert not context.lake.exists(OPS_COVERAGE)
    monkeypatch.setattr(files, "read_parts", whole)
    assert run(context, "ingest").rows_out == 36
