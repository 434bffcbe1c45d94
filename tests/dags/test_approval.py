from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from dags.lib.approval import TASK, require_consent
from dags.lib.operators import promotion
from dags.lib.spec import load_spec
from tests.dags.test_operators import spec

ANN = {"id": "7", "name": "ann"}
YES = {"chosen_options": ["Approve"], "params_input": {}, "responded_by_user": ANN}


def context_of(answer: Any) -> dict[str, Any]:
    return {"ti": SimpleNamespace(xcom_pull=lambda task_ids: answer if task_ids == TASK else None)}


def test_a_person_who_said_yes_is_enough() -> None:
    require_consent(context_of(YES))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "Approve",
        {},
        {**YES, "chosen_options": ["Reject"]},
        {**YES, "chosen_options": ["Approve", "Reject"]},
        {**YES, "responded_by_user": None},
        {**YES, "responded_by_user": {"id": "7", "name": ""}},
        {**YES, "timedout": True},
    ],
)
def test_marked_as_successful_refused_or_silent_promotes_nothing(answer: Any) -> None:
    with pytest.raises(AirflowSkipException, match="no person's consent is recorded by approve"):
        require_consent(context_of(answer))


def test_promote_asks_before_it_runs_and_the_ledger_names_the_person() -> None:
    with DAG(dag_id="probe", schedule=None):
        _, promote = promotion(spec(require_approval=True))
    with pytest.raises(AirflowSkipException):
        promote._pre_execute_hook(context_of(None))
    rendered = promote.render_template(promote.window["set"], {"ti": context_of(YES)["ti"]})
    assert rendered == 'tracking.signed_by="ann"'
    hostile = {**YES, "responded_by_user": {"name": 'x" --set y=z'}}
    rendered = promote.render_template(promote.window["set"], {"ti": context_of(hostile)["ti"]})
    assert rendered == 'tracking.signed_by="x\\" --set y=z"'


def test_it_is_the_session_that_the_person_has_seen() -> None:
    with DAG(dag_id="probe", schedule=None):
        _, promote = promotion(spec(require_approval=True))
    pulled = {TASK: YES, "train_to_evaluate": {"as_of": "2026-11-06"}}
    seen = {"ti": SimpleNamespace(xcom_pull=lambda task_ids: pulled[task_ids]), "params": {"as_of": ""}}
    promote.render_template_fields(seen)
    assert promote.window["as-of"] == "2026-11-06"
    assert promote.command[-1] == "{window}"  # what `up` was given for all comes before


def test_without_approval_nobody_is_asked() -> None:
    with DAG(dag_id="probe", schedule=None):
        (promote,) = promotion(load_spec("train_weekly"))
    assert promote._pre_execute_hook is None
    assert "set" not in promote.window
