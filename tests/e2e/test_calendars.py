"""Markets with calendars of their own: one that never closes, one of Sundays, and closures of weeks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.sessions import SessionCalendar
from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.registry.training_frame import read_frame
from tests.data.sets import data_set
from tests.world.chain import FEATURES, HISTORY, MODEL, SMALL_MODEL
from tests.world.commands import Answer, Home

pytestmark = pytest.mark.chain

COINS = ("ADA", "BNB", "BTC", "DOGE", "EOS", "ETH", "LTC", "TRX", "USDT", "XLM", "XMR", "XRP")
LOADED = (date(2018, 9, 1), date(2019, 10, 5))
"""400 days; the week that follows is forecast day by day."""
DAYS = 4
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Closure:
    """A closure of an exchange, and a simulated market around it."""

    calendar: str
    timezone: str
    start: date
    before: date
    after: date
    last: date

    @property
    def settings(self) -> tuple[str, ...]:
        """The home's settings."""
        source = {"calendar": self.calendar, "timezone": self.timezone, "start": self.start, "symbols": 6}
        return (
            f"calendar.name={self.calendar}",
            *(f"sources.simulated.{key}={value}" for key, value in source.items()),
            "sources.simulated.annual_turnover=0",
            *SMALL_MODEL,
        )


CLOSURES = (
    # Twenty days around the new year of 1999, at an exchange with a lunch break.
    Closure(
        calendar="XSHG", timezone="Asia/Shanghai", start=date(1998, 11, 2),
        before=date(1999, 2, 9), after=date(1999, 3, 1), last=date(1999, 3, 31),
    ),
    # Twelve days of Eid in 2022, at an exchange that trades from Sunday to Thursday.
    Closure(
        calendar="XSAU", timezone="Asia/Riyadh", start=date(2022, 1, 30),
        before=date(2022, 4, 27), after=date(2022, 5, 9), last=date(2022, 6, 9),
    ),
)  # fmt: skip


def done(answer: Answer) -> dict[str, Any]:
    assert answer.exit_code == 0, answer.said[-3000:]
    return answer.line


def build_champion(home: Home, first: date, last: date, clock: datetime) -> None:
    """Load a history and put a champion on it."""
    done(home.run("run", "--stages", HISTORY, "--start", str(first), "--end", str(last), clock=clock))
    for stage in ("train", "evaluate", "promote"):
        done(home.run(stage, "--as-of", str(last), clock=clock))


@pytest.mark.parametrize("closure", CLOSURES, ids=lambda closure: closure.calendar)
def test_rows_beside_a_closure_are_trained_on_and_forecast(closure: Closure, tmp_path: Path) -> None:
    calendar = SessionCalendar(closure.calendar)
    assert calendar.shift(closure.before, 1) == closure.after
    home = Home(tmp_path / "home", tuple(word for one in closure.settings for word in ("--set", one)))
    clock = calendar.cutoff_at(closure.last) + MINUTE
    build_champion(home, closure.start, closure.last, clock)
    settings, _ = load_settings(overrides=closure.settings)
    context = open_context(settings, home.folder, clock=lambda: clock)
    frame = read_frame(context, closure.last, 1, ("mom_return_1d", "mom_return_5d"))
    beside = [
        calendar.shift(closure.before, -1),
        closure.before,
        closure.after,
        calendar.shift(closure.after, 1),
    ]
    rows = frame.filter(pl.col("session").is_in(beside))
    listed = set(home.show("silver.bars", "--session", str(closure.last))["symbol"])
    assert len(listed) >= 3
    assert rows.select("session", "symbol").rows() == [(day, one) for day in beside for one in sorted(listed)]
    assert rows["mom_return_1d"].null_count() == 0
    labelled = calendar.sessions(closure.start, calendar.shift(closure.last, -3))
    # A vector needs the close before it.
    assert set(labelled[1:]) <= set(frame["session"])
    for stage in ("materialize", "forecast"):
        done(home.run(stage, "--as-of", str(closure.last), clock=clock))
    issued = home.show("gold.forecasts", "--session", str(closure.last))
    assert set(issued["symbol"]) == listed


@pytest.fixture(scope="module")
def coins() -> pl.DataFrame:
    """Daily bars of a dozen coins, every day of the week."""
    bars = pl.read_parquet(data_set("bars_crypto_daily_2013_2020") / "bars.parquet")
    days = pl.col("date").is_between(LOADED[0], LOADED[1] + timedelta(days=DAYS))
    return bars.filter(days & pl.col("symbol").is_in(COINS)).rename({"date": "session"})


@pytest.fixture
def deliver(tmp_path: Path, coins: pl.DataFrame) -> Callable[[date, date, datetime], Path]:
    """Write the days of a range into the vendor's folder, at an instant."""
    folder = tmp_path / "vendor"
    folder.mkdir()

    def write(first: date, last: date, at: datetime) -> Path:
        path = folder / f"bars_{last}.csv"
        columns = ["symbol", "session", "open", "high", "low", "close", "volume"]
        coins.filter(pl.col("session").is_between(first, last)).select(columns).write_csv(path)
        os.utime(path, (at.timestamp(), at.timestamp()))
        return folder

    return write


def test_a_market_that_never_closes_is_forecast_at_every_cut_in_time(
    tmp_path: Path, deliver: Callable[[date, date, datetime], Path]
) -> None:
    calendar, last = SessionCalendar("24/7"), LOADED[1]
    clock = calendar.cutoff_at(last)
    settings = (
        "calendar.name=24/7", "sources.files.calendar=24/7", "sources.files.timezone=UTC",
        "completeness.min_symbols=6",
    )  # fmt: skip
    sets = [word for one in settings for word in ("--set", one)]
    files = ("--set", "feeds.bars=files", "--set", "feeds.texts=null")
    place = ("--set", f"sources.files.bars={deliver(*LOADED, calendar.close_at(last))}")
    home = Home(tmp_path / "home", (*sets, *files, *place, *MODEL))
    build_champion(home, *LOADED, clock)
    for step in range(1, DAYS + 1):
        session = last + timedelta(days=step)
        closed_at, cut = calendar.close_at(session), calendar.cutoff_at(session)
        deliver(session, session, closed_at + 30 * MINUTE)
        assert closed_at < cut < calendar.decision_at(session) < calendar.close_at(calendar.shift(session, 1))
        stages = f"ingest,curate,{FEATURES}"
        done(home.run("run", "--stages", stages, "--as-of", str(session), clock=cut))
        done(home.run("materialize", "--as-of", str(session), clock=cut + MINUTE))
        line = done(home.run("forecast", clock=cut + 2 * MINUTE))
        assert line["rows_out"] == len(COINS), line
        issued = home.show("gold.forecasts", "--session", str(session))
        assert set(issued["symbol"]) == set(COINS)
        assert (issued["issued_at"] < issued["decision_at"]).all()
