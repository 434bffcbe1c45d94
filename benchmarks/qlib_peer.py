"""The peer of the Alpha158 benchmark: Qlib in an environment of its own, on a store of its own, timed.

Qlib is no dependency of the project. A virtual environment is made in a work folder, the bars are written
there in Qlib's binary format, and `benchmarks/qlib_factors.py` runs under that environment's Python.

    python -m benchmarks.qlib_peer [--work FOLDER] [--symbols N] [--cores 1 2] [--repeats 3]

What stands in --work is used as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.bar_sets import DATA, MEMBERS

RESULT = Path(__file__).parent / "results" / "qlib_peer.md"
PROGRAM = Path(__file__).with_name("qlib_factors.py")
REQUIREMENT = "pyqlib==0.9.7"
NAMED = ("pyqlib", "numpy", "pandas", "scipy", "joblib", "pyarrow")
"""The packages whose versions decide Qlib's numbers and seconds."""
PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume", "vwap", "factor")
READ_AS_MISSING = {"", "NA", "N/A", "NAN", "NULL", "NONE", "NIL"}
"""Names that Qlib's reader of instruments takes for no name."""
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{kind}{i}" for kind in ("COM", "LPT") for i in range(10))}
"""Names that Qlib looks for in a folder with a prefix."""
STORY = (
    "{symbols} symbols, {rows:,} rows of the calendar within their spans, {columns} factors. From the stored "
    "bars to one float32 frame in memory; caches on disk are off and that of memory is emptied before each "
    "repetition; files come from the operating system's cache. Processor seconds are user and system of the "
    "process and its workers. The first repetition carries what Python loads only when it is used. Load is "
    "the system's average of the minute before the process began."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRun:
    """What one call of Qlib took.

    Attributes
    ----------
    cores : int
        Cores that it was bound to, which is also its number of workers.
    wall, cpu : tuple of float
        Seconds of each repetition.
    start : dict
        Seconds of `import` and `init`, each `wall` and `cpu`.
    rows, columns : int
        Shape of the frame.
    versions : dict of str
        Every package of the environment.
    load : float
        Processes that ran or wanted to, on average of the minute before; what others compute lengthens the
        wall seconds.
    """

    cores: int
    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    start: Mapping[str, Mapping[str, float]]
    rows: int
    columns: int
    versions: Mapping[str, str]
    load: float


def ensure_environment(folder: Path, extra: Sequence[str] = ()) -> Path:
    """Return the Python of Qlib's environment, made first where it is absent.

    Parameters
    ----------
    folder : pathlib.Path
        Where the environment stands or shall stand.
    extra : sequence of str
        Requirements beside Qlib's own, such as another version of pandas.
    """
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", REQUIREMENT, *extra]
        subprocess.run(command, check=True)
        ready.touch()
    return python


def with_peer_fields(bars: pl.DataFrame) -> pl.DataFrame:
    """Return bars with a `vwap` of (high + low + close) / 3 and a `factor` of 1 where the source has none."""
    typical = (pl.col("high") + pl.col("low") + pl.col("close")) / 3
    made = [
        column.alias(name)
        for name, column in (("vwap", typical), ("factor", pl.lit(1.0)))
        if name not in bars.columns
    ]
    return bars.with_columns(made).select("symbol", "session", *FIELDS).sort("symbol", "session")


def write_store(bars: pl.DataFrame, folder: Path) -> None:
    """Write bars as Qlib reads them.

    A field of a symbol is a file of little-endian float32: the position of the first value in the calendar,
    then a value for every session up to the symbol's last; a session without a bar, or a null, is NaN.

    Parameters
    ----------
    bars : polars.DataFrame
        `symbol`, `session`, `open`, `high`, `low`, `close`, `volume`, and `vwap` and `factor` if known.
    folder : pathlib.Path
        The store; what stands there is replaced.

    Raises
    ------
    ValueError
        If a symbol has a name that Qlib cannot tell from another or from none, or two bars in a session.
    """
    fields = with_peer_fields(bars)
    symbols = fields["symbol"].unique().sort().to_list()
    _check_names(symbols)
    if fields.select("symbol", "session").is_duplicated().any():
        raise ValueError("bars hold two rows of one symbol and session: keep one of them")
    sessions = fields["session"].unique().sort()
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("calendars", "instruments", "features"):
        (folder / part).mkdir(parents=True)
    (folder / "calendars" / "day.txt").write_text("\n".join(map(str, sessions)) + "\n", encoding="utf-8")
    spans = fields.group_by("symbol").agg(first=pl.col("session").min(), last=pl.col("session").max())
    lines = [f"{name}\t{first}\t{last}\n" for name, first, last in spans.sort("symbol").iter_rows()]
    (folder / "instruments" / "all.txt").write_text("".join(lines), encoding="utf-8")
    place = pl.DataFrame({"session": sessions}).with_row_index("position")
    for own in fields.join(place, on="session").partition_by("symbol"):
        _write_symbol(own.sort("position"), folder / "features")


def _check_names(symbols: Sequence[str]) -> None:
    unread = [name for name in symbols if name.upper() in READ_AS_MISSING]
    if unread:
        raise ValueError(f"Qlib reads the symbols {unread} as missing: leave them out")
    if len({name.lower() for name in symbols}) < len(symbols):
        raise ValueError("Qlib keeps symbols in lower case and two of these differ by case alone: rename one")


def _write_symbol(own: pl.DataFrame, features: Path) -> None:
    name, position = str(own["symbol"][0]), own["position"].to_numpy().astype(np.int64)
    place = features / (f"_qlib_{name}" if name.upper() in RESERVED else name).lower()
    place.mkdir()
    for field in FIELDS:
        stored = np.full(position[-1] - position[0] + 2, np.nan, dtype="<f4")
        stored[0] = position[0]
        stored[1 + position - position[0]] = own[field].cast(pl.Float64).to_numpy()
        stored.tofile(place / f"{field}.day.bin")


def run_peer(
    python: Path, store: Path, *, cores: int, repeats: int = 3, frame: Path | None = None
) -> PeerRun:
    """Compute Alpha158 of a store with Qlib, and write the frame where asked.

    Parameters
    ----------
    python : pathlib.Path
        What `ensure_environment` returned.
    store : pathlib.Path
        What `write_store` wrote.
    cores, repeats : int
        Cores and workers; repetitions within one process.
    frame : pathlib.Path, optional
        Parquet of `symbol`, `session` and 158 float32 columns named as Qlib names them. Every session of the
        calendar between a symbol's first and last is a row.

    Raises
    ------
    subprocess.CalledProcessError
        If Qlib fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        command = [str(python), str(PROGRAM), "--store", str(store), "--report", str(report)]
        command += ["--cores", str(cores), "--repeats", str(repeats)]
        command += [] if frame is None else ["--frame", str(frame)]
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # The project's folders must not come before the peer's own packages.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        load = os.getloadavg()[0]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=inherited | single)
        told = json.loads(report.read_text(encoding="utf-8"))
    return PeerRun(
        cores=cores,
        wall=tuple(run["wall"] for run in told["runs"]),
        cpu=tuple(run["cpu"] for run in told["runs"]),
        start=told["start"],
        rows=told["rows"],
        columns=told["columns"],
        versions=told["versions"],
        load=load,
    )


def read_members(symbols: int | None = None) -> pl.DataFrame:
    """Return the stocks' bars with their missing cells as they are; the first `symbols` by name, or all."""
    bars = pl.read_parquet(DATA / MEMBERS / "bars.parquet").rename({"date": "session"})
    names = bars["symbol"].unique().sort().head(symbols or bars.height)
    chosen = bars.filter(pl.col("symbol").is_in(names.implode()))
    return chosen.with_columns(pl.col("volume").cast(pl.Float64)).sort("symbol", "session")


def render(runs: Sequence[PeerRun], symbols: int) -> str:
    """Return the page of results."""
    story = STORY.format(symbols=symbols, rows=runs[0].rows, columns=runs[0].columns)
    versions = ", ".join(f"{name} {runs[0].versions[name]}" for name in NAMED)
    lines = ["| cores | load before | repetition | wall, s | processor, s |", "|---|---|---|---|---|"]
    for run in runs:
        for place, (wall, cpu) in enumerate(zip(run.wall, run.cpu, strict=True), start=1):
            lines.append(f"| {run.cores} | {run.load:.1f} | {place} | {wall:.2f} | {cpu:.2f} |")
    begun = [
        f"| {run.cores} | {part} | {took['wall']:.2f} | {took['cpu']:.2f} |"
        for run in runs
        for part, took in run.start.items()
    ]
    return "\n".join(
        [
            "# Qlib's Alpha158 on real bars\n",
            "Written by `python -m benchmarks.qlib_peer`.\n",
            textwrap.fill(story, 110),
            "",
            textwrap.fill(f"Python {sys.version_info.major}.{sys.version_info.minor}, {versions}.", 110),
            "",
            *lines,
            "\nBefore them, once a process:\n",
            "| cores | part | wall, s | processor, s |",
            "|---|---|---|---|",
            *begun,
            "",
        ]
    )


def main() -> None:
    """Make the environment and the store, time Qlib, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="where environment and store are kept; scratch if left out")
    parser.add_argument("--symbols", type=int, default=500, help="the first so many by name")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--frame", type=Path, help="where the last frame is written as Parquet")
    parser.add_argument("--result", type=Path, default=RESULT)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = asked.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        python = ensure_environment(work / "venv")
        bars = read_members(asked.symbols)
        write_store(bars, work / "store")
        runs = [
            run_peer(python, work / "store", cores=cores, repeats=asked.repeats, frame=asked.frame)
            for cores in asked.cores
        ]
    page = render(runs, bars["symbol"].n_unique())
    print(page)
    asked.result.parent.mkdir(exist_ok=True)
    asked.result.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
