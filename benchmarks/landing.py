"""2.4 million bars landed by ingest, beside plain Spark that reads the files and writes them to Delta once.

The files are made of random walks, a Parquet file a year. Each turn runs both in processes of their own, one
after the other, with the same engine settings; what is compared is the wall-clock seconds of whole processes,
the JVM's start included.

    python -m benchmarks.landing [--symbols 1905] [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.daily_run import timed
from features.sessions import SessionCalendar
from pipelines.app.settings import load_settings

RESULT = Path(__file__).parent / "results" / "landing.md"
FIRST, LAST = "2013-01-02", "2017-12-29"
MOST = 4.0
PLAIN = """
import sys
from pipelines.app.settings import load_settings
from pipelines.io.spark import build_session
from pathlib import Path
spark = build_session(load_settings()[0].spark, warehouse=Path(sys.argv[2]) / "spark")
spark.read.parquet(sys.argv[1]).write.format("delta").save(sys.argv[2] + "/bars")
spark.stop()
"""
"""The peer: Spark as this project starts it, so that only the work differs."""


def write_files(folder: Path, symbols: int) -> int:
    """Write a file a year of random walks and return how many bars they hold."""
    calendar, draw = SessionCalendar(), np.random.default_rng(7)
    sessions = calendar.sessions(
        *(datetime.fromisoformat(day).replace(tzinfo=UTC).date() for day in (FIRST, LAST))
    )
    close = 50 * np.exp(np.cumsum(draw.normal(0, 0.01, (len(sessions), symbols)), axis=0))
    names = [f"S{place:05d}" for place in range(symbols)]
    by_year: dict[int, list[int]] = {}
    for place, session in enumerate(sessions):
        by_year.setdefault(session.year, []).append(place)
    for year, places in by_year.items():
        level = close[places].reshape(-1)
        bars = pl.DataFrame(
            {
                "symbol": np.tile(names, len(places)).tolist(),
                "session": np.repeat([sessions[place] for place in places], symbols).tolist(),
                "open": level * 0.999,
                "high": level * 1.01,
                "low": level * 0.99,
                "close": level,
                "volume": draw.integers(1_000, 1_000_000, len(level)).astype(float),
            }
        )
        bars.write_parquet(folder / f"{year}.parquet")
    return len(sessions) * symbols


def landing(files: Path, home: Path) -> list[str]:
    """Return the command line of ingest."""
    program = str(Path(sys.executable).with_name("bellwether"))
    window = ["--start", FIRST, "--end", LAST]
    return [program, "ingest", "--home", str(home), "--source", "files", "--bars", str(files), *window]


def tell_story(rows: int) -> str:
    """Return what is measured here."""
    return (
        f"{rows:,} bars in Parquet files, a file a year: judged, dated and landed in bronze by `bellwether "
        f"ingest` ({FIRST} to {LAST}), beside Spark ({load_settings()[0].spark.master}) that reads the files "
        "and writes them to Delta once. "
        f"Wall-clock seconds of whole processes, on {os.cpu_count()} cores, taken in turn."
    )


def render(title: str, story: str, stage: str, turns: list[tuple[float, float]]) -> tuple[str, bool]:
    """Return the page of a stage beside plain Spark, and whether the ratio is as small as wanted."""
    ratio = statistics.median(ours / plain for plain, ours in turns)
    table = [
        f"| {turn} | {plain:.1f} | {ours:.1f} | {ours / plain:.2f} |"
        for turn, (plain, ours) in enumerate(turns, start=1)
    ]
    verdict = f"Median ratio {ratio:.2f}; wanted: at most {MOST:.0f}: "
    parts = [
        f"# {title} beside plain Spark\n",
        f"Written by `python -m benchmarks.{title.lower()}`.\n",
        textwrap.fill(story, 110),
        "",
        f"| turn | plain Spark | {stage} | ratio |",
        "|---|---|---|---|",
        *table,
        "",
        verdict + ("met." if ratio <= MOST else "NOT met."),
        "",
    ]
    return "\n".join(parts), ratio <= MOST


def main() -> int:
    """Write the files, repeat, print and write; return 0 if the ratio is as small as wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=1905)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    turns = []
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "files"
        files.mkdir()
        rows = write_files(files, asked.symbols)
        for turn in range(asked.repeats):
            home, plain = Path(scratch) / f"home{turn}", Path(scratch) / f"plain{turn}"
            plain.mkdir()
            turns.append(
                (timed([sys.executable, "-c", PLAIN, str(files), str(plain)]), timed(landing(files, home)))
            )
            for folder in (home, plain):
                shutil.rmtree(folder, ignore_errors=True)  # its JVM may still be tidying up
            print(f"turn {turn + 1}: {turns[-1][0]:.1f} s and {turns[-1][1]:.1f} s", flush=True)
    page, met = render("Landing", tell_story(rows), "ingest", turns)
    print(page)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(page, encoding="utf-8")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
