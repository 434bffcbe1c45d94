"""A week of a vendor's real hours through the real scheduler: silent, partial, wrong, sent again, mended.

Tuesday is as usual, and one close is corrected at midnight. Wednesday nothing comes, Thursday two symbols
of twenty. Friday is complete, with a text among its texts that cannot be dated. On Saturday the vendor sends
what was missing, and Friday once more with one volume restated; then a person clears what is red.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import numpy as np
import polars as pl
import pytest

from features.sessions import SessionCalendar
from pipelines.base.errors import TerminalError
from pipelines.base.project import PROJECT_ROOT
from pipelines.base.small_files import replace_text
from pipelines.base.table import TableContract
from pipelines.io.delta_folder import DeltaFolder
from pipelines.stack.airflow_api import DagRun
from pipelines.tables.contracts import (
    GOLD_FORECASTS,
    GOLD_LABELS,
    OPS_QUARANTINE,
    SILVER_BARS,
    SILVER_TEXT,
)
from tests.dags.receiver import receiving
from tests.e2e.stacks import SECONDS, Running, running_stack
from tests.gold_tables import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT

pytestmark = pytest.mark.scheduler

CALENDAR = SessionCalendar()
ZONE = ZoneInfo("America/New_York")
FIRST, MONDAY = date(2025, 7, 1), date(2025, 11, 3)
TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY = (MONDAY + timedelta(days=step) for step in range(1, 6))
SESSIONS = CALENDAR.sessions(FIRST, FRIDAY)
SYMBOLS = [f"S{number:02}" for number in range(20)]
CHAIN = ("ingest_daily", "features_daily", "forecast_daily", "monitor_daily")
BUILD = "ingest,curate,score_text,build_features"
MODEL = (
    "labels.horizon_sessions=[1]",
    "models.split.horizon_sessions=1",
    "models.split.embargo_sessions=1",
    "models.split.n_folds=1",
    "models.split.test_sessions=10",
    "models.split.validation_sessions=10",
    "models.split.min_train_sessions=20",
    "models.split.holdout_sessions=10",
    "models.split.min_holdout_sessions=5",
    "models.xgboost.max_rounds=8",
)
VALUES = ("open", "high", "low", "close", "volume", "valid")
TASK = "ingest_to_curate"


def at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """Return an instant by the clocks of New York."""
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=ZONE)


def make_market() -> dict[tuple[date, str], dict[str, Any]]:
    """Twenty symbols that drift, one bar a session."""
    steps = np.random.default_rng(5).normal(0, 0.01, (len(SESSIONS), len(SYMBOLS))).cumsum(axis=0)
    bars = {}
    for row, session in enumerate(SESSIONS):
        for column, symbol in enumerate(SYMBOLS):
            close = round(100 * float(np.exp(steps[row, column])), 2)
            bars[session, symbol] = {
                "symbol": symbol, "session": str(session), "open": round(close * 0.998, 2),
                "high": round(close * 1.01, 2), "low": round(close * 0.99, 2), "close": close,
                "volume": 10_000 + 37 * row + column,
            }  # fmt: skip
    return bars


MARKET = make_market()


def bars_of(session: date, stamp: datetime, symbols: Sequence[str] = SYMBOLS, **changes: Any) -> list[Any]:
    """Return a session's bars as they were sent at an instant."""
    return [{**MARKET[session, one], "received_at": stamp.isoformat(), **changes} for one in symbols]


def evening_bars(session: date) -> list[Any]:
    return bars_of(session, at(session, 18))


def texts_of(session: date, *published: str) -> list[Any]:
    """Return texts about the first symbols that were published at these hours, or at nonsense."""
    stamp = at(session, 19).isoformat()
    return [
        {"symbol": symbol, "published_at": when if when == "noon or so" else f"{session}T{when}:00-05:00",
         "text": f"profits surge at {symbol} on {session}", "received_at": stamp}
        for symbol, when in zip(SYMBOLS, published, strict=False)
    ]  # fmt: skip


@dataclass(frozen=True)
class Vendor:
    """A folder of bars and one of texts, in which files appear at the vendor's hours."""

    folder: Path

    def send(self, name: str, rows: Sequence[dict[str, Any]], moment: datetime) -> None:
        """Put a file in place, whole at once, as written at an instant; one of that name is replaced."""
        place = self.folder / f"{name}.csv"
        place.parent.mkdir(parents=True, exist_ok=True)
        part = self.folder / "part"
        pl.DataFrame(rows).write_csv(part)
        os.utime(part, (moment.timestamp(), moment.timestamp()))
        part.replace(place)

    def send_history(self) -> None:
        past = [session for session in SESSIONS if session <= MONDAY]
        bars = [row for session in past for row in evening_bars(session)]
        self.send("bars/history", bars, at(MONDAY, 18))
        texts = [row for session in past for row in texts_of(session, "12:00", "12:30")]
        self.send("texts/history", texts, at(MONDAY, 19))

    def send_evening(self, session: date, rows: Sequence[dict[str, Any]]) -> None:
        self.send(f"bars/{session}", rows, at(session, 18))

    def correct_at_midnight(self) -> None:
        moment = at(WEDNESDAY, 0, 30)
        wrong = MARKET[TUESDAY, "S03"]["close"]
        self.send("bars/corrections", bars_of(TUESDAY, moment, ["S03"], close=wrong + 0.1), moment)

    def send_friday(self) -> None:
        self.send_evening(FRIDAY, evening_bars(FRIDAY))
        self.send(f"texts/{FRIDAY}", texts_of(FRIDAY, "11:00", "noon or so", "13:00"), at(FRIDAY, 19))

    def send_friday_again(self) -> None:
        moment = at(SATURDAY, 10)
        restated = bars_of(FRIDAY, moment, ["S07"], volume=99_999)
        self.send(f"bars/{FRIDAY}-again", [*evening_bars(FRIDAY), *restated], moment)

    def mend(self) -> None:
        moment = at(SATURDAY, 10)
        self.send(f"bars/{WEDNESDAY}", bars_of(WEDNESDAY, moment), moment)
        late = bars_of(THURSDAY, moment, SYMBOLS[2:])
        self.send(f"bars/{THURSDAY}", [*bars_of(THURSDAY, at(THURSDAY, 18), SYMBOLS[:2]), *late], moment)

    def settings(self) -> tuple[str, ...]:
        """Return the overrides that make this the source."""
        return (
            "feeds.bars=files",
            "feeds.texts=files",
            f"sources.files.bars={self.folder / 'bars'}",
            f"sources.files.texts={self.folder / 'texts'}",
            *MODEL,
        )


@dataclass(frozen=True)
class Operator:
    """Who sets the clock, starts what the cron would start, and waits."""

    running: Running
    clock: Path

    def set_clock(self, moment: datetime) -> None:
        replace_text(self.clock, moment.isoformat())

    def start_evening(self, day: date) -> DagRun:
        """Start the evening's run, half a minute after the tick."""
        self.running.api.wait_until_idle(SECONDS)
        self.set_clock(at(day, 22, 0, 30))
        return self.running.api.start(CHAIN[0], session=str(day))

    def follow(self, day: date, chain: Sequence[str] = CHAIN) -> dict[str, dict[str, str]]:
        """Return the tasks' states of each DAG of the chain, once it has ended for a session."""
        return {
            dag_id: self.running.states(self.running.api.wait_for_session(dag_id, str(day), SECONDS))
            for dag_id in chain
        }

    def run_short_evening(self, day: date) -> None:
        """Run an evening for which too little comes: the first try waits, a later one is after the grace."""
        run = self.start_evening(day)

        def first_try() -> DagRun:
            again = any(task["try_number"] > 1 for task in self.running.api.tasks(run))
            return replace(run, state="success" if again else "running")

        self.running.api.wait(first_try, f"the first try of {day}", SECONDS)
        self.set_clock(at(day, 22, 20, 30))
        with pytest.raises(TerminalError, match="ingest: short"):
            self.running.api.wait_for(run, SECONDS)
        assert "ingest: waiting" in self.running.api.log(run, TASK, 1)

    def clear(self, day: date) -> dict[str, dict[str, str]]:
        """Clear an evening that is red and return what became of its chain."""
        run = self.running.api.find(CHAIN[0], str(day))
        assert run is not None
        self.running.api.clear(run)
        return self.follow(day, CHAIN[:3])


@dataclass(frozen=True)
class Week:
    """What the week left behind."""

    running: Running
    lake: DeltaFolder
    on_time: DeltaFolder
    alerts: list[dict[str, Any]]
    metrics: str
    usual: dict[date, dict[str, dict[str, str]]]
    mended: dict[date, dict[str, dict[str, str]]]
    saturday: dict[str, str]
    issued_before_mending: pl.DataFrame


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    folder = tmp_path_factory.mktemp("week")
    vendor, clock = Vendor(folder / "vendor"), folder / "now"
    vendor.send_history()
    replace_text(clock, at(MONDAY, 22, 5).isoformat())
    with (
        receiving() as receiver,
        running_stack(folder, vendor.settings(), clock=clock, webhook=receiver.address) as running,
    ):
        operator, lake = Operator(running, clock), DeltaFolder(running.home.lake)
        begin(running)
        usual = {}
        vendor.send_evening(TUESDAY, evening_bars(TUESDAY))
        operator.start_evening(TUESDAY)
        usual[TUESDAY] = operator.follow(TUESDAY)
        vendor.correct_at_midnight()
        operator.run_short_evening(WEDNESDAY)
        vendor.send_evening(THURSDAY, bars_of(THURSDAY, at(THURSDAY, 18), SYMBOLS[:2]))
        operator.run_short_evening(THURSDAY)
        vendor.send_friday()
        operator.start_evening(FRIDAY)
        usual[FRIDAY] = operator.follow(FRIDAY)
        metrics = httpx.get(f"{running.params.address('reports_port')}/metrics", timeout=60.0).text
        vendor.send_friday_again()
        vendor.mend()
        saturday = running.states(running.api.wait_for(operator.start_evening(SATURDAY), SECONDS))
        issued = rows_of(lake, GOLD_FORECASTS)
        mended = {day: operator.clear(day) for day in (WEDNESDAY, THURSDAY)}
        running.api.wait_until_idle(SECONDS)
        on_time = load_on_time(folder)
        yield Week(running, lake, on_time, receiver.messages, metrics, usual, mended, saturday, issued)


def begin(running: Running) -> None:
    """Load the history up to Monday and make a first champion of it."""
    api = running.api
    api.wait_for(api.start("load_history", conf={"start": str(FIRST), "end": str(MONDAY)}), SECONDS)
    api.wait_for_session("forecast_daily", str(MONDAY), SECONDS)
    api.wait_for(api.start("train_weekly", conf={"as_of": str(MONDAY)}), SECONDS)
    api.wait_for_session("package_on_promotion", str(MONDAY), SECONDS)
    api.wait_until_idle(SECONDS)


def load_on_time(folder: Path) -> DeltaFolder:
    """Return a lake into which the same vendor's files were loaded at once, the late ones sent in time."""
    vendor = Vendor(folder / "on-time")
    vendor.send_history()
    for session in (TUESDAY, WEDNESDAY, THURSDAY):
        vendor.send_evening(session, evening_bars(session))
    vendor.correct_at_midnight()
    vendor.send_friday()
    vendor.send_friday_again()
    settings = [part for pair in vendor.settings() for part in ("--set", pair)]
    command = [sys.executable, "-m", "pipelines", "run", "--stages", BUILD]
    command += ["--start", str(FIRST), "--end", str(FRIDAY)]
    command += ["--home", str(folder / "control"), "--clock", at(SATURDAY, 22, 30).isoformat()]
    subprocess.run([*command, *settings], cwd=PROJECT_ROOT, check=True, capture_output=True)
    return DeltaFolder(folder / "control" / "lake")


def rows_of(lake: DeltaFolder, table: TableContract) -> pl.DataFrame:
    """Return all rows of a table in the order of its key."""
    return lake.collect_query(f"select * from {table.alias}", [table]).sort(table.key)


def newest(lake: DeltaFolder, table: TableContract) -> pl.DataFrame:
    """Return the newest version of each row of a versioned table, without when it was known."""
    chain = [name for name in table.key if name != "known_at"]
    rows = rows_of(lake, table).sort("known_at").unique(chain, keep="last")
    return rows.drop("known_at").sort(chain)


def failures(week: Week) -> list[tuple[str, str]]:
    return [(one["dag_id"], one["partition_key"]) for one in week.alerts if one["kind"] == "failure"]


def told_of(week: Week, day: date) -> str:
    """Return the one alert of a failure of a session."""
    texts = [
        one["text"] for one in week.alerts if one["kind"] == "failure" and one["partition_key"] == str(day)
    ]
    assert len(texts) == 1
    return str(texts[0])


def test_a_usual_evening_flows_down_the_chain(week: Week) -> None:
    for day, states in week.usual.items():
        found = {dag_id: set(tasks.values()) - {"skipped"} for dag_id, tasks in states.items()}
        assert found == {dag_id: {"success"} for dag_id in CHAIN}, day


def test_a_silent_day_is_red_once_and_alerts_once(week: Week) -> None:
    text = told_of(week, WEDNESDAY)
    assert "ingest_daily.ingest_to_curate failed: Exit 65" in text
    assert f"{WEDNESDAY}: bars of 0 symbols, 16 are needed" in text


def test_a_partial_day_issues_nothing_and_says_why(week: Week) -> None:
    assert f"{THURSDAY}: bars of 2 symbols, 16 are needed" in told_of(week, THURSDAY)
    assert set(week.issued_before_mending["session"]) == {TUESDAY, FRIDAY}


def test_nothing_else_has_failed(week: Week) -> None:
    assert failures(week) == [("ingest_daily", str(WEDNESDAY)), ("ingest_daily", str(THURSDAY))]
    assert [one for one in week.alerts if one["kind"] == "late"] == []


def test_the_gaps_are_metrics_while_they_last(week: Week) -> None:
    assert 'bellwether_feed_incomplete_sessions{kind="bars",source="files"} 2.0' in week.metrics
    assert "bellwether_missed_sessions 2.0" in week.metrics


def test_a_bad_text_stops_nothing(week: Week) -> None:
    texts = rows_of(week.lake, SILVER_TEXT).filter(session=FRIDAY)
    assert sorted(texts["symbol"]) == ["S00", "S02"]
    refused = rows_of(week.lake, OPS_QUARANTINE)
    assert refused.select("kind", "symbol").unique().rows() == [("texts", "S01")]


def test_a_correction_of_the_night_is_known_when_it_came(week: Week) -> None:
    chain = rows_of(week.lake, SILVER_BARS).filter(symbol="S03", session=TUESDAY).sort("known_at")
    close = MARKET[TUESDAY, "S03"]["close"]
    assert chain["close"].to_list() == [close, pytest.approx(close + 0.1)]
    assert chain["known_at"].to_list() == [at(TUESDAY, 18), at(WEDNESDAY, 0, 30)]


def test_a_day_that_is_no_session_is_skipped(week: Week) -> None:
    assert week.saturday == {TASK: "skipped"}
    assert week.running.api.find("features_daily", str(SATURDAY)) is None


def test_what_the_vendor_mended_is_taken_up_and_issued_no_more(week: Week) -> None:
    for day, states in week.mended.items():
        assert states["ingest_daily"] == {TASK: "success"}, day
        assert states["features_daily"] == {"score_text_to_materialize": "success"}
        assert states["forecast_daily"] == {"forecast": "skipped"}
        assert week.running.api.find("monitor_daily", str(day)) is None


def test_a_missed_session_is_told_once(week: Week) -> None:
    told = [one for one in week.alerts if one["kind"] == "notice" and one["dag_id"] == "forecast_daily"]
    assert [one["partition_key"] for one in told] == [str(WEDNESDAY), str(THURSDAY)]
    assert f"no forecast was issued for {THURSDAY}" in told[1]["text"]


def test_nothing_that_was_issued_has_changed(week: Week) -> None:
    issued = rows_of(week.lake, GOLD_FORECASTS)
    assert issued.equals(week.issued_before_mending)
    assert issued.height == 2 * len(SYMBOLS)
    assert issued.filter(pl.col("issued_at") > pl.col("decision_at")).is_empty()


def test_no_dag_stays_red(week: Week) -> None:
    assert {run.state for run in week.running.api.runs()} == {"success"}


def test_bars_are_as_if_they_had_been_on_time_but_for_when_they_were_known(week: Week) -> None:
    columns = ["symbol", "session", "known_at", *VALUES]
    late = pl.col("session").is_in([WEDNESDAY, THURSDAY])
    found, wanted = (rows_of(lake, SILVER_BARS).select(columns) for lake in (week.lake, week.on_time))
    assert found.filter(~late).equals(wanted.filter(~late))
    assert found.filter(late).drop("known_at").equals(wanted.filter(late).drop("known_at"))
    came = found.filter(session=WEDNESDAY)["known_at"].unique().to_list()
    assert came == [at(SATURDAY, 10)]


@pytest.mark.parametrize(
    "table", [GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT, GOLD_LABELS], ids=lambda table: table.name
)
def test_features_and_labels_end_as_if_all_had_been_on_time(week: Week, table: TableContract) -> None:
    found, wanted = newest(week.lake, table), newest(week.on_time, table)
    assert found.height > 0
    assert found.equals(wanted)
