from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from features.sessions import SessionCalendar
from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError
from pipelines.cli import demo
from pipelines.cli.demo import (
    CHAIN,
    Plan,
    Progress,
    as_history,
    drive,
    plan_sessions,
    sessions_in_source,
    with_faults,
)
from pipelines.cli.options import Request
from pipelines.stack.airflow_api import DagRun
from pipelines.stack.served_params import served_params

PLAN = Plan(first=date(2023, 11, 10), last=date(2026, 11, 6), days=(date(2026, 11, 9), date(2026, 11, 10)))


def simulated_from(start: str, home: Path) -> Context:
    settings, _ = load_settings(overrides=[f"sources.simulated.start={start}"])
    return open_context(settings, home, clock=lambda: datetime(2026, 11, 11, 15, tzinfo=UTC))


def test_three_years_end_with_the_session_of_the_last_cut(tmp_path: Path) -> None:
    plan = plan_sessions(simulated_from("2021-01-04", tmp_path))
    assert plan.days == (date(2026, 11, 9), date(2026, 11, 10))
    assert plan.last == date(2026, 11, 6)
    assert len(SessionCalendar("XNYS").sessions(plan.first, plan.days[-1])) == 3 * 252


def test_too_short_a_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"the source holds 46 sessions; .* more than 252"):
        plan_sessions(simulated_from("2026-09-08", tmp_path))


def test_faults_hit_the_last_session_and_the_command_line_wins() -> None:
    request = Request(home=Path("h"), env="local", overrides=("ingest.max_refused_share=0.5",), clock=None)
    overrides = with_faults(request, PLAN).overrides
    assert "sources.simulated.faults.fault_sessions=[2026-11-10]" in overrides
    assert overrides[-1] == "ingest.max_refused_share=0.5"


def test_the_service_answers_however_old_the_files_are() -> None:
    request = Request(
        home=Path("h"), env="local", overrides=("feeds.bars=files", "sources.files.bars=bars.csv"), clock=None
    )
    settings, _ = load_settings(overrides=as_history(request).overrides)
    assert (served_params(settings).max_lag_sessions or 0) > 50 * 252
    stricter = replace(request, overrides=("serving.max_lag_sessions=4",))
    settings, _ = load_settings(overrides=as_history(stricter).overrides)
    assert settings.serving.max_lag_sessions == 4


class FakeApi:
    """Runs everything at once; the tasks named in `skipped` had nothing to do."""

    def __init__(self, *skipped: str) -> None:
        self.skipped = skipped
        self.asked: list[tuple[str, str | None]] = []

    def start(self, dag_id: str, *, session: str | None = None, conf: Any = None) -> DagRun:
        self.asked.append((f"start {dag_id}", session or (conf or {}).get("as_of")))
        return run_of(dag_id, session)

    def wait_for(self, run: DagRun, _seconds: float, _tell: Any) -> DagRun:
        return run

    def wait_for_session(self, dag_id: str, session: str, _seconds: float, _tell: Any) -> DagRun:
        self.asked.append((dag_id, session))
        return run_of(dag_id, session)

    def tasks(self, run: DagRun) -> list[dict[str, str]]:
        names = {"train_weekly": ["curate_to_evaluate", "promote"]}.get(run.dag_id, [run.dag_id])
        return [
            {"task_id": name, "state": "skipped" if name in self.skipped else "success"} for name in names
        ]

    def wait_until_idle(self, _seconds: float) -> None:
        self.asked.append(("idle", None))


def run_of(dag_id: str, session: str | None) -> DagRun:
    return DagRun(dag_id=dag_id, run_id="r", session=session, state="success")


def test_the_demonstration_goes_through_every_dag() -> None:
    api = FakeApi()
    drive(api, PLAN, Progress(lambda _: None))  # type: ignore[arg-type]
    days = [
        [("start ingest_daily", day), *((dag_id, day) for dag_id in CHAIN)]
        for day in ("2026-11-09", "2026-11-10")
    ]
    assert api.asked == [
        ("start load_history", None),
        ("start train_weekly", "2026-11-06"),
        ("package_on_promotion", "2026-11-06"),
        *days[0],
        *days[1],
        ("idle", None),
    ]


def test_a_chain_ends_where_nothing_was_to_do() -> None:
    api = FakeApi("promote", "features_daily")
    drive(api, PLAN, Progress(lambda _: None))  # type: ignore[arg-type]
    assert ("package_on_promotion", "2026-11-06") not in api.asked
    assert ("features_daily", "2026-11-09") in api.asked
    assert ("forecast_daily", "2026-11-09") not in api.asked


def test_an_interrupt_stops_the_services(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stopped: list[Any] = []

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "start_stack", interrupt)
    monkeypatch.setattr(demo, "stop_stack", lambda _, home: stopped.append(home.root))
    request = Request(home=tmp_path, env="local", overrides=(), clock=None)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        demo.run_demo(request, lambda _: None)
    assert stopped == [tmp_path]


BARS = """symbol,date,open,high,low,close,volume
B,2016-06-29,1,2,1,1.5,10
A,2016-06-28,1,2,1,1.5,10
A,2016-06-29,1,2,1,1.5,10
A,2016-06-26,1,2,1,1.5,10
A,soon,1,2,1,1.5,10
A,2016-07-05,1,2,1,1.5,10
"""


def test_days_without_trading_broken_dates_and_the_future_are_left_out(
    open_empty: Callable[..., Context], tmp_path: Path
) -> None:
    (tmp_path / "bars.csv").write_text(BARS, encoding="utf-8")
    context = open_empty(
        tmp_path / "home", "feeds.bars=files", f'sources.files.bars="{tmp_path / "bars.csv"}"'
    )
    assert sessions_in_source(context) == [date(2016, 6, 28), date(2016, 6, 29)]
