"""Counters and the request log: what an operator watches."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter as Tally
from datetime import UTC, datetime
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from serving.champion_watch import Outcome
from serving.request_context import RequestContext
from serving.schemas import BatchAnswer, ForecastAnswer
from serving.served_model import ServedModel

REQUEST_LOG = "serving.requests"

REQUESTS = Counter("bellwether_requests_total", "Requests by route and HTTP status.", ["route", "status"])
SECONDS = Histogram(
    "bellwether_request_seconds",
    "Seconds from the request's arrival to its answer.",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0),
)
FORECASTS = Counter(
    "bellwether_forecasts_total", "Symbols answered by route and status.", ["route", "status"]
)
SWITCHES = Counter(
    "bellwether_champion_switches_total", "Looks at the pointer that found something new.", ["outcome"]
)
CHAMPION = Gauge(
    "bellwether_champion_info",
    "1 for the champion that answers.",
    ["model_version", "model_key", "family"],
    multiprocess_mode="mostrecent",
)
LAG = Gauge(
    "bellwether_published_lag_sessions",
    "Sessions between the newest published one and the clock's last decided one.",
    multiprocess_mode="mostrecent",
)

_log = logging.getLogger(REQUEST_LOG)


def configure_request_log() -> None:
    """Write requests and changes of champion as bare JSON lines on standard error."""
    if not _log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


def record_request(context: RequestContext) -> None:
    """Count a request and write its one line."""
    REQUESTS.labels(context.route, str(context.status)).inc()
    SECONDS.labels(context.route).observe(context.seconds)
    _write(
        request_id=context.request_id,
        route=context.route,
        status=context.status,
        milliseconds=round(context.seconds * 1000, 2),
        **context.notes,
    )


def _write(**facts: Any) -> None:
    line = {"at": datetime.now(tz=UTC).isoformat(timespec="milliseconds"), **facts}
    _log.info(json.dumps(line, default=str))


def note_answer(context: RequestContext, answer: ForecastAnswer | BatchAnswer) -> None:
    """Count the answered symbols and note them for the request's line."""
    tally = Tally(forecast.status for forecast in answer.forecasts)
    for status, count in tally.items():
        FORECASTS.labels(context.route, status).inc(count)
    context.notes |= {"model_version": answer.model.model_version, "symbols": dict(tally)}
    if isinstance(answer, ForecastAnswer):
        context.notes["session"] = answer.session
        LAG.set(answer.lag_sessions or 0)


class SwitchRecorder:
    """Counts and logs switches, and keeps the champion's gauge on the one that answers."""

    def __init__(self) -> None:
        self._labels: tuple[str, str, str] | None = None

    def __call__(self, outcome: Outcome, model: ServedModel | None) -> None:
        """Record one outcome of a look at the pointer."""
        if outcome == "unchanged":
            return
        SWITCHES.labels(outcome).inc()
        if model is None or outcome != "switched":
            return
        if self._labels is not None:
            CHAMPION.labels(*self._labels).set(0)
        manifest = model.manifest
        _write(event="champion", bento=manifest.bento, model_version=manifest.model_version)
        self._labels = (manifest.model_version, manifest.model_key, manifest.family)
        CHAMPION.labels(*self._labels).set(1)
