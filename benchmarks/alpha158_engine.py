"""Our half of the Alpha158 benchmark, in a process of its own: stored bars to a float32 frame in memory.

python -m benchmarks.alpha158_engine --bars FILE --report FILE [--cores 2] [--repeats 3] [--frame FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from pathlib import Path

COLUMNS = ("symbol", "session", "open", "high", "low", "close", "volume")


def processor_seconds() -> float:
    """Return what this process has used of processors, in user and system mode."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Compute, time and write; Polars takes its threads at import, so cores are bound before it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bars", "report"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--frame", type=Path)
    asked = parser.parse_args()
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: asked.cores]))
    os.environ["POLARS_MAX_THREADS"] = str(asked.cores)
    import polars as pl

    from benchmarks.bar_sets import source_rows
    from features.alpha158 import FEATURES, PREFIX, compute_alpha158
    from features.sessions import SessionCalendar

    calendar = SessionCalendar()

    def compute(symbols: int | None = None) -> pl.DataFrame:
        bars = pl.read_parquet(asked.bars, columns=list(COLUMNS))
        if symbols:
            names = bars["symbol"].unique().sort().head(symbols)
            bars = bars.filter(pl.col("symbol").is_in(names.implode()))
        sessions = bars.select(pl.col("session").unique().sort())
        return compute_alpha158(source_rows(bars), sessions, calendar, FEATURES)

    compute(symbols=2)  # loads what set-up has compiled
    runs, frame = [], None
    for _ in range(asked.repeats):
        frame = None  # not two frames at a time
        wall, cpu = time.perf_counter(), processor_seconds()
        frame = compute()
        runs.append({"wall": time.perf_counter() - wall, "cpu": processor_seconds() - cpu})
    if asked.frame is not None and frame is not None:
        frame.rename({one.name: one.name.removeprefix(PREFIX) for one in FEATURES}).write_parquet(asked.frame)
    asked.report.write_text(json.dumps({"runs": runs}), encoding="utf-8")


if __name__ == "__main__":
    main()
