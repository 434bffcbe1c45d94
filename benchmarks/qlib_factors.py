"""Qlib's Alpha158 of a store of bars: what the peer's own Python runs. It imports nothing of the project.

A repetition goes from the stored bars to one float32 frame in memory: Qlib's caches of memory are emptied
before it, those on disk are off. Processor seconds are those of this process and of its workers, user and
system. Imports and `qlib.init` are timed apart.

    PEER_PYTHON qlib_factors.py --store FOLDER --cores N --repeats N --report FILE [--frame FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Any


def cpu_seconds() -> float:
    """Return the seconds that this process and its ended children have computed."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


class Clock:
    """Wall and processor seconds since its making."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), cpu_seconds()

    def read(self) -> dict[str, float]:
        """Return the seconds gone by."""
        return {"wall": time.perf_counter() - self.wall, "cpu": cpu_seconds() - self.cpu}


def initialise(store: Path, cores: int) -> dict[str, dict[str, float]]:
    """Import Qlib and point it to the store; return what both took."""
    clock = Clock()
    import qlib
    from qlib.contrib.data.loader import Alpha158DL  # noqa: F401

    imported = clock.read()
    clock = Clock()
    qlib.init(
        provider_uri=str(store), region="us", kernels=cores, expression_cache=None, dataset_cache=None,
        logging_level=40,
    )  # fmt: skip
    return {"import": imported, "init": clock.read()}


def compute(names: list[str], fields: list[str]) -> Any:
    """Return the frame of factors as Qlib's users get it, the memory cache empty at its start."""
    from qlib.data import D
    from qlib.data.cache import H

    H.clear()
    factors = D.features(D.instruments("all"), fields, freq="day", disk_cache=0)
    factors.columns = names
    return factors


def repeat(cores: int, times: int) -> tuple[list[dict[str, float]], Any]:
    """Return the seconds of each repetition and the last frame."""
    from qlib.contrib.data.loader import Alpha158DL

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    fields, names = Alpha158DL.get_feature_config()
    runs, factors = [], None
    for _ in range(times):
        del factors
        clock = Clock()
        factors = compute(names, fields)
        runs.append(clock.read())
    types = {str(kind) for kind in factors.dtypes}
    if types != {"float32"}:
        raise RuntimeError(f"Qlib gave columns of {sorted(types)}, expected float32 alone")
    return runs, factors


def write_frame(factors: Any, place: Path) -> None:
    """Write the factors with `symbol` and `session` before them."""
    flat = factors.reset_index().rename(columns={"instrument": "symbol", "datetime": "session"})
    flat["session"] = flat["session"].dt.date
    flat.to_parquet(place, index=False)


def main() -> None:
    """Time the repetitions, write the report and, where asked, the frame."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--frame", type=Path)
    asked = parser.parse_args()
    start = initialise(asked.store, asked.cores)
    runs, factors = repeat(asked.cores, asked.repeats)
    if asked.frame is not None:
        write_frame(factors, asked.frame)
    report = {
        "start": start,
        "runs": runs,
        "rows": len(factors),
        "columns": factors.shape[1],
        "versions": {one.metadata["Name"].lower(): one.version for one in distributions()},
    }
    asked.report.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
