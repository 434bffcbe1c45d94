"""What Airflow makes of an ended command, whoever ran it: exit code, link and session of its report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dags.lib.alerts import post_alert
from dags.lib.results import find_value, list_values

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.types import TaskInstanceKey

log = logging.getLogger(__name__)

EXIT_DONE = 0
EXIT_NOTHING_TO_DO = 99
EXITS_WITHOUT_RETRY = {2: "a command line that the stages do not know", 65: "bad data", 78: "bad settings"}
EXITS_WITH_RETRY = {69: "unavailable", 75: "transient"}


class StageLink(BaseOperatorLink):
    """Button on a task's page that opens the report or the run which the stage named as `link`."""

    name = "Report or run"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address, or an empty text for a stage that named none."""
        return getattr(operator, "link", "")


def check_exit(exit_code: int, report: Mapping[str, Any]) -> None:
    """Raise what Airflow should do about `exit_code`, with the report's ``why``; see `StageOperator`.

    The same code means the same on every try: whether an earlier try has done the work does not matter, since
    stages end with 0 whenever their outcome stands.
    """
    if exit_code == EXIT_DONE:
        return
    why = find_value(report, "why")
    if exit_code == EXIT_NOTHING_TO_DO:
        raise AirflowSkipException(f"Nothing to do (exit 99){f': {why}' if why else ''}")
    if exit_code in EXITS_WITHOUT_RETRY:
        reason = EXITS_WITHOUT_RETRY[exit_code]
        raise AirflowFailException(f"Exit {exit_code}, {reason}: {why or 'the log says what to correct'}")
    reason = EXITS_WITH_RETRY.get(exit_code, "unexpected")
    raise AirflowException(f"Exit {exit_code}, {reason}: {why or 'the log says what happened'}")


def post_notices(report: Mapping[str, Any], context: Context) -> None:
    """Post each text that the report's stages want a person to read, whatever the exit code.

    A stage says a thing once, so nothing is kept for a later try; and a receiver that does not answer fails
    no task, since the texts stand in the report and in the log as well.
    """
    instance, run = context["ti"], context["dag_run"]
    for text in list_values(report, "alerts"):
        log.warning("%s", text)
        notice = {
            "kind": "notice",
            "text": f"{instance.dag_id}.{instance.task_id}: {text}",
            "dag_id": instance.dag_id,
            "task_id": instance.task_id,
            "run_id": instance.run_id,
            "partition_key": run.partition_key,
        }
        try:
            post_alert(notice)
        except (OSError, HTTPException) as error:
            log.warning("The notice could not be posted: %s", error)


def set_partition(asset: Asset, context: Context, result: Mapping[str, Any]) -> None:
    """Key the event of a run without a partition key by its report's session, so that keyed DAGs see it."""
    if context["dag_run"].partition_key is None:
        as_of = find_value(result, "as_of")
        if not as_of:
            raise AirflowFailException(
                f"The report names no as_of, so {asset.name} would reach no DAG: {result}"
            )
        context["outlet_events"][asset].add_partitions(str(as_of))
