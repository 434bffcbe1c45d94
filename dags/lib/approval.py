"""A person's consent: asked for on Airflow's page, and needed by the task that follows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from dags.lib.results import find_value
from dags.lib.spec import DagSpec

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

TASK = "approve"
TRAINED = "curate_to_evaluate"
MODEL = "model_key"
_REPORT = f"(ti.xcom_pull(task_ids='{TRAINED}') or {{}})"
_ANSWER = f"(ti.xcom_pull(task_ids='{TASK}') or {{}})"
NUMBERS = "{{ ((" + _REPORT + ".get('stages') or [{}])[-1]).get('details') | tojson }}"
"""What the last stage, `evaluate`, has reported."""
AS_OF = "{{ " + _REPORT + ".get('as_of') or params.as_of or '' }}"
"""The session whose numbers the person has seen; days may pass before the answer."""
SIGNED = (
    "tracking.signed_by={{ ((" + _ANSWER + ".get('responded_by_user') or {}).get('name') or '') | tojson }}",
    "tracking.signed_model={{ (("
    + _ANSWER
    + f".get('params_input') or {{}}).get('{MODEL}') or '') | tojson }}}}",
)
"""The settings by which the ledger names the person, and `promote` takes the model of the answer alone."""


class ConsentOperator(ApprovalOperator):
    """Asks for consent to one model, whose identity is a field of the form and so a part of the answer.

    A task that is cleared keeps its page: it goes on showing the numbers of its first try, and what is
    answered there is an answer to those.

    Raises
    ------
    AirflowSkipException
        If training has reported no model.
    """

    def execute(self, context: Context) -> None:
        """Ask, and wait for the answer."""
        model = find_value(context["ti"].xcom_pull(task_ids=TRAINED), MODEL)
        if not model:
            raise AirflowSkipException(f"{TRAINED} has reported no model: there is nothing to consent to")
        self.params[MODEL] = model
        # Airflow's page keeps a form as long as the subject stays: another run's has to be another.
        self.subject = f"Promote the challenger {model[:12]}?"
        super().execute(context)


def ask_for_consent(spec: DagSpec) -> ConsentOperator:
    """Return the task that shows the numbers and waits for a person; silence is a no."""
    return ConsentOperator(
        task_id=TASK,
        subject="Promote the challenger?",
        body="Beside the champion and the baselines: " + NUMBERS,
        params={MODEL: Param("", type="string", description="Identity of the model that is asked about")},
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
        If no answer is recorded, or it is a no, or nobody gave it, or it names no model.
    """
    answer: Any = context["ti"].xcom_pull(task_ids=TASK)
    told = answer if isinstance(answer, dict) else {}
    person = (told.get("responded_by_user") or {}).get("name")
    model = (told.get("params_input") or {}).get(MODEL)
    agreed = told.get("chosen_options") == [ApprovalOperator.APPROVE] and not told.get("timedout")
    if not (agreed and person and model):
        raise AirflowSkipException(
            f"no person's consent to a model (params_input.{MODEL}) is recorded by {TASK} ({answer!r}); "
            f"clear {TASK} and answer on its page"
        )
