"""Tells a webhook when a task has failed, a run is late or a stage has something to say."""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from dags.lib.dags_file import read_settings

log = logging.getLogger(__name__)


def on_failure(context: dict[str, Any]) -> None:
    """Report a task that has failed for good (a try that will be retried is not reported).

    Parameters
    ----------
    context : dict
        Airflow's context of the failed task.
    """
    instance = context["ti"]
    post_alert(
        {
            "kind": "failure",
            "text": f"{instance.dag_id}.{instance.task_id} failed: {context.get('exception')}",
            "dag_id": instance.dag_id,
            "task_id": instance.task_id,
            "run_id": instance.run_id,
            "partition_key": getattr(context.get("dag_run"), "partition_key", None),
            "try_number": instance.try_number,
            "error": str(context.get("exception")),
            "log_url": getattr(instance, "log_url", None),
        }
    )


def on_late(context: dict[str, Any]) -> None:
    """Report a run that is still going when its deadline has passed.

    Parameters
    ----------
    context : dict
        What Airflow hands to a deadline's callback: `dag_run` and `deadline`, as plain values.
    """
    run = context["dag_run"]
    deadline = context["deadline"]
    post_alert(
        {
            "kind": "late",
            "text": f"{run['dag_id']} is late: {run['dag_run_id']} was due by {deadline['deadline_time']}",
            "dag_id": run["dag_id"],
            "run_id": run["dag_run_id"],
            "partition_key": run.get("partition_key"),
            "state": run.get("state"),
            "deadline": str(deadline["deadline_time"]),
        }
    )


def post_alert(message: dict[str, Any]) -> None:
    """Send `message` as JSON to the webhook; without one, log it.

    Raises
    ------
    OSError
        If the receiver does not take it. Airflow logs that; the state of the task stays as it is.
    """
    settings = read_settings()["alerts"]
    address = os.environ.get("BELLWETHER_WEBHOOK_URL") or settings["webhook"]
    if not address:
        log.warning("No webhook is set, so this alert stays here: %s", json.dumps(message))
        return
    # A login would be taken for a port, and quoted in the error.
    if not address.startswith(("http://", "https://")) or "@" in urlsplit(address).netloc:
        raise OSError(
            "The webhook must be an http:// or https:// address without a login; see alerts.webhook in "
            "conf/dags.yaml"
        )
    body = json.dumps(message).encode()
    request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=settings["timeout_seconds"]) as answer:  # noqa: S310
        log.info("Alert %s taken with status %s", message["kind"], answer.status)
