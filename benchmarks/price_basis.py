"""What splits and dividends tell of the price basis of each bar set, under each of the three declarations.

The check is curate's own (`judge_basis`). The raw set is also made split-adjusted and total-return from its
own actions, so that the same sessions are seen under every basis.

    python -m benchmarks.price_basis
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import polars as pl

from benchmarks.bar_sets import (
    ACTIONS,
    CRYPTO,
    FEED,
    HOURLY,
    MEMBERS,
    VENDOR2,
    read_bars,
    read_factor_actions,
)
from pipelines.io.sources.params import PriceBasis
from pipelines.stages.curate.basis import BasisVerdict, judge_basis

RESULT = Path(__file__).parent / "results" / "price_basis.md"
ACTION = ("symbol", "session", "position", "kind", "value")
BAR = ("symbol", "session", "position", "close")
TRUTH = {
    ACTIONS: "raw",
    f"{ACTIONS}, made split": "split",
    f"{ACTIONS}, made split, amounts as announced": "split",
    f"{ACTIONS}, made total_return": "total_return",
    HOURLY: "raw",
    MEMBERS: "split",
    VENDOR2: "total_return",
    CRYPTO: "no actions",
    FEED: "no actions",
}
"""What the READMEs say of each set."""
STORY = (
    "Votes are of splits of a ratio of 1.5 or more, either way: raw, adjusted, unclear. The slope is that "
    "of ex-session returns on dividend yields: about -1 where dividends are in the prices, about 0 where "
    "they are adjusted. Sets without actions of their own are judged by the hourly set's factor files "
    "where symbols and years overlap. Amounts are divided by later splits where closes are; the row that "
    "leaves them as announced shows what that is worth."
)
Found = tuple[pl.DataFrame, pl.DataFrame]


def own_actions(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the splits and dividends that stand on the bars' rows."""
    kinds = (("split", 1.0), ("dividend", 0.0))
    frames = [
        bars.filter(pl.col(kind) != neutral).select(*ACTION[:3], pl.lit(kind).alias("kind"), value=kind)
        for kind, neutral in kinds
        if kind in bars.columns
    ]
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(ACTION))


def factor_actions(bars: pl.DataFrame, *, adjusted: bool) -> pl.DataFrame:
    """Return the factor files' actions of the bars' symbols, amounts in adjusted closes' unit if asked."""
    every = read_factor_actions()
    after = bars.with_columns(after=pl.col("session").shift(1).over("symbol"))
    found = after.join(every, on=["symbol", "after"], how="inner").select(*ACTION)
    return in_adjusted_unit(found) if adjusted else found


def in_adjusted_unit(actions: pl.DataFrame) -> pl.DataFrame:
    """Return actions with each dividend divided by the splits that follow it."""
    latest_first = actions.sort("symbol", "position", descending=[False, True])
    ratio = pl.when(pl.col("kind") == "split").then("value").otherwise(1.0)
    later = ratio.cum_prod().over("symbol") / ratio
    dividend = pl.col("kind") == "dividend"
    return latest_first.with_columns(value=pl.when(dividend).then(pl.col("value") / later).otherwise("value"))


def made_adjusted(bars: pl.DataFrame, *, dividends: bool) -> pl.DataFrame:
    """Return raw bars with closes divided by later splits, and less later dividends if asked."""
    before = pl.col("close").shift(1).over("symbol")
    payout = 1 - pl.col("dividend") / before if dividends else pl.lit(1.0)
    factor = (payout / pl.col("split")).fill_null(1.0)
    latest_first = bars.with_columns(factor=factor).sort("symbol", "position", descending=[False, True])
    # A session's factor is for the sessions before it, not for its own close.
    later = pl.col("factor").cum_prod().over("symbol") / pl.col("factor")
    return latest_first.with_columns(close=pl.col("close") * later).sort("symbol", "position")


def collect_sets() -> dict[str, Found]:
    """Return bars and actions of every set by its name."""
    raw, hourly = read_bars(ACTIONS), read_bars(HOURLY)
    actions = own_actions(raw)
    split = made_adjusted(raw, dividends=False)
    found = {
        ACTIONS: (raw, actions),
        f"{ACTIONS}, made split": (split, in_adjusted_unit(actions)),
        f"{ACTIONS}, made split, amounts as announced": (split, actions),
        f"{ACTIONS}, made total_return": (made_adjusted(raw, dividends=True), in_adjusted_unit(actions)),
        HOURLY: (hourly, factor_actions(hourly, adjusted=False)),
    }
    for name in (MEMBERS, VENDOR2, CRYPTO, FEED):
        bars = read_bars(name)
        found[name] = (bars, factor_actions(bars, adjusted=True))
    return found


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table."""
    lines = (f"| {' | '.join(map(str, row))} |" for row in rows)
    return [f"| {' | '.join(header)} |", "|---" * len(header) + "|", *lines, ""]


def describe(name: str, verdicts: Mapping[PriceBasis, BasisVerdict], actions: pl.DataFrame) -> list[object]:
    """Return one row: actions, votes, slope, and what is told for each declaration."""
    told = verdicts["raw"]
    slope = (
        ""
        if told.dividends.slope is None
        else (f"{told.dividends.slope:+.2f} ± {told.dividends.standard_error:.2f}")
    )
    counts = [actions.filter(pl.col("kind") == kind).height for kind in ("split", "dividend")]
    votes = f"{told.raw_votes}, {told.adjusted_votes}, {told.unclear_votes}"
    verdict = [verdicts[basis].verdict for basis in get_args(PriceBasis)]
    return [name, TRUTH[name], *counts, votes, slope, told.dividends.says or "cannot be told", *verdict]


def render(sets: Mapping[str, Found]) -> str:
    """Return the page of results."""
    rows, evidence = [], []
    for name, (bars, actions) in sets.items():
        verdicts: dict[PriceBasis, BasisVerdict] = {
            basis: judge_basis(bars.select(BAR), actions, basis) for basis in get_args(PriceBasis)
        }
        rows.append(describe(name, verdicts, actions))
        evidence += [[name, text] for text in verdicts["raw"].evidence]
    header = (
        "set",
        "truth",
        "splits",
        "dividends",
        "raw, adjusted, unclear",
        "slope ± s.e.",
        "dividends say",
    )
    return "\n".join(
        [
            "# Declared price basis beside what prices show\n",
            "Written by `python -m benchmarks.price_basis`.\n",
            *(textwrap.fill(STORY, 110), ""),
            *table((*header, *(f"declared {basis}" for basis in get_args(PriceBasis))), rows),
            "The strongest rows of evidence, at most three a set:\n",
            *table(("set", "evidence"), evidence),
        ]
    )


def main() -> None:
    """Judge, print and write."""
    page = render(collect_sets())
    print(page)
    RESULT.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
