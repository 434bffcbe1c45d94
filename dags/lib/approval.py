"""A person's consent: asked for on Airflow's page, and needed by the task that follows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowSkipException

from dags.lib.spec import DagSpec

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

TASK = "approve"
AS_OF = "{{ (ti.xcom_pull(task_ids='train_to_evaluate') or {}).get('as_of') or params.as_of or '' }}"
"""The session whose numbers the person has seen; days may pass before the answer."""
SIGNED = (
    "tracking.signed_by={{ (((ti.xcom_pull(task_ids='" + TASK + "') or {}).get('responded_by_user') or {})"
    ".get('name') or '') | tojson }}"
)
"""The setting by which the ledger names the person, filled in when the task runs."""


def ask_for_consent(spec: DagSpec) -> ApprovalOperator:
    """Return the task that shows the numbers and waits for a person; silence is a no."""
    return ApprovalOperator(
        task_id=TASK,
        subject="Promote the challenger?",
        body="Beside the champion and the baselines: {{ ti.xcom_pull(task_ids='train_to_evaluate') }}",
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(hours=spec.approval_hours),
        execution_timeout=None,
        trigger_rule="none_failed",
    )


def require_consent(context: Context) -> None:
    """Let a task run only after a person has answered with yes.

    The state of the asking task says nothing: it may have been marked as successful by hand.

    Raises
    ------
    AirflowSkipException
        If no answer is recorded, or it is a no, or nobody gave it.
    """
    answer: Any = context["ti"].xcom_pull(task_ids=TASK)
    told = answer if isinstance(answer, dict) else {}
    person = (told.get("responded_by_user") or {}).get("name")
    if told.get("chosen_options") != [ApprovalOperator.APPROVE] or told.get("timedout") or not person:
        raise AirflowSkipException(
            f"no person's consent is recorded by {TASK} ({answer!r}); clear {TASK} and answer on its page"
        )
