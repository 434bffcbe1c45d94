"""The tables of `evaluate` on real bars: two feature sets, two markets, the transformer on fifty symbols.

Everything is done by the commands that a user has. Each set has a home of its own, in which its first model
is trained, installed, packaged and asked over HTTP for all symbols. The fifty symbols are the first, by name,
of those with a bar in every session of the span. The second market trades every day, coins on `24/7`.

    python -m benchmarks.real_bars [--work FOLDER]    (at most 40 minutes on 2 cores)

Homes that stand in --work are used as they are, so a run that was cut short goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from benchmarks.serving_load import wait_until_ready
from pipelines.app.settings import load_settings
from serving.pointer import read_pointer
from serving.served_model import read_manifest
from tests.serving.process import serving

RESULT = Path(__file__).parent / "results" / "real_bars.md"
DATA = Path(os.environ.get("BELLWETHER_DATA", "../shared/data"))
FEW, MOST_MINUTES, ASKED_AT_ONCE = 50, 15, 500
COLUMNS = {
    "rank IC": "{rank_ic:+.4f}",
    "95 % interval": "{rank_ic_low:+.4f} to {rank_ic_high:+.4f}",
    "t (Newey–West)": "{t_newey_west:+.2f}",
    "ICIR": "{icir:+.3f}",
    "hit rate": "{hit_rate:.1%}",
    "decile spread": "{decile_spread:+.2%}",
    "turnover": "{turnover:.0%}",
}
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Bars:
    """A file of bars, the span that is loaded of it and the settings that say how it trades."""

    path: Path
    first: str
    last: str
    settings: tuple[str, ...] = ()


MEMBERS = Bars(DATA / "bars_sp500_2013_2018" / "bars.parquet", "2013-02-08", "2018-02-06")
FACTORS = replace(MEMBERS, settings=("models.feature_set=alpha158",))
COINS = Bars(
    DATA / "bars_crypto_daily_2013_2020" / "bars.parquet", "2013-04-29", "2020-12-30",
    ("calendar.name=24/7", "sources.files.calendar=24/7", "sources.files.timezone=UTC"),
)  # fmt: skip


def bellwether(home: Path, bars: Bars, *command: str) -> tuple[dict[str, Any], float]:
    """Run one command and return its report and its seconds; exit 99, nothing to do, is no failure.

    Raises
    ------
    RuntimeError
        If it fails otherwise.
    """
    program = str(Path(sys.executable).with_name("bellwether"))
    call = [program, *command, "--home", str(home), "--source", "files", "--bars", str(bars.path)]
    call += [word for setting in bars.settings for word in ("--set", setting)]
    began = time.perf_counter()
    done = subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if done.returncode not in {0, 99}:
        raise RuntimeError(f"{' '.join(call)} ended with {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1]), time.perf_counter() - began


def choose_few(bars: Bars, place: Path) -> Bars:
    """Write the bars of fifty symbols that have traded in every session."""
    every = pl.read_parquet(bars.path)
    counts = every.group_by("symbol").len()
    full = counts.filter(pl.col("len") == counts["len"].max())["symbol"].sort().head(FEW)
    every.filter(pl.col("symbol").is_in(full.implode())).write_parquet(place)
    return replace(bars, path=place)


def judge(home: Path, bars: Bars) -> dict[str, Rows]:
    """Return the tables that `evaluate` gives for the version that was trained last."""
    report, _ = bellwether(home, bars, "evaluate", "--as-of", bars.last)
    return {part: report["details"][part] for part in ("out_of_fold", "holdout")}


def ensure_history(home: Path, bars: Bars) -> None:
    """Load the bars and train the daily default, unless the home stands already."""
    if not (home / "lake").is_dir():
        bellwether(home, bars, "run", "--start", bars.first, "--end", bars.last)


def ask(home: Path, bars: Bars) -> str:
    """Serve a home's Bento, ask it for every symbol of the last session, and say what answered.

    Raises
    ------
    RuntimeError
        If the Bento reads anything but its set, or a symbol of the session gets no forecast.
    """
    settings, _ = load_settings(overrides=bars.settings)
    wanted = settings.features.sets[settings.models.feature_set]
    every = pl.read_parquet(bars.path).filter(pl.col("date").cast(pl.String) == bars.last)
    symbols = every.drop_nulls("close")["symbol"].sort().to_list()
    pointer = read_pointer(home / "bento")
    if pointer is None:
        raise RuntimeError(f"{home} holds no Bento: its first model was not installed")
    manifest = read_manifest(home / "bento" / pointer.champion)
    with (
        serving(home, overrides=bars.settings, log=home / "serve.log") as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        asyncio.run(_ready(address))
        parts = [symbols[start : start + ASKED_AT_ONCE] for start in range(0, len(symbols), ASKED_AT_ONCE)]
        answers = [
            client.post("/forecast", json={"symbols": part}).raise_for_status().json() for part in parts
        ]
    told = [row for answer in answers for row in answer["forecasts"] if row["status"] == "ok"]
    if manifest.feature_names != wanted or len(told) < len(symbols):
        raise RuntimeError(
            f"{len(told)} of {len(symbols)} answered from {len(manifest.feature_names)} features"
        )
    return (
        f"`{manifest.feature_set}`: the Bento reads its {len(wanted)} features and no others, and answers "
        f"{len(told)} of the {len(symbols)} symbols that traded on {bars.last}."
    )


async def _ready(address: str) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        await wait_until_ready(client, seconds=300)


def render_table(rows: Rows) -> list[str]:
    """Return one table, best first as `evaluate` has it; what is unknown stays empty."""
    lines = [f"| forecaster | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for row in rows:
        known = [_cell(form, row) for form in COLUMNS.values()]
        lines.append(f"| {row['forecaster']} | {' | '.join(known)} |")
    return [*lines, ""]


def _cell(form: str, row: Mapping[str, Any]) -> str:
    try:
        return form.format(**row)
    except TypeError:
        return ""


def describe(rows: Rows) -> str:
    """Return how much one table rests on."""
    return f"{rows[0]['sessions']} sessions, {rows[0]['rows']:,} rows, five-session returns"


def render(tables: Mapping[str, Mapping[str, Rows]], minutes: float, served: Sequence[str]) -> str:
    """Return the page of results; `tables` by title, `served` one line a set."""
    story = (
        f"S&P 500 members of 2018, bars of {MEMBERS.first} to {MEMBERS.last}, adjusted for splits "
        f"and not for dividends; coins, a bar a day of UTC, {COINS.first} to {COINS.last}. "
        "The label is the return of the five sessions after the next close. Out of fold: four "
        "walk-forward blocks; held out: the last labelled sessions, which no fit and no choice has seen. "
        "Every forecaster is judged on the very same rows; losing rows stay in the table."
    )
    parts = ["# What came out on real bars\n", "Written by `python -m benchmarks.real_bars`.\n"]
    parts += [textwrap.fill(story, 110), ""]
    for title, both in tables.items():
        for name, part in (("out of fold", "out_of_fold"), ("held out", "holdout")):
            parts += [f"## {title}: {name}\n", f"{describe(both[part])}.\n", *render_table(both[part])]
    parts += ["## Served\n", *(f"- {line}" for line in served), ""]
    within = "met" if minutes <= MOST_MINUTES else "NOT met"
    parts.append(
        f"The transformer took {minutes:.1f} minutes on {os.cpu_count()} cores; wanted at most "
        f"{MOST_MINUTES}: {within}.\n"
    )
    return "\n".join(parts)


def main() -> int:
    """Load, train, judge, print and write; return 0 if the transformer was quick enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="where the homes are kept; a scratch folder if left out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = asked.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        tables = {}
        for name, bars in (("every", MEMBERS), ("alpha158", FACTORS), ("coins", COINS)):
            ensure_history(work / name, bars)
            tables[name] = judge(work / name, bars)
        served = [ask(work / name, bars) for name, bars in (("every", MEMBERS), ("alpha158", FACTORS))]
        fifty = choose_few(MEMBERS, work / "fifty.parquet")
        ensure_history(work / "fifty", fifty)
        trained, seconds = bellwether(work / "fifty", fifty, "train", "--model", "tft", "--as-of", fifty.last)
        if trained["status"] != "done":
            raise RuntimeError(f"{work / 'fifty'} holds the transformer already: remove it to time it again")
        titled = {
            "All 505 symbols, set `core`": tables["every"],
            "All 505 symbols, set `alpha158`": tables["alpha158"],
            f"{FEW} symbols, with the transformer": judge(work / "fifty", fifty),
            "Coins": tables["coins"],
        }
        page = render(titled, seconds / 60, served)
    print(page)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(page, encoding="utf-8")
    return int(seconds / 60 > MOST_MINUTES)


if __name__ == "__main__":
    sys.exit(main())
