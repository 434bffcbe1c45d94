"""Three vendors of one made market, each followed day by day: do their returns agree, and what do they cost?

One delivers raw prices with splits and dividends on their rows, one divides its past at every split, one at
every split and dividend; the restating ones round to cents anew. Each evening the vendor's whole file is
written again, and `bellwether run --stages ingest,curate` follows at the cut; `maintain` every 60 evenings,
features at the end.

    python -m benchmarks.restated_feeds [--symbols 50] [--sessions 756] [--history 60] [--pace 1]
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.restated_market import CENT, Market, Vendor, make_market
from features.views import feature_views
from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.io.sources.params import PriceBasis
from pipelines.tables import queries
from pipelines.tables.contracts import BRONZE_BARS, SILVER_ACTIONS, SILVER_BARS, feature_table
from tests.world import calendar as exchange
from tests.world.commands import Home

RESULT = Path(__file__).parent / "results" / "restated_feeds.md"
BASES: tuple[PriceBasis, ...] = ("raw", "split", "total_return")
FIRST = date(2021, 1, 4)
SEED = 11
RETURN = "mom_return_1d"
KEY = ["symbol", "session"]
REPORT_EVERY = 10
MAINTAINED_EVERY = 60
"""Evenings after which small files are joined; the DAGs do so each week."""
STORY = (
    "{sessions} sessions of {symbols} symbols, {history} of them loaded as a history and {days} followed "
    "evening by evening; {splits} splits, {dividends} dividends and {crashes} crashes ({pace:g} times the "
    "usual rates). Each evening's delivery is the vendor's whole file. Restating vendors round to cents. The "
    "raw vendor tells of splits and dividends on the bars' rows, the split-adjusted one of dividends, the "
    "total-return one of nothing."
)
CONVENTIONS = (
    "The truth is that of each vendor's own convention: dividends of raw and split-adjusted prices are "
    "reinvested at the close of the ex-date; a total-return vendor takes the dividend's share of the close "
    "before. On an ex-date the two differ by about yield times return. A return is beyond rounding where it "
    "is off by more than a cent on each of its two closes."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What stands of one vendor after the last evening.

    Attributes
    ----------
    basis : {"raw", "split", "total_return"}
    returns : polars.DataFrame
        `symbol`, `session`, `at_cut` and `at_end` (one-session returns as known at their own cut and at the
        end), `cause` (of a null at the cut).
    counts : dict
        Rows of the tables, and seconds.
    """

    basis: PriceBasis
    returns: pl.DataFrame
    counts: dict[str, Any]


def play(basis: PriceBasis, market: Market, history: int, folder: Path) -> Played:
    """Load a history, follow every evening after it, build the features and read what came of it."""
    vendor, place = Vendor(market=market, basis=basis), folder / basis
    place.mkdir()
    words = (f"sources.files.bars={place / 'bars.csv'}", f"sources.files.price_basis={basis}")
    words += ("feeds.bars=files", "feeds.texts=null", "labels.horizon_sessions=[1, 5]")
    home = Home(place / "home", tuple(part for word in words for part in ("--set", word)))
    began = time.process_time()
    for evening in range(history - 1, len(market.sessions)):
        session = market.sessions[evening]
        vendor.write(place / "bars.csv", evening, exchange.in_new_york(session, 18))
        days = ("--as-of", str(session))
        if evening == history - 1:
            days = ("--start", str(market.sessions[0]), "--end", str(session))
        run(home, "ingest,curate", days, session)
        if evening % MAINTAINED_EVERY == 0:
            run(home, "maintain", ("--as-of", str(session)), session)
        if evening % REPORT_EVERY == 0:
            spent = time.process_time() - began
            print(f"{basis}: {session}, {evening + 1} sessions, {spent:.0f} CPU s", file=sys.stderr)
    followed = time.process_time() - began
    last = market.sessions[-1]
    run(home, "build_features", ("--start", str(market.sessions[0]), "--end", str(last)), last)
    print(f"{basis}: built, {time.process_time() - began:.0f} CPU s", file=sys.stderr)
    return read(home, basis, market, history, followed)


def run(home: Home, stages: str, days: Sequence[str], session: date) -> None:
    """Run stages at a session's cut.

    Raises
    ------
    RuntimeError
        If that does not end well.
    """
    answer = home.run("run", "--stages", stages, *days, clock=exchange.cut(session))
    if answer.exit_code:
        msg = f"{stages} of {session}: exit {answer.exit_code}\n{answer.said[-2000:]}"
        raise RuntimeError(msg)


def read(home: Home, basis: PriceBasis, market: Market, history: int, seconds: float) -> Played:
    """Return returns and counts of a home."""
    last = exchange.cut(market.sessions[-1])
    lake = open_context(load_settings()[0], home.folder, clock=lambda: last).lake

    def rows(contract: Any, *columns: str) -> pl.DataFrame:
        return lake.collect_query(queries.rows_of(contract, columns, "true"), contract)

    (view,) = (one for one in feature_views() if one.name == "features_daily")
    vectors = rows(feature_table(view), *KEY, "known_at", RETURN)
    bars = rows(SILVER_BARS, *KEY, "known_at", "valid")
    actions = rows(SILVER_ACTIONS, *KEY, "known_at", "kind", "valid")
    bronze = rows(BRONZE_BARS, "symbol")
    live = pl.col("session") > market.sessions[history - 1]
    at_cut, at_end = as_known(vectors, own_cut=True), as_known(vectors, own_cut=False)
    known = at_end.rename({RETURN: "at_end"}).join(
        at_cut.rename({RETURN: "at_cut"}), on=KEY, how="left", coalesce=True
    )
    counts = {
        "bronze": bronze.height,
        "keys": bars.select(KEY).unique().height,
        "silver": bars.height,
        "actions": actions.height,
        "kinds": Counter(actions["kind"]),
        "busiest": bars.filter(live).group_by(pl.col("known_at").dt.date()).len()["len"].max(),
        "seconds": seconds,
    }
    return Played(basis=basis, returns=with_causes(known, actions, bars, market), counts=counts)


def as_known(vectors: pl.DataFrame, *, own_cut: bool) -> pl.DataFrame:
    """Return the newest return of each key, at its own cut or of all."""
    cuts = pl.DataFrame({"session": vectors["session"].unique()}).with_columns(
        cut=pl.col("session").map_elements(exchange.cut, return_dtype=pl.Datetime("us", "UTC"))
    )
    dated = vectors.join(cuts, on="session", how="inner")
    there = dated.filter(pl.col("known_at") <= pl.col("cut")) if own_cut else dated
    return there.sort("known_at").unique(KEY, keep="last").select(*KEY, RETURN)


def with_causes(
    returns: pl.DataFrame, actions: pl.DataFrame, bars: pl.DataFrame, market: Market
) -> pl.DataFrame:
    """Return returns with the cause of each null."""
    jumps = (
        actions.filter(pl.col("kind") == "jump").select(KEY).unique().with_columns(jump=pl.lit(value=True))
    )
    ticks = bars.filter(~pl.col("valid")).select(KEY).unique().with_columns(tick=pl.lit(value=True))
    marked = returns.join(jumps, on=KEY, how="left").join(ticks, on=KEY, how="left")
    cause = (
        pl.when(pl.col("session") == market.sessions[0])
        .then(pl.lit("first session"))
        .when(pl.col("jump"))
        .then(pl.lit("unexplained jump"))
        .when(pl.col("tick"))
        .then(pl.lit("retracted bar"))
        .otherwise(pl.lit("unknown"))
    )
    return marked.with_columns(cause=cause).drop("jump", "tick")


def with_truth(played: Played, market: Market, history: int) -> pl.DataFrame:
    """Return returns beside the true ones, and by how much the vendor's rounding may move each.

    The room is a cent on each of the two closes, in the units in which they were first delivered.
    """
    close = market.close * Vendor(market=market, basis=played.basis).first_units(history - 1)
    truth, room = market.returns(played.basis), np.full_like(close, np.nan)
    relative = CENT / close
    room[1:] = (relative[1:] + relative[:-1]) * (1 + np.abs(truth[1:]))
    paid = market.dividend > 0
    frame = pl.DataFrame(
        {
            "symbol": list(market.symbols) * len(market.sessions),
            "session": [session for session in market.sessions for _ in market.symbols],
            "truth": truth.ravel(),
            "room": room.ravel(),
            "paid": paid.ravel(),
            "restated": (np.abs(np.log(market.restating("total_return"))) > 0).ravel(),
        }
    )
    return frame.join(played.returns, on=KEY, how="left").filter(pl.col("session") > market.sessions[0])


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table."""
    lines = (f"| {' | '.join(map(str, row))} |" for row in rows)
    return [f"| {' | '.join(header)} |", "|---" * len(header) + "|", *lines, ""]


def against_truth(known: dict[PriceBasis, pl.DataFrame]) -> list[str]:
    """Return how far each vendor's returns are from the true ones."""
    rows = []
    for basis, frame in known.items():
        for column, when in (("at_cut", "at its own cut"), ("at_end", "at the end")):
            off = (pl.col(column) - pl.col("truth")).abs()
            told = frame.filter(pl.col(column).is_not_null()).with_columns(off=off)
            ex = told.filter("restated")
            beyond = told.filter(pl.col("off") > pl.col("room")).height
            nulls = frame.filter(pl.col(column).is_null()).height
            rows.append(
                [basis, when, told.height, _bps(told["off"].max()), _bps(ex["off"].max()), beyond, nulls]
            )
    header = ("vendor", "as known", "returns", "most off, bp", "on ex-dates, bp", "beyond rounding", "nulls")
    return table(header, rows)


def _bps(value: Any) -> str:
    return f"{1e4 * float(value or 0):.2f}"


def between_vendors(known: dict[PriceBasis, pl.DataFrame]) -> list[str]:
    """Return how far the vendors' returns are from each other, conventions of dividends taken out."""
    rows = []
    for one, other in (("raw", "split"), ("raw", "total_return"), ("split", "total_return")):
        both = known[one].join(known[other], on=KEY, how="inner", suffix="_other")
        for column, when in (("at_cut", "at its own cut"), ("at_end", "at the end")):
            raw = pl.col(column) - pl.col(f"{column}_other")
            convention = pl.col("truth") - pl.col("truth_other")
            told = both.with_columns(plain=raw.abs(), off=(raw - convention).abs()).drop_nulls("off")
            room = pl.col("room") + pl.col("room_other")
            beyond = told.filter(pl.col("off") > room).height
            lone = both.filter(pl.col(column).is_null() != pl.col(f"{column}_other").is_null()).height
            quiet = told.filter(~pl.col("paid"))["plain"].max()
            paid = told.filter("paid")["plain"].max()
            rows.append([f"{one}, {other}", when, *map(_bps, (quiet, paid, told["off"].max())), beyond, lone])
    header = (
        "vendors", "as known", "most apart, bp", "on dividends, bp", "less the convention, bp",
        "beyond rounding", "null at one only",
    )  # fmt: skip
    return table(header, rows)


def causes(known: dict[PriceBasis, pl.DataFrame]) -> list[str]:
    """Return the nulls at the own cut by cause, and those left at the end."""
    rows = []
    for basis, frame in known.items():
        nulls = frame.filter(pl.col("at_cut").is_null() | pl.col("at_end").is_null())
        for cause, own in sorted(nulls.partition_by("cause", as_dict=True).items()):
            rows.append([basis, cause[0], own["at_cut"].null_count(), own["at_end"].null_count()])
    return table(("vendor", "cause", "null at its own cut", "null at the end"), rows)


def versions(played: Sequence[Played], days: int, symbols: int) -> list[str]:
    """Return what was written."""
    rows = []
    for one in played:
        counts = one.counts
        live = counts["keys"] - counts["history"]
        written = counts["silver"] - counts["history"]
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts["kinds"].items()))
        rows.append(
            [
                one.basis, f"{live / days:.1f}", f"{written / days:.2f}", f"{written / live:.4f}",
                counts["busiest"], kinds or "none", f"{(counts['bronze'] - counts['history']) / days:.0f}",
                f"{counts['seconds'] / days:.2f}",
            ]
        )  # fmt: skip
    header = (
        "vendor", "new bars a day", "versions a day", "versions a new bar", f"most a day, of {symbols}",
        "rows of actions", "bronze rows a day", "CPU seconds a day",
    )  # fmt: skip
    return table(header, rows)


def render(market: Market, played: Sequence[Played], *, history: int, pace: float) -> str:
    """Return the page of results."""
    known = {one.basis: with_truth(one, market, history) for one in played}
    for one in played:
        one.counts["history"] = history * len(market.symbols)
    days = len(market.sessions) - history
    options = f"--symbols {len(market.symbols)} --sessions {len(market.sessions)} --pace {pace:g}"
    story = STORY.format(
        sessions=len(market.sessions), symbols=len(market.symbols), history=history, days=days, pace=pace,
        splits=int((market.split != 1).sum()), dividends=int((market.dividend > 0).sum()),
        crashes=market.crashes,
    )  # fmt: skip
    return "\n".join(
        [
            "# Returns of one market from three vendors\n",
            f"Written by `python -m benchmarks.restated_feeds {options}`.\n",
            *(textwrap.fill(story, 110), ""),
            *(textwrap.fill(CONVENTIONS, 110), ""),
            "## Beside the truth\n",
            *against_truth(known),
            "## Beside one another\n",
            *between_vendors(known),
            "## Returns that are null\n",
            *causes(known),
            "## What is written\n",
            *versions(played, days, len(market.symbols)),
        ]
    )


def main() -> None:
    """Play, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument("--sessions", type=int, default=756)
    parser.add_argument("--history", type=int, default=60)
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as often things happen")
    parser.add_argument("--result", type=Path, default=RESULT)
    asked = parser.parse_args()
    last = exchange.shift(FIRST, asked.sessions - 1)
    market = make_market(asked.symbols, exchange.sessions(FIRST, last), pace=asked.pace, seed=SEED)
    with tempfile.TemporaryDirectory() as scratch:
        step: Callable[[PriceBasis], Played] = partial(
            play, market=market, history=asked.history, folder=Path(scratch)
        )
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=len(BASES), mp_context=context) as pool:
            played = list(pool.map(step, BASES))
    page = render(market, played, history=asked.history, pace=asked.pace)
    print(page)
    asked.result.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
