"""One more session through the whole chain, beside the start of an empty Spark session.

A home is loaded with a history of real bars once; each repeat copies it and lets `bellwether run` add the
following session, which has come as a file of its own, right after a process that starts a plain Spark
session and stops it again. Both views of bars are built and published.

    python -m benchmarks.daily_run [--history HOME] [--repeats 3]

With --history a home that has been loaded up to the last session but one is copied instead of loaded anew.
Takes 15 minutes at most where nothing else computes, of which loading takes 8.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import polars as pl

from features.views import VIEWS

RESULT = Path(__file__).parent / "results" / "daily_run.md"
DATA = Path(os.environ.get("BELLWETHER_DATA", "../shared/data"))
BARS = DATA / "bars_sp500_2013_2018" / "bars.parquet"
FIRST, LOADED, ADDED = "2013-02-08", "2018-02-06", "2018-02-07"
MOST = 6.0
EMPTY_SPARK = """
from pyspark.sql import SparkSession
SparkSession.builder.master("local[2]").getOrCreate().stop()
"""


def timed(command: list[str]) -> float:
    """Run a command to its end and return its wall-clock seconds.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def bellwether(home: Path, bars: Path, *window: str) -> list[str]:
    """Return the command line of one run."""
    program = str(Path(sys.executable).with_name("bellwether"))
    return [program, "run", "--home", str(home), "--source", "files", "--bars", str(bars), *window]


def write_files(bars: Path, folder: Path) -> tuple[Path, Path]:
    """Write the history and the session after it as files of their own and return both."""
    every = pl.read_parquet(bars)
    added = pl.col("date") == pl.lit(ADDED).str.to_date()
    places = folder / "history.parquet", folder / "day.parquet"
    for place, rows in zip(places, (~added, added), strict=True):
        every.filter(rows).write_parquet(place)
    return places


def render(history: float | None, empty: list[float], added: list[float]) -> tuple[str, bool]:
    """Return the page of results, and whether the ratio is as small as wanted."""
    ratio = statistics.median(added) / statistics.median(empty)
    built = " and ".join(
        f"`{view.name}` ({len(view.features)} features)" for view in VIEWS.values() if view.source == "bars"
    )
    story = (
        f"Real bars of 505 symbols: a home loaded with {FIRST} to {LOADED}, to which `bellwether run --as-of "
        f"{ADDED}` adds a session: all daily stages with monitor. Both views of bars are built and "
        f"published, {built}. Wall-clock seconds of whole processes, on {os.cpu_count()} cores, taken in "
        "turn."
    )
    rows = [
        f"| {turn} | {start:.1f} | {run:.1f} | {run / start:.1f} |"
        for turn, (start, run) in enumerate(zip(empty, added, strict=True), start=1)
    ]
    verdict = (
        f"Median ratio {ratio:.1f}; wanted: at most {MOST:.0f}: {'met' if ratio <= MOST else 'NOT met'}."
    )
    loaded = [f"The history took {history:.0f} s, training included.", ""] if history is not None else []
    parts = [
        "# A day beside an empty Spark session\n",
        "Written by `python -m benchmarks.daily_run`.\n",
        textwrap.fill(story, 110),
        "",
        "| turn | empty Spark session | one more session | ratio |",
        "|---|---|---|---|",
        *rows,
        "",
        *loaded,
        verdict,
        "",
    ]
    return "\n".join(parts), ratio <= MOST


def main() -> int:
    """Load, repeat, print and write; return 0 if the ratio is as small as wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=Path, default=BARS)
    parser.add_argument("--history", type=Path, help="a home loaded up to the last session but one")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    seconds, empty, added = None, [], []
    with tempfile.TemporaryDirectory() as scratch:
        history, drop = asked.history or Path(scratch) / "history", Path(scratch) / "drop"
        drop.mkdir()
        before, day = write_files(asked.bars, drop)
        waiting = day.rename(Path(scratch) / day.name)
        if asked.history is None:
            seconds = timed(bellwether(history, before, "--start", FIRST, "--end", LOADED))
        shutil.copy(waiting, day)
        for turn in range(asked.repeats):
            home = Path(scratch) / f"home{turn}"
            shutil.copytree(history, home)
            empty.append(timed([sys.executable, "-c", EMPTY_SPARK]))
            added.append(timed(bellwether(home, day, "--as-of", ADDED)))
            shutil.rmtree(home)
            print(f"turn {turn + 1}: {empty[-1]:.1f} s and {added[-1]:.1f} s", flush=True)
    page, met = render(seconds, empty, added)
    print(page)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(page, encoding="utf-8")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
