"""What the demonstration shows, each part read from what runs and from nothing that a script remembers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from features.views import primary_view
from pipelines.base.context import Context
from pipelines.base.text_table import text_table
from pipelines.cli.row_display import as_text
from pipelines.cli.status import describe, render_status
from pipelines.io.feature_store import open_feature_store
from pipelines.io.tracking_params import TrackingParams
from pipelines.stack.airflow_api import AirflowApi
from pipelines.stack.airflow_home import page_credentials
from pipelines.stack.forecast_api import request_forecasts
from pipelines.stack.mlflow_api import read_champion
from pipelines.stack.params import ServicesParams
from pipelines.tables.contracts import OPS_QUARANTINE, feature_table
from pipelines.tables.queries import limited, refusals_by_rule, valid_symbols

Say = Callable[[str], None]

SHOWN_SYMBOLS = 3
SHOWN_FEATURES = 8


def show_results(context: Context, api: AirflowApi, session: date, say: Say) -> None:
    """Say everything that the demonstration promises about the running parts."""
    say(_title("DAG runs (Airflow)"))
    say(render_runs(api))
    say(_title("Tables and champion (bellwether status)"))
    say(render_status(describe(context), as_json=False))
    say(_title("Refused records by rule (ops.quarantine)"))
    say(as_text(context.lake.collect_query(refusals_by_rule(OPS_QUARANTINE), OPS_QUARANTINE)))
    say(_title("Champion beside the baselines, on unseen rows (MLflow)"))
    say(render_champion(context))
    symbols = choose_symbols(context, session)
    say(_title(f"Online features of {', '.join(symbols)} (Feast)"))
    say(render_online(context, symbols))
    say(_title(f"The forecast service's answer for {', '.join(symbols)}"))
    services = context.params(ServicesParams)
    login = page_credentials(services, context.home.airflow)
    address, seconds = services.address("forecasts_port"), services.request_timeout_seconds
    answer = request_forecasts(address, symbols, seconds, login)
    say(json.dumps(answer, indent=2))
    say(_title("Drift (monitor_daily's report; its rank_ic leaves replays out)"))
    say(render_drift(api, session))


def choose_symbols(context: Context, session: date) -> list[str]:
    """Return a few symbols that have a valid vector of the session."""
    vectors = feature_table(primary_view())
    shown = limited(valid_symbols(vectors, session), SHOWN_SYMBOLS, order_by=["symbol"])
    return context.lake.collect_query(shown, vectors)["symbol"].to_list()


def render_runs(api: AirflowApi) -> str:
    """Return one line a run: DAG, session, state and how its tasks ended."""
    rows = [(run.dag_id, run.session or "-", run.state, _tasks(api.tasks(run))) for run in api.runs()]
    return text_table(("dag", "session", "state", "tasks"), rows)


def render_champion(context: Context) -> str:
    """Return the champion's name and its numbers beside all that it was compared with."""
    services, tracking = context.params(ServicesParams), context.params(TrackingParams)
    seconds = services.request_timeout_seconds
    login = page_credentials(services, context.home.airflow)
    champion = read_champion(services.address("mlflow_port"), tracking.registered_model, seconds, login)
    rows = [
        (
            part,
            who,
            *(f"{numbers.get(name, float('nan')):+.4f}" for name in ("rank_ic", "t_newey_west", "lead")),
        )
        for (part, who), numbers in champion.comparison().items()
    ]
    title = f"version {champion.version}: {champion.description}"
    title += f"\nits model card warns: {champion.warnings}" if champion.warnings else ""
    return f"{title}\n{text_table(('rows', 'forecaster', 'rank IC', 't (Newey-West)', 'lead'), rows)}"


def render_online(context: Context, symbols: Sequence[str]) -> str:
    """Return a few online features of each symbol, one column a symbol."""
    rows = open_feature_store(context).online(symbols, primary_view().name)
    shown = [
        "session",
        "event_timestamp",
        "known_at",
        "valid",
        *primary_view().feature_names[:SHOWN_FEATURES],
    ]
    by_symbol = {row["symbol"]: row for row in rows.to_dicts()}
    lines = [(name, *(str(by_symbol[symbol][name]) for symbol in symbols)) for name in shown]
    return text_table(("", *symbols), lines)


def render_drift(api: AirflowApi, session: date) -> str:
    """Return the verdict and the place of the last drift report."""
    run = api.find("monitor_daily", str(session))
    if run is None:
        return f"no report: monitor_daily did not run for {session}"
    return json.dumps((api.xcom(run, "monitor") or {}).get("details", {}), indent=2, default=str)


def _tasks(tasks: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"{task['task_id']} {task['state']}" for task in tasks)


def _title(text: str) -> str:
    return f"\n== {text}"
