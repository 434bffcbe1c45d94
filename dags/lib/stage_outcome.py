"""What Airflow makes of an ended command, whoever ran it: exit code, link and session of its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dags.lib.results import find_value

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.types import TaskInstanceKey

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


def check_exit(exit_code: int, *, counts_as_done: bool = False) -> None:
    """Raise what Airflow should do about `exit_code`; see `StageOperator`."""
    if exit_code == EXIT_DONE or (exit_code == EXIT_NOTHING_TO_DO and counts_as_done):
        return
    if exit_code == EXIT_NOTHING_TO_DO:
        raise AirflowSkipException("Nothing to do (exit 99)")
    if exit_code in EXITS_WITHOUT_RETRY:
        raise AirflowFailException(
            f"Exit {exit_code}, {EXITS_WITHOUT_RETRY[exit_code]}: the log says what to correct"
        )
    reason = EXITS_WITH_RETRY.get(exit_code, "unexpected")
    raise AirflowException(f"Exit {exit_code}, {reason}: the log says what happened; the task is tried again")


def set_partition(asset: Asset, context: Context, result: Mapping[str, Any]) -> None:
    """Key the event of a run without a partition key by its report's session, so that keyed DAGs see it."""
    if context["dag_run"].partition_key is None:
        as_of = find_value(result, "as_of")
        if not as_of:
            raise AirflowFailException(
                f"The report names no as_of, so {asset.name} would reach no DAG: {result}"
            )
        context["outlet_events"][asset].add_partitions(str(as_of))
