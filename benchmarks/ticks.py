"""Which bars are retracted as bad ticks on real bars, and how many of planted ticks are found.

Thresholds in conf/base/curate.yaml were chosen on the symbols of one half and are reported on the other.
The judgement is curate's own (`suspect_bars`, `judge_suspects`); rules that lost are the same code fed with
records that cannot speak: without volume, or with closes for opens.

    python -m benchmarks.ticks
"""

from __future__ import annotations

import textwrap
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.bar_sets import ACTIONS, CRYPTO, HOURLY, MEMBERS, VENDOR2, read_bars, read_factor_actions
from pipelines.app.settings import load_settings
from pipelines.stages.curate.params import CurateParams
from pipelines.stages.curate.ticks import LEAST_SESSIONS, judge_suspects, suspect_bars

RESULT = Path(__file__).parent / "results" / "ticks.md"
SETS = (CRYPTO, MEMBERS, ACTIONS, HOURLY, VENDOR2)
HALVES = ("chosen on", "reported")
KEY = ["set", "symbol", "session"]
LISTED_MOVE, LISTED_SHARE = 0.12, 0.4
"""Bars are listed whose close moved by so much (log) and came back until no more than this share was left."""
README, OTHER, DAY, ISLAND = (
    "named in the set's README",
    "the other vendor has no such move",
    "on a session of which the other vendor refutes bars; the whole bar lies apart from both neighbours",
    "the whole bar lies apart from both neighbours, turnover usual or less; no other vendor",
)
TICKS = {
    (MEMBERS, "LNT", "2016-05-19"): README,
    (MEMBERS, "NWL", "2017-09-14"): README,
    (MEMBERS, "EQT", "2017-09-14"): OTHER,
    (MEMBERS, "MRK", "2017-09-14"): OTHER,
    (VENDOR2, "PXD", "2013-08-05"): OTHER,
    (MEMBERS, "COP", "2017-09-14"): DAY,
    (MEMBERS, "EFX", "2017-09-14"): DAY,
    (MEMBERS, "FLR", "2017-09-14"): DAY,
    (MEMBERS, "MPC", "2017-09-14"): DAY,
    (MEMBERS, "MRO", "2017-09-14"): DAY,
    (MEMBERS, "NSC", "2017-09-14"): DAY,
    (MEMBERS, "COTY", "2014-10-30"): DAY,
    (MEMBERS, "MTD", "2014-10-30"): DAY,
    (MEMBERS, "COL", "2017-08-01"): DAY,
    (MEMBERS, "O", "2013-12-20"): ISLAND,
    (MEMBERS, "TIF", "2013-12-18"): ISLAND,
}
"""Bars that are ticks, with the evidence; every other bar of the sets counts as real."""
REAL = {
    (MEMBERS, "AMD", "2016-04-22"), (MEMBERS, "VRTX", "2013-04-19"), (MEMBERS, "VRTX", "2014-06-24"),
    (MEMBERS, "BAX", "2015-07-01"), (MEMBERS, "EBAY", "2015-07-20"), (MEMBERS, "NI", "2015-07-02"),
    (MEMBERS, "DISCA", "2014-08-07"), (MEMBERS, "DISCK", "2014-08-07"),
}  # fmt: skip
"""Moves that the README calls real, or unadjusted events that were traded: they must stay."""
GRID = {
    "suspect_move": (0.12, 0.15, 0.20, 0.25, 0.30),
    "revert_share": (0.10, 0.15, 0.20, 0.25, 0.35, 0.50),
    "turnover_multiple": (1.5, 2.0, 3.0, 4.0, 6.0),
    "usual_sessions": (5, 10, 20, 40, 60),
}
SIZES = (0.0, 0.15, 0.25, 0.45, 0.70)
SPACING, SEED = 40, 20_240_701
STORY = (
    "{bars:,} daily bars of five sets, also those that the contract of bars refuses, each known on its "
    f"own session. A bar is listed if its close moved by {LISTED_MOVE} (log) or more and the next close left "
    f"no more than {LISTED_SHARE:.0%} of that. Which of them are ticks was judged by hand, on the evidence "
    "that the tables name; every other bar counts as real. Halves are by the parity of a symbol's CRC-32. "
    "Only the thresholds were chosen on one half: that the next open is asked came from looking at both, and "
    "where no vendor or README speaks a whole bar apart is evidence that the rule itself uses."
)
LEGEND = (
    "Moves are logs against the close before them. Turnover is volume at that close, as a multiple of the "
    "median of the usual sessions, or of the last five. The other vendor's move is that of the same close."
)
PLANTED = (
    f"A bar in {SPACING} is moved by a factor of 0.5 to 2 (log-uniform, seed {SEED}). Columns are spans of "
    "the absolute log move that was planted; what stays below `suspect_move` ({limit}) cannot be found. What "
    "is missed above it had a real move of its own on the same or the next session, or heavy turnover."
)
CHOICE = (
    "One threshold moved, the others as in force; planted ticks of all four kinds and all sizes. Chosen: "
    "no real bar retracted, then most ticks, less one step of `suspect_move`, since thinly traded symbols "
    "bounce and these sets hold few. The others stand in the middle of what makes little difference."
)


def half_of(symbol: str) -> str:
    """Return the half of a symbol: thresholds are chosen on those of even CRC-32."""
    return HALVES[zlib.crc32(symbol.encode()) % 2]


def read_records(name: str) -> pl.DataFrame:
    """Return the bars of a set as records, each known on its own session, with half and unit."""
    bars = read_bars(name)
    splits = pl.col("split") if "split" in bars.columns else pl.lit(1.0)
    bars = bars.with_columns(unit=splits)
    if name == HOURLY:
        bars = bars.drop("unit").join(_factor_units(bars), on=["symbol", "session"], how="left")
    return bars.select(
        pl.lit(name).alias("set"),
        pl.col("symbol").map_elements(half_of, return_dtype=pl.String).alias("half"),
        *("symbol", "session", "position", "open", "high", "low", "close", "volume"),
        pl.col("unit").fill_null(1.0),
        pl.col("session").cast(pl.Datetime("us", "UTC")).alias("known_at"),
    )


def _factor_units(bars: pl.DataFrame) -> pl.DataFrame:
    splits = read_factor_actions().filter(pl.col("kind") == "split")
    after = bars.with_columns(after=pl.col("session").shift(1).over("symbol"))
    return after.join(splits, on=["symbol", "after"]).select("symbol", "session", unit="value")


def retracted(records: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the (set, symbol, session) that end retracted."""
    judged = [
        judge_suspects(own, suspect_bars(own, params), params)
        for own in records.partition_by("set", maintain_order=True)
    ]
    last = pl.concat(judged).sort("known_at").unique(KEY, keep="last", maintain_order=True)
    return last.filter(~pl.col("valid")).select(KEY)


def evidence(records: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return records with the evidence of each, by plain columns: moves, what is left of them, turnover."""
    symbol = ["set", "symbol"]
    before = pl.col("close").shift(1)
    turnover = pl.col("close") * pl.col("volume")
    spans = (params.usual_sessions, LEAST_SESSIONS)
    usual = pl.min_horizontal(
        turnover.shift(1).rolling_median(span, min_samples=LEAST_SESSIONS) for span in spans
    )
    after = ((pl.col(price) * pl.col("unit") / before).log().shift(-1) for price in ("open", "close"))
    moved = records.with_columns(
        move=(pl.col("close") * pl.col("unit") / before).log().over(symbol),
        multiple=(pl.col("volume") * before / pl.col("unit") / usual).over(symbol),
        **{name: way.over(symbol) for name, way in zip(("reopens", "comes_back"), after, strict=True)},
    )
    left = ((pl.col("move") + pl.col(way)).abs() / pl.col("move").abs() for way in ("reopens", "comes_back"))
    return moved.with_columns(**dict(zip(("left_open", "left"), left, strict=True)))


BEFORE = 0.25
"""`suspect_move` as it was while the next close alone judged."""
RULES: Mapping[str, tuple[float | None, Callable[[pl.DataFrame], pl.DataFrame]]] = {
    f"before: the next close is back, from {BEFORE} on": (
        BEFORE,
        lambda records: records.with_columns(open=pl.col("close"), volume=pl.lit(0.0)),
    ),
    "the next close is back": (
        None,
        lambda records: records.with_columns(open=pl.col("close"), volume=pl.lit(0.0)),
    ),
    "close back, turnover usual": (None, lambda records: records.with_columns(open=pl.col("close"))),
    "open and close back": (None, lambda records: records.with_columns(volume=pl.lit(0.0))),
    "open and close back, turnover usual (in force)": (None, lambda records: records),
}
"""How each rule's records speak, and its `suspect_move` if it is not the one in force."""


def listed(facts: pl.DataFrame) -> pl.DataFrame:
    """Return the bars whose close came back, and those that are known to be ticks or real, each marked."""
    keys = pl.struct(pl.col("set"), pl.col("symbol"), pl.col("session").cast(pl.String))
    marked = facts.with_columns(tick=_is_one_of(keys, TICKS), named=_is_one_of(keys, REAL))
    back = (pl.col("move").abs() >= LISTED_MOVE) & (pl.col("left") <= LISTED_SHARE)
    return marked.filter(pl.col("tick") | pl.col("named") | back)


def _is_one_of(keys: pl.Expr, wanted: Iterable[tuple[str, str, str]]) -> pl.Expr:
    rows = pl.DataFrame(list(wanted), schema=["set", "symbol", "session"], orient="row")
    return keys.is_in(rows.select(pl.struct(pl.all())).to_series().implode())


def count(chosen: pl.DataFrame, taken: pl.DataFrame) -> dict[str, int]:
    """Return how many ticks were retracted or missed and how many real bars kept or retracted."""
    got = taken.join(chosen.select(*KEY, "tick"), on=KEY, how="left").with_columns(
        pl.col("tick").fill_null(value=False)
    )
    ticks = chosen["tick"].sum()
    return {
        "ticks retracted": got["tick"].sum(),
        "ticks missed": ticks - got["tick"].sum(),
        "real retracted": (~got["tick"]).sum(),
        "real that came back, kept": chosen.height - ticks - (~got["tick"]).sum(),
    }


def plant(records: pl.DataFrame, kind: str, draw: np.random.Generator) -> pl.DataFrame:
    """Return records in which a bar in `SPACING` of every symbol is a tick by `factor`, null elsewhere."""
    height = records.height
    starts = {name: zlib.crc32(name.encode()) // 2 % SPACING for name in records["symbol"].unique().sort()}
    start = pl.col("symbol").replace_strict(starts, return_dtype=pl.Int64)
    there = (pl.int_range(pl.len()).over("set", "symbol") + start) % SPACING == SPACING // 2
    factor = pl.Series("factor", np.exp(draw.uniform(-np.log(2), np.log(2), height)))
    planted = records.with_columns(factor=pl.when(there).then(factor))
    scale = pl.col("factor").fill_null(1.0)
    prices = {name: pl.col(name) * scale for name in ("open", "high", "low", "close")}
    if kind == "whole bar":
        return planted.with_columns(**prices)
    if kind == "whole bar, shares to match":
        return planted.with_columns(**prices, volume=pl.col("volume") / scale)
    scaled = pl.Series(np.exp(draw.uniform(-np.log(2), np.log(2), height)))
    volume = pl.col("volume") * pl.when(pl.col("factor").is_null()).then(1.0).otherwise(scaled)
    wild = planted.with_columns(
        close=prices["close"], volume=volume if "volume" in kind else pl.col("volume")
    )
    return wild.with_columns(high=pl.max_horizontal("high", "close"), low=pl.min_horizontal("low", "close"))


KINDS = ("whole bar", "whole bar, shares to match", "one wild close", "one wild close, volume × 0.5 to 2")


def find_planted(records: pl.DataFrame, params: CurateParams) -> pl.DataFrame:
    """Return the planted bars of each kind with what became of them, and what else was retracted for them."""
    already = retracted(records, params)
    found = []
    for kind in KINDS:
        planted = plant(records, kind, np.random.default_rng(SEED))
        taken = retracted(planted, params).with_columns(taken=True)
        rows = planted.join(taken, on=KEY, how="left").join(already, on=KEY, how="anti")
        marked = rows.select(
            *KEY, "factor", pl.col("taken").fill_null(value=False), pl.lit(kind).alias("kind")
        )
        found.append(marked.filter(pl.col("taken") | pl.col("factor").is_not_null()))
    return pl.concat(found)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table."""
    return [
        f"| {' | '.join(header)} |",
        "|---" * len(header) + "|",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
        "",
    ]


def render_rules(facts: pl.DataFrame, records: pl.DataFrame, params: CurateParams) -> list[str]:
    """Return what each rule does on either half."""
    rows, header = [], list[str]()
    for name, (move, speak) in RULES.items():
        taken = retracted(speak(records), replace(params, suspect_move=move or params.suspect_move))
        for half in HALVES:
            own = taken.join(records.filter(pl.col("half") == half), on=KEY, how="semi")
            counts = count(listed(facts).filter(pl.col("half") == half), own)
            header = ["rule", "half", *counts]
            rows.append([name, half, *counts.values()])
    return table(header, rows)


def render_grid(facts: pl.DataFrame, records: pl.DataFrame, params: CurateParams) -> list[str]:
    """Return, on the choosing half, what a neighbouring threshold would do."""
    own = records.filter(pl.col("half") == HALVES[0])
    chosen = listed(facts).filter(pl.col("half") == HALVES[0])
    rows = []
    for name, values in GRID.items():
        for value in values:
            tried = replace(params, **{name: value})
            counts = count(chosen, retracted(own, tried))
            planted = find_planted(own, tried)
            right = planted.filter(pl.col("factor").is_not_null())
            mark = " (in force)" if value == getattr(params, name) else ""
            suspects = sum(suspect_bars(part, tried).height for part in own.partition_by("set"))
            rows.append(
                [
                    f"{name} {value:g}{mark}",
                    *list(counts.values())[:3],
                    f"{right['taken'].mean():.1%}",
                    planted["factor"].null_count(),
                    f"{1000 * suspects / own.height:.2f}",
                ]
            )
    header = ("threshold", "ticks retracted", "ticks missed", "real retracted", "planted found")
    return table((*header, "false beside planted", "suspects in 1000 bars"), rows)


def render_planted(records: pl.DataFrame, params: CurateParams) -> list[str]:
    """Return how many of the planted ticks of the reporting half are found, by kind and size."""
    found = find_planted(records.filter(pl.col("half") == HALVES[1]), params)
    size = pl.col("factor").log().abs()
    spans = list(pairwise(SIZES))
    rows = []
    for (name, kind), own in found.group_by("set", "kind", maintain_order=True):
        right = own.filter(pl.col("factor").is_not_null())
        parts = [right.filter(size.is_between(low, high, closed="left"))["taken"] for low, high in spans]
        shares = [f"{part.sum()} of {len(part)}" for part in parts]
        rows.append([name, kind, *shares, own["factor"].null_count()])
    sizes = [f"{low:.2f} to {high:.2f}" for low, high in spans]
    return table(("set", "planted", *sizes, "others retracted"), rows)


def render_rows(rows: pl.DataFrame) -> list[str]:
    """Return bars with their evidence, one a row."""
    lines = [
        [
            row["set"],
            row["half"],
            f"{row['symbol']} {row['session']}",
            *(
                f"{row[name]:+.3f}" if row[name] is not None else ""
                for name in ("move", "reopens", "comes_back")
            ),
            f"{row['multiple']:.1f}"
            if row["multiple"] is not None and np.isfinite(row["multiple"])
            else "unknown",
            "" if row["other_move"] is None else f"{row['other_move']:+.3f}",
            TICKS.get((row["set"], row["symbol"], str(row["session"])), "real"),
        ]
        for row in rows.sort("set", "symbol", "session").iter_rows(named=True)
    ]
    header = ("set", "half", "bar", "move", "next open", "next close", "turnover", "other vendor's move")
    return table((*header, "truth, and why"), lines)


def with_other_vendor(facts: pl.DataFrame) -> pl.DataFrame:
    """Return facts with the move of the same bar at the other of the two vendors that overlap."""
    other = facts.filter(pl.col("set").is_in([MEMBERS, VENDOR2])).select(
        pl.col("set").replace({MEMBERS: VENDOR2, VENDOR2: MEMBERS}), "symbol", "session", other_move="move"
    )
    return facts.join(other, on=KEY, how="left")


def render(records: pl.DataFrame, params: CurateParams) -> str:
    """Return the page of results."""
    facts = with_other_vendor(evidence(records, params))
    marked, taken = listed(facts), retracted(records, params)
    got = facts.join(taken, on=KEY, how="semi")
    missed = marked.filter("tick").join(taken, on=KEY, how="anti")
    named = marked.filter("named")
    reopened = marked.filter(~pl.col("tick") & ~pl.col("named") & (pl.col("left_open") <= LISTED_SHARE))
    story = STORY.format(bars=records.height)
    planted = PLANTED.format(limit=params.suspect_move)
    return "\n".join(
        [
            "# Bad ticks on real bars\n",
            "Written by `python -m benchmarks.ticks`.\n",
            *(textwrap.fill(story, 110), ""),
            "## The rules\n",
            *render_rules(facts, records, params),
            f"Moves that are named real in the READMEs: {_kept(named, taken)}.\n",
            "## Every retraction\n",
            *(textwrap.fill(LEGEND, 110), ""),
            *render_rows(got),
            "## Every miss\n",
            *render_rows(missed),
            "## Real bars that the next open, too, took back: kept by turnover, share or size\n",
            *render_rows(reopened.join(taken, on=KEY, how="anti")),
            "## Planted ticks, on the reporting half\n",
            *(textwrap.fill(planted, 110), ""),
            *render_planted(records, params),
            "## Thresholds, on the half that they were chosen on\n",
            *(textwrap.fill(CHOICE, 110), ""),
            *render_grid(facts, records, params),
        ]
    )


def _kept(named: pl.DataFrame, taken: pl.DataFrame) -> str:
    return f"{named.join(taken, on=KEY, how='anti').height} of {named.height} kept"


def main() -> None:
    """Judge, print and write."""
    settings, _ = load_settings()
    records = pl.concat([read_records(name) for name in SETS])
    page = render(records, settings.curate)
    print(page)
    RESULT.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
