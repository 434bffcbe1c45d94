"""The feature stage on real bars, beside plain Spark that writes the same rows, the kernels alone, and Qlib.

A home is loaded with five years of 505 symbols up to `curate` once. Each turn copies it and runs four
processes, one after the other: an empty Spark session; `bellwether build_features`, which builds the views of
bars and the labels; plain Spark, with the same engine settings, that reads the same bars and writes the rows
of the tables that the stage made to Delta once; and the kernels of both views on the same bars in memory.

    python -m benchmarks.feature_stage [--history HOME] [--keep HOME] [--turns 3]

With --history a home that has been loaded up to `curate` is copied instead of loaded anew; --keep is where
the home of the last turn is left. Takes 20 minutes at most where nothing else computes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from deltalake import DeltaTable

from benchmarks.alpha158 import RESULT as QLIB_PAGE
from benchmarks.daily_run import ADDED, BARS, FIRST, timed
from benchmarks.feature_peers import BAR_VIEWS, ENGINE
from pipelines.tables.contracts import GOLD_LABELS, SILVER_BARS, feature_table

RESULT = Path(__file__).parent / "results" / "feature_stage.md"
LAST = ADDED
KERNELS_ALLOWED, MOST_GIB = 3.0, 8.0
QLIB_CORES = 2
GIB, MIB = 2**30, 2**20
WRITTEN = (*map(feature_table, BAR_VIEWS), GOLD_LABELS)
EMPTY = """
import sys
from pathlib import Path
from pipelines.app.settings import load_settings
from pipelines.io.spark import build_session
settings = load_settings(overrides=sys.argv[2:])[0]
build_session(settings.spark, warehouse=Path(sys.argv[1]) / "spark").stop()
"""
"""An empty Spark session as the stage starts one, and nothing that it imports besides."""
STORY = (
    "`bellwether build_features` of {rows:,} feature vectors a view, {views}, and of the labels ({first} "
    "to {last}), beside Spark that reads the same bars and writes the rows of the same tables to Delta "
    "once, and beside the kernels of both views in memory. Seconds of the wall on {cores} cores, taken in "
    "turn: of whole processes for the empty session and the stage, from when its session is ready for "
    "plain Spark, of the computation alone for the kernels. What the stage takes beyond an empty session "
    "is allowed the seconds of plain Spark and {allowed:.0f} times those of the kernels. Memory is the "
    "summed proportional set size of the stage's processes, looked at every half second, at its largest."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Wall seconds of one turn's processes, the kernels' processor seconds, and the stage's peak in bytes."""

    empty: float
    stage: float
    plain: float
    kernels: float
    kernels_cpu: float
    peak: int

    @property
    def beyond(self) -> float:
        """Seconds of the stage beyond the start of an empty session."""
        return self.stage - self.empty

    @property
    def allowed(self) -> float:
        """Seconds that it may take beyond that."""
        return self.plain + KERNELS_ALLOWED * self.kernels


def bellwether(home: Path, bars: Path, *stages: str) -> list[list[str]]:
    """Return the command lines of stages over the whole span."""
    program = str(Path(sys.executable).with_name("bellwether"))
    rest = ["--home", str(home), "--source", "files", "--bars", str(bars), "--start", FIRST, "--end", LAST]
    rest += [word for setting in ENGINE for word in ("--set", setting)]
    return [[program, stage, *rest] for stage in stages]


def load_home(home: Path, bars: Path, *stages: str) -> None:
    """Run stages on a home, one after the other."""
    for command in bellwether(home, bars, *stages):
        timed(command)


def watched(command: Sequence[str], *, every: float = 0.5) -> tuple[float, int]:
    """Run a command and return its wall-clock seconds and the largest summed memory of its processes.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    began, peak = time.perf_counter(), 0
    running = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            code = running.wait(every)
        except psutil.TimeoutExpired:
            peak = max(peak, tree_memory(running))
            continue
        seconds = time.perf_counter() - began
        if code:
            raise subprocess.CalledProcessError(code, list(command))
        return seconds, peak


def tree_memory(process: psutil.Process) -> int:
    """Return the summed proportional set size of a process and its descendants, in bytes."""
    total = 0
    try:
        processes = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for one in processes:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def told_by(function: str, *arguments: str) -> dict[str, Any]:
    """Call a function of `benchmarks.feature_peers` in a process of its own and return what it printed."""
    program = f"import sys; from benchmarks import feature_peers; feature_peers.{function}(*sys.argv[1:])"
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def run_turn(history: Path, home: Path, bars: Path) -> Turn:
    """Run one turn on a copy of the loaded home, which is left with its gold tables."""
    shutil.copytree(history, home)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:  # a JVM may still be tidying up
        empty = timed([sys.executable, "-c", EMPTY, scratch, *ENGINE])
        (command,) = bellwether(home, bars, "build_features")
        stage, peak = watched(command)
        tables = [table.name.replace(".", "/") for table in (SILVER_BARS, *WRITTEN)]
        plain = told_by("copy_tables", str(home / "lake"), scratch, *tables)
        kernels = told_by("evaluate_views", str(bars))
    return Turn(
        empty=empty,
        stage=stage,
        plain=plain["wall"],
        kernels=sum(one["wall"] for one in kernels.values()),
        kernels_cpu=sum(one["cpu"] for one in kernels.values()),
        peak=peak,
    )


def table_sizes(lake: Path) -> dict[str, int]:
    """Return the bytes on disk of the tables that the stage writes, by name."""
    return {
        table.name: sum(
            file.stat().st_size for file in (lake / table.name.replace(".", "/")).rglob("*") if file.is_file()
        )
        for table in WRITTEN
    }


def read_qlib_seconds(page: str, cores: int) -> float:
    """Return the wall seconds that Qlib's Alpha158 took on some cores: the median of such rows.

    Parameters
    ----------
    page : str
        What `benchmarks.alpha158` wrote.

    Raises
    ------
    ValueError
        If it has no row of so many cores.
    """
    lines = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line] for line in lines]
    own = (
        [dict(zip(table[0], row, strict=True)) for row in table[2:] if row[0] == str(cores)] if table else []
    )
    if not own:
        msg = f"the page of benchmarks.alpha158 has no row of {cores} cores; run it with --cores {cores}"
        raise ValueError(msg)
    return statistics.median(float(row["Qlib, wall s"]) for row in own)


def render(turns: Sequence[Turn], *, rows: int, sizes: Mapping[str, int], qlib: float) -> tuple[str, bool]:
    """Return the page of results, and whether time and memory are as small as wanted."""
    story = STORY.format(
        rows=rows, views=" and ".join(f"`{view.name}`" for view in BAR_VIEWS), first=FIRST, last=LAST,
        cores=os.cpu_count(), allowed=KERNELS_ALLOWED,
    )  # fmt: skip
    cells = [
        f"| {number} | {turn.empty:.1f} | {turn.stage:.1f} | {turn.beyond:.1f} | {turn.plain:.1f} "
        f"| {turn.kernels:.2f} | {turn.kernels_cpu:.2f} | {turn.allowed:.1f} | {turn.peak / GIB:.2f} |"
        for number, turn in enumerate(turns, start=1)
    ]
    share = statistics.median(turn.beyond / turn.allowed for turn in turns)
    peak = max(turn.peak for turn in turns) / GIB
    stage = statistics.median(turn.stage for turn in turns)
    disk = ", ".join(f"`{name}` {size / MIB:.0f} MiB" for name, size in sizes.items())
    lines = [
        f"- Time: {share:.2f} of what is allowed, on the median; wanted at most 1: "
        f"{'met' if share <= 1 else 'NOT met'}.",
        f"- Memory: {peak:.2f} GiB at the peak; wanted at most {MOST_GIB:.0f}: "
        f"{'met' if peak <= MOST_GIB else 'NOT met'}.",
        f"- The whole stage takes {stage / qlib:.1f} times the {qlib:.1f} s of Qlib's Alpha158 alone, bars "
        f"to a frame in memory (row of {QLIB_CORES} cores in [alpha158.md](alpha158.md), 500 symbols).",
        f"- On disk: {disk}.",
    ]
    parts = [
        "# The feature stage\n",
        "Written by `python -m benchmarks.feature_stage`.\n",
        textwrap.fill(story, 110),
        "",
        "| turn | empty session | stage | beyond | plain Spark | kernels | their CPU | allowed | peak GiB |",
        "|---" * 9 + "|",
        *cells,
        "",
        *(textwrap.fill(line, 110, subsequent_indent="  ") for line in lines),
        "",
    ]
    return "\n".join(parts), share <= 1 and peak <= MOST_GIB


def main() -> int:
    """Load, repeat, print and write; return 0 if time and memory are as small as wanted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bars", type=Path, default=BARS)
    parser.add_argument("--history", type=Path, help="a home loaded up to curate, and no further")
    parser.add_argument("--keep", type=Path, help="where the last turn's home is left; it must not exist yet")
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    turns = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        history = asked.history or Path(scratch) / "history"
        if asked.history is None:
            load_home(history, asked.bars, "ingest", "curate")
        for number in range(asked.turns):
            home = Path(scratch) / f"home{number}"
            turns.append(run_turn(history, home, asked.bars))
            print(turns[-1], flush=True)
            sizes = table_sizes(home / "lake")
            rows = DeltaTable(str(home / "lake" / "gold" / BAR_VIEWS[0].name)).count()
            if asked.keep is not None and number == asked.turns - 1:
                shutil.copytree(home, asked.keep)
            shutil.rmtree(home, ignore_errors=True)
    qlib = read_qlib_seconds(QLIB_PAGE.read_text(encoding="utf-8"), QLIB_CORES)
    page, met = render(turns, rows=rows, sizes=sizes, qlib=qlib)
    print(page)
    RESULT.write_text(page, encoding="utf-8")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
