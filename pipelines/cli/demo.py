"""The demonstration: a history and two more sessions through the real scheduler, then what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, ContractViolation
from pipelines.cli.demo_report import Say, show_results
from pipelines.cli.options import Request, open_request
from pipelines.io.frames import collect_rows, reshape
from pipelines.io.sources import ReadRequest
from pipelines.io.sources.feeds import primary_feed
from pipelines.io.sources.params import SimulatedSourceParams, SourcesParams
from pipelines.stack.airflow_api import AirflowApi, DagRun
from pipelines.stack.airflow_home import USER, announce_login, read_password
from pipelines.stack.lifecycle import Stack, render_addresses, start_stack, stop_stack
from pipelines.stack.params import ServicesParams

LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
YEARS = 3
SESSIONS_A_YEAR = 252
DAILY_SESSIONS = 2
ANY_LAG = 100_000
CHAIN = ("ingest_daily", "features_daily", "forecast_daily", "monitor_daily")
SECONDS_A_RUN = 3600.0
SECONDS_BETWEEN_LINES = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The sessions of the demonstration: a history from `first` to `last`, then `days` one by one."""

    first: date
    last: date
    days: tuple[date, ...]


class Progress:
    """Says what goes on, with the seconds since the start; a state that stays is repeated now and then."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._began = time.monotonic()
        self._last = ("", 0.0)

    def step(self, text: str) -> None:
        """Say that a step begins."""
        self._say(f"[{time.monotonic() - self._began:4.0f} s] {text}")

    def state(self, text: str) -> None:
        """Say the state of a step, when it changed or has not been said for a while."""
        before, said_at = self._last
        now = time.monotonic()
        if text != before or now - said_at > SECONDS_BETWEEN_LINES:
            self._last = (text, now)
            self.step(f"    {text}")


def run_demo(request: Request, say: Say) -> None:
    """Run the demonstration and leave the services running; whatever interrupts it ends them.

    Parameters
    ----------
    request : Request
        Home, settings and source. With the simulated market the last session's feed gets faults.
    say : callable
        Receives what a person should see, line by line.
    """
    progress = Progress(say)
    progress.step("planning the sessions")
    plan = plan_sessions(open_request(request))
    request = as_history(with_faults(request, plan))
    context = open_request(request)
    announce_login(context.home.airflow, say)
    progress.step("starting Airflow, MLflow, the forecast service, Feast and the reports page")
    try:
        stack = start_stack(context.params(ServicesParams), context.home, request.for_stages())
        services = context.params(ServicesParams)
        password, _ = read_password(context.home.airflow)
        api = AirflowApi(services.address("airflow_port"), USER, password, services.request_timeout_seconds)
        drive(api, plan, progress)
        progress.step("reading the results from the running parts")
        show_results(context, api, plan.days[-1], say)
        say(addresses(context, stack))
    except BaseException:
        progress.step("stopping what was started")
        stop_stack(context.params(ServicesParams), context.home)
        raise


def plan_sessions(context: Context) -> Plan:
    """Return three years of sessions, the last two of them apart.

    The simulated market ends with the session of the last cut; files end where they end.

    Raises
    ------
    BadDataError
        If the files hold too few sessions to train on.
    """
    sessions = _sessions(context)[-YEARS * SESSIONS_A_YEAR :]
    if len(sessions) <= SESSIONS_A_YEAR:
        msg = (
            f"the source holds {len(sessions)} sessions; the demonstration trains on more than "
            f"{SESSIONS_A_YEAR}: give it longer files"
        )
        raise BadDataError(msg)
    history, days = sessions[:-DAILY_SESSIONS], sessions[-DAILY_SESSIONS:]
    return Plan(first=history[0], last=history[-1], days=tuple(days))


def with_faults(request: Request, plan: Plan) -> Request:
    """Return the request with faults in the simulated feed of the last session; files stay as they are."""
    faults = (
        "sources.simulated.faults.enabled=true",
        f"sources.simulated.faults.fault_sessions=[{plan.days[-1]}]",
        "ingest.max_refused_share=0.25",
    )
    return replace(request, overrides=faults + request.overrides)


def as_history(request: Request) -> Request:
    """Return the request with forecasts served however old they are: files end where they end."""
    return replace(request, overrides=(f"serving.max_lag_sessions={ANY_LAG}", *request.overrides))


def drive(api: AirflowApi, plan: Plan, progress: Progress) -> None:
    """Load the history, train, promote and package, and run the two days, each through its DAGs."""
    progress.step(f"history {plan.first} to {plan.last}: load_history")
    finish(api, api.start("load_history", conf={"start": str(plan.first), "end": str(plan.last)}), progress)
    progress.step("model: train_weekly, then package_on_promotion")
    trained = finish(api, api.start("train_weekly", conf={"as_of": str(plan.last)}), progress)
    states = {task["task_id"]: task["state"] for task in api.tasks(trained)}
    if states.get("promote") == "success":
        follow(api, ["package_on_promotion"], plan.last, progress)
    for day in plan.days:
        progress.step(f"session {day}: {', '.join(CHAIN)}")
        api.start(CHAIN[0], session=str(day))
        follow(api, CHAIN, day, progress)
    progress.step("waiting until Airflow has nothing left to do")
    api.wait_until_idle(SECONDS_A_RUN)


def follow(api: AirflowApi, chain: Sequence[str], session: date, progress: Progress) -> None:
    """Wait for the run of each DAG in turn; a skipped task emits nothing, so the chain ends there."""
    for dag_id in chain:
        run = api.wait_for_session(dag_id, str(session), SECONDS_A_RUN, progress.state)
        states = {task["task_id"]: task["state"] for task in api.tasks(run)}
        if "skipped" in [state for name, state in states.items() if not name.startswith("start_")]:
            progress.state(f"{dag_id} had nothing to do for {session}")
            return


def finish(api: AirflowApi, run: DagRun, progress: Progress) -> DagRun:
    """Return the run once it has ended."""
    return api.wait_for(run, SECONDS_A_RUN, progress.state)


def addresses(context: Context, stack: Stack) -> str:
    """Return where to look next, and how to end it."""
    services, home = context.params(ServicesParams), context.home
    table = render_addresses(services, home, stack)
    user = f"Airflow: user {USER}, password in {home.airflow / 'passwords.json'}"
    return f"\n{table}\n\n{user}\nend it with: make down HOME_FOLDER={os.path.relpath(home.root)}"


def _sessions(context: Context) -> list[date]:
    params = context.params(SourcesParams)
    bars = params.sources[params.feeds.bars]
    if isinstance(bars, SimulatedSourceParams):
        return context.calendar.sessions(bars.start, context.calendar.last_cut(context.clock()))
    return sessions_in_source(context)


def sessions_in_source(context: Context) -> list[date]:
    """Return the sessions of the exchange for which the source has bars, oldest first."""
    feed = primary_feed(context, "bars")
    if feed is None:
        return []
    request = ReadRequest(after=LONG_AGO, until=context.clock())
    deliveries = feed.source.list_deliveries(feed.kind, request)
    for delivery in deliveries:
        if (wrong := feed.source.check(feed.kind, delivery)) is not None:
            raise ContractViolation(feed.kind, "*", wrong)
    sent = feed.source.read(feed.kind, deliveries, request)
    rows = collect_rows(reshape(sent, "select distinct session from {rows}"))
    days = sorted({day for row in rows if (day := _date(row["session"]))})
    last = context.calendar.last_cut(context.clock())
    return [day for day in days if day <= last and context.calendar.is_session(day)]


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
