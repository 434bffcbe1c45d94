"""Alpha158, engine against engine: ours and Qlib's on the same bars and cores, in turns, and cell by cell.

    python -m benchmarks.alpha158 [--work FOLDER] [--symbols 500] [--cores 1 2] [--rounds 3]

Qlib gets an environment of its own in --work (`benchmarks/qlib_peer.py`), which is used as it is where it
stands. Takes 15 minutes at most where nothing else computes, the environment aside.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import polars as pl

from benchmarks import alpha158_parity
from benchmarks.qlib_peer import NAMED, ensure_environment, read_members, run_peer, write_store

RESULT = Path(__file__).parent / "results" / "alpha158.md"
WANTED = 60
OURS = ("numpy", "numba", "polars")
STORY = (
    "From stored bars (Parquet here, Qlib's binary store there) to one float32 frame of {columns} factors of "
    "{symbols} symbols in memory: {rows:,} rows with a bar. Processor seconds are user and system of the "
    "process and its workers. The engines take turns ({rounds} × each); of each turn the least of three "
    "repetitions counts for Qlib and the middle one for us. Not counted: importing either, and compiling our "
    "kernels, which set-up does once ({compile:.0f} s). Our kernels run in one thread."
)


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds of one round on some cores: ours and Qlib's, wall and processor."""

    cores: int
    ours: tuple[float, float]
    qlib: tuple[float, float]


def run_ours(bars: Path, *, cores: int, frame: Path | None = None) -> tuple[float, float]:
    """Return wall and processor seconds of the middle one of three repetitions."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        command = [sys.executable, "-m", "benchmarks.alpha158_engine", "--bars", str(bars)]
        command += ["--report", str(report), "--cores", str(cores)]
        command += [] if frame is None else ["--frame", str(frame)]
        subprocess.run(command, check=True)
        runs = json.loads(report.read_text(encoding="utf-8"))["runs"]
    return statistics.median(run["wall"] for run in runs), statistics.median(run["cpu"] for run in runs)


def time_compilation() -> float:
    """Return the seconds that compiling takes where nothing is compiled yet."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("features", "scripts"):
            shutil.copytree(name, Path(scratch) / name, ignore=shutil.ignore_patterns("__pycache__"))
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "scripts.feature_rehearsal"], check=True, cwd=scratch)
        return time.perf_counter() - began


def render(turns: Sequence[Turn], told: dict[str, float], versions: str) -> str:
    """Return the page of results."""
    lines = [
        "| cores | ours, wall s | Qlib, wall s | ours, processor s | Qlib, processor s | processor | wall |"
    ]
    lines.append("|---" * 7 + "|")
    for turn in turns:
        wall, cpu = turn.qlib[0] / turn.ours[0], turn.qlib[1] / turn.ours[1]
        seconds = f"{turn.ours[0]:.2f} | {turn.qlib[0]:.1f} | {turn.ours[1]:.2f} | {turn.qlib[1]:.1f}"
        lines.append(f"| {turn.cores} | {seconds} | {cpu:.0f}× | {wall:.0f}× |")
    verdicts = []
    for cores in sorted({turn.cores for turn in turns}):
        own = [turn for turn in turns if turn.cores == cores]
        ratio = statistics.median(turn.qlib[1] / turn.ours[1] for turn in own)
        met = "met" if ratio >= WANTED else "NOT met"
        verdicts.append(f"- On {cores}: {ratio:.0f}× in processor time; wanted at least {WANTED}×: {met}.")
    return "\n".join(
        [
            "# Alpha158, engine against engine\n",
            "Written by `python -m benchmarks.alpha158`.\n",
            textwrap.fill(STORY.format(**told), 110),
            "",
            textwrap.fill(versions, 110),
            "",
            *lines,
            "",
            *verdicts,
            "",
        ]
    )


def main() -> int:
    """Time both in turns, compare their cells, print and write; return 0 if we are quick enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="where environment and store are kept; scratch if left out")
    parser.add_argument("--symbols", type=int, default=500, help="the first so many by name")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = asked.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        python, bars = ensure_environment(work / "venv"), read_members(asked.symbols)
        bars.write_parquet(work / "bars.parquet")
        write_store(bars, work / "store")
        turns = []
        for _ in range(asked.rounds):
            for cores in asked.cores:
                ours = run_ours(work / "bars.parquet", cores=cores)
                peer = run_peer(python, work / "store", cores=cores, repeats=3)
                least = min(range(3), key=lambda at: peer.cpu[at])
                turns.append(Turn(cores, ours, (peer.wall[least], peer.cpu[least])))
        told = {
            "columns": peer.columns, "rows": bars.height, "symbols": bars["symbol"].n_unique(),
            "rounds": asked.rounds, "compile": time_compilation(),
        }  # fmt: skip
        theirs = ", ".join(f"{name} {peer.versions[name]}" for name in NAMED)
        ours_are = ", ".join(f"{name} {version(name)}" for name in OURS)
        page = render(turns, told, f"Qlib on {theirs}; ours on {ours_are}.")
        compare_cells(work, python)
    print(page)
    RESULT.write_text(page, encoding="utf-8")
    cores = max(asked.cores)
    return int(
        statistics.median(turn.qlib[1] / turn.ours[1] for turn in turns if turn.cores == cores) < WANTED
    )


def compare_cells(work: Path, python: Path) -> None:
    """Write the page of parity of every symbol there is."""
    bars = read_members()
    bars.write_parquet(work / "all.parquet")
    write_store(bars, work / "all")
    run_peer(python, work / "all", cores=2, repeats=1, frame=work / "qlib.parquet")
    run_ours(work / "all.parquet", cores=2, frame=work / "ours.parquet")
    frames = (pl.read_parquet(work / f"{name}.parquet") for name in ("ours", "qlib"))
    page = alpha158_parity.render(alpha158_parity.compare_frames(*frames, bars, judged=2000))
    print(page)
    alpha158_parity.RESULT.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
