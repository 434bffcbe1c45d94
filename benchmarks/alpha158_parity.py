"""Two frames of Alpha158 beside one another, cell by cell, with an oracle for the cells where they part.

A cell is beyond where the two are apart by more than a millionth of the larger of Qlib's value and the
column's standard deviation. Each such cell is given one cause; the oracle (`alpha158_oracle.py`) says which
of the two is nearer to the formula in extended precision.

    python -m benchmarks.alpha158_parity --ours FILE --qlib FILE --bars FILE [--judged 2000]
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.alpha158_oracle import JUDGED_BY_SPREAD, evaluate_cells, split_column

RESULT = Path(__file__).parent / "results" / "alpha158_parity.md"
KEY = ["symbol", "session"]
TOLERANCE = 1e-6
NEAR_FLAT = (1e-5, 4e-5)
"""Standard deviations about 2e-5, the one below which Qlib leaves regressions and correlations out."""
INNER = (0.005, 0.995)
"""The standard deviation is that of cells between these quantiles: one bar without volume, divided by 1e-12,
would make every other cell of a column small beside it."""
COUNTED_BY_PLACE = ("IMAX", "IMIN", "IMXD", "CNTP", "CNTN", "CNTD")
"""Factors that count sessions from the window's first. In Qlib a missing bar is the largest and the smallest
value of its window (NumPy's argmax of a NaN); ours is left out, and a window begins with its first bar."""
CAUSES = (
    "no bar", "missing in the window", "near flat", "null, ours as the oracle", "null, Qlib as the oracle",
    "null, not judged", "ours nearer", "Qlib nearer", "tie", "not judged",
)  # fmt: skip
STORY = (
    "{both:,} rows are at both; {ours:,} at ours alone and {qlib:,} at Qlib's alone. A cell is beyond where "
    "the two are apart by more than 1e-6 of the larger of Qlib's value and the column's standard deviation "
    "(of the cells between its quantiles 0.005 and 0.995), or where one alone is null. Near flat: an input's "
    "standard deviation in the window is between 1e-5 and 4e-5, about the 2e-5 up to which Qlib leaves out R "
    "squared and correlations. No bar: Qlib has a row for a session that misses its bar, we have none. "
    "Missing in the window: a bar, or its high or low, of factors that count sessions; to Qlib it is the "
    "largest and the smallest value, ours leave it out. Of a column's cells beyond at most {judged:,} go to "
    "the oracle, evenly spaced."
)
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What came of comparing two frames.

    Attributes
    ----------
    columns : polars.DataFrame
        A row a column: `column`, `cells` (known at both), `absolute` and `relative` (largest differences, the
        latter of Qlib's value where that is not 0), `rank_correlation` (Spearman, over all cells known at
        both), `beyond` (cells beyond) and a column for each of `CAUSES`, which add up to `beyond`.
    both, ours, qlib : int
        Rows at both, at ours alone, at Qlib's alone.
    judged : int
        The most cells of a column that went to the oracle.
    """

    columns: pl.DataFrame
    both: int
    ours: int
    qlib: int
    judged: int


def compare_frames(
    ours: pl.DataFrame, qlib: pl.DataFrame, bars: pl.DataFrame, *, judged: int = 2000
) -> Parity:
    """Compare every column of Qlib's frame with ours.

    Parameters
    ----------
    ours, qlib : polars.DataFrame
        `symbol`, `session` (Date) and the columns of Alpha158 as Qlib names them, of any float type; null and
        NaN are the same.
    bars : polars.DataFrame
        What both were computed from, for the oracle; as `qlib_peer.write_store` takes them.
    judged : int
        The most cells of a column that go to the oracle.

    Raises
    ------
    ValueError
        If ours lacks a column, or either has two rows of one symbol and session.
    """
    names = [name for name in qlib.columns if name not in KEY]
    lacking = sorted(set(names) - set(ours.columns))
    if lacking:
        raise ValueError(
            f"ours lacks {lacking[:5]} and {max(0, len(lacking) - 5)} more: compute every column"
        )
    for name, frame in (("ours", ours), ("qlib", qlib)):
        if frame.select(KEY).is_duplicated().any():
            raise ValueError(f"{name} has two rows of one symbol and session: keep one of them")
    places = (
        qlib.select(KEY)
        .with_row_index("there")
        .join(ours.select(KEY).with_row_index("here"), on=KEY, how="inner", maintain_order="left")
    )
    here, there = ours[places["here"]], qlib[places["there"]]
    both = places.height
    columns = [compare_column(here.select(*KEY, name), there[name], bars, judged=judged) for name in names]
    return Parity(
        columns=pl.DataFrame(columns, infer_schema_length=None),
        both=both, ours=ours.height - both, qlib=qlib.height - both, judged=judged,
    )  # fmt: skip


def compare_column(
    ours: pl.DataFrame, qlib: pl.Series, bars: pl.DataFrame, *, judged: int
) -> dict[str, str | int | float]:
    """Return one row of `Parity.columns`; `ours` is keyed and in the order of `qlib`."""
    name = qlib.name
    mine, theirs = _doubles(ours[name]), _doubles(qlib)
    apart = _apart(mine, theirs)
    known = ~np.isnan(mine) & ~np.isnan(theirs)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = apart / np.abs(theirs)
    scale = np.maximum(np.abs(theirs), _inner_deviation(theirs))
    lone = np.isnan(mine) != np.isnan(theirs)
    beyond = np.flatnonzero(lone | (known & ~(apart <= TOLERANCE * scale)))
    cells = ours[beyond].select(
        *KEY, pl.lit(name).alias("column"), ours=pl.Series(mine[beyond]), qlib=pl.Series(theirs[beyond])
    )
    counts = count_causes(cells, bars, judged=judged)
    return {
        "column": name,
        "cells": int(known.sum()),
        "absolute": float(np.max(apart[known], initial=0.0)),
        "relative": float(np.max(relative[known & (theirs != 0)], initial=0.0)),
        "rank_correlation": _rank_correlation(mine[known], theirs[known]),
        "beyond": int(beyond.size),
        **counts,
    }


def _doubles(values: pl.Series) -> Doubles:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _apart(mine: Doubles, theirs: Doubles) -> Doubles:
    with np.errstate(invalid="ignore"):
        # Two infinities of one sign are no difference.
        return np.where(mine == theirs, 0.0, np.abs(mine - theirs))


def _inner_deviation(values: Doubles) -> float:
    finite = values[np.isfinite(values)]
    if finite.size < 2:
        return 0.0
    low, high = np.quantile(finite, INNER)
    return float(finite[(finite >= low) & (finite <= high)].std())


def _rank_correlation(mine: Doubles, theirs: Doubles) -> float:
    pair = pl.DataFrame({"mine": mine, "theirs": theirs})
    value = pair.select(pl.corr("mine", "theirs", method="spearman")).item()
    return float("nan") if value is None else float(value)


def count_causes(cells: pl.DataFrame, bars: pl.DataFrame, *, judged: int) -> dict[str, int]:
    """Return how many of the cells beyond have each cause.

    Parameters
    ----------
    cells : polars.DataFrame
        `symbol`, `session`, `column` (the same in all), `ours`, `qlib`; NaN where null.
    bars : polars.DataFrame
    judged : int
        The most cells that go to the oracle; the rest is not judged.
    """
    counts = dict.fromkeys(CAUSES, 0)
    if not cells.height:
        return counts
    there = bars.filter(pl.col("close").is_not_null())
    counts["no bar"] = cells.join(there, on=KEY, how="anti").height
    cells = cells.join(there.select(KEY), on=KEY, how="semi")
    if cells["column"].first() is not None and _is_rolling(cells["column"][0]):
        factor, window = split_column(cells["column"][0])
        if factor in COUNTED_BY_PLACE:
            gaps = cells.join(find_gaps(there, window), on=KEY, how="semi")
            counts["missing in the window"] = gaps.height
            cells = cells.join(gaps, on=KEY, how="anti")
    if not cells.height:
        return counts
    asked = choose_evenly(cells, judged) if _is_rolling(cells["column"][0]) else cells.clear()
    rest = cells.join(asked, on=KEY, how="anti")
    lone = int((rest["ours"].is_nan() != rest["qlib"].is_nan()).sum())
    counts["null, not judged"], counts["not judged"] = lone, rest.height - lone
    for row in evaluate_cells(bars, asked).iter_rows(named=True):
        counts[name_cause(row)] += 1
    return counts


def find_gaps(bars: pl.DataFrame, window: int) -> pl.DataFrame:
    """Return the symbols and sessions whose window, since the first bar, misses one or part of one."""
    days = bars.select(pl.col("session").unique().sort()).with_row_index("position")
    whole = pl.col("high").is_not_null() & pl.col("low").is_not_null()
    placed = bars.join(days, on="session").sort("symbol", "position")
    placed = placed.select(
        *KEY,
        pl.col("position").cast(pl.Int64),
        whole.cast(pl.Int64).cum_sum().over("symbol").alias("counted"),
    )
    before = pl.col("position") - window
    began = pl.max_horizontal(before, pl.col("position").min().over("symbol") - 1).alias("before")
    earlier = placed.select("symbol", before="position", earlier="counted").sort("before")
    joined = (
        placed.with_columns(began)
        .sort("before")
        .join_asof(earlier, on="before", by="symbol", strategy="backward", check_sortedness=False)
    )
    # As many whole bars as sessions since the window began: nothing is missing.
    there = pl.col("counted") - pl.col("earlier").fill_null(0)
    return joined.filter(there < pl.col("position") - pl.col("before")).select(KEY)


def _is_rolling(column: str) -> bool:
    try:
        split_column(column)
    except ValueError:
        return False
    return True


def choose_evenly(cells: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return at most so many rows, evenly spaced."""
    if cells.height <= most:
        return cells
    return cells[np.unique(np.linspace(0, cells.height - 1, most).round().astype(np.int64))]


def name_cause(cell: Mapping[str, float | str | None]) -> str:
    """Return the cause of one cell beyond: `column`, `ours`, `qlib`, `oracle` and `spread`."""
    mine, theirs, truth, spread = (_number(cell[name]) for name in ("ours", "qlib", "oracle", "spread"))
    factor, _ = split_column(str(cell["column"]))
    if factor in JUDGED_BY_SPREAD and NEAR_FLAT[0] <= spread <= NEAR_FLAT[1]:
        return "near flat"
    if np.isnan(mine) != np.isnan(theirs):
        ours_right = np.isnan(mine) == np.isnan(truth)
        return "null, ours as the oracle" if ours_right else "null, Qlib as the oracle"
    if np.isnan(truth):
        return "not judged"
    off, peer_off = abs(mine - truth), abs(theirs - truth)
    if off == peer_off:
        return "tie"
    return "ours nearer" if off < peer_off else "Qlib nearer"


def _number(value: float | str | None) -> float:
    return float("nan") if value is None else float(value)


def render(parity: Parity) -> str:
    """Return the page of results."""
    columns = parity.columns
    story = STORY.format(both=parity.both, ours=parity.ours, qlib=parity.qlib, judged=parity.judged)
    cells, beyond = columns["cells"].sum(), columns["beyond"].sum()
    clean = columns.filter(pl.col("beyond") == 0).height
    summary = (
        f"{cells:,} cells known at both in {columns.height} columns; {beyond:,} cells are beyond, "
        f"none of them in {clean} of the columns."
    )
    causes = [f"| {cause} | {columns[cause].sum():,} |" for cause in CAUSES]
    return "\n".join(
        [
            "# Alpha158: ours beside Qlib's\n",
            "Written by `python -m benchmarks.alpha158_parity`.\n",
            *(textwrap.fill(story, 110), ""),
            *(textwrap.fill(summary, 110), ""),
            *("| cause | cells beyond |", "|---|---|", *causes, ""),
            *_table(columns),
        ]
    )


def _table(columns: pl.DataFrame) -> Sequence[str]:
    used = [cause for cause in CAUSES if columns[cause].sum()]
    header = ["column", "cells", "most apart", "relatively", "rank correlation", "beyond", *used]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for row in columns.iter_rows(named=True):
        known = [row["column"], f"{row['cells']:,}", f"{row['absolute']:.1e}", f"{row['relative']:.1e}"]
        known += [f"{row['rank_correlation']:.9f}", *(f"{row[name]:,}" for name in ("beyond", *used))]
        lines.append(f"| {' | '.join(known)} |")
    return [*lines, ""]


def main() -> None:
    """Compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ours", "qlib", "bars"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--judged", type=int, default=2000)
    parser.add_argument("--result", type=Path, default=RESULT)
    asked = parser.parse_args()
    frames = (pl.read_parquet(place) for place in (asked.ours, asked.qlib, asked.bars))
    page = render(compare_frames(*frames, judged=asked.judged))
    print(page)
    asked.result.parent.mkdir(exist_ok=True)
    asked.result.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
