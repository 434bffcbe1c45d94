from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput

from dags.lib.approval import TASK, require_consent
from dags.lib.operators import promotion
from dags.lib.spec import load_spec
from dags.lib.stage_command import with_window
from tests.dags.test_operators import spec

ANN = {"id": "7", "name": "ann"}
KEY = "5eed" * 16
YES = {"chosen_options": ["Approve"], "params_input": {"model_key": KEY}, "responded_by_user": ANN}
TRAINED = {"as_of": "2026-11-06", "stages": [{"details": {"model_key": KEY}}, {"details": {}}]}


def context_of(answer: Any) -> dict[str, Any]:
    return {"ti": SimpleNamespace(xcom_pull=lambda task_ids: answer if task_ids == TASK else None)}


def asking() -> list[Any]:
    """The task that asks, and the one that promotes, in a DAG with a parameter as `train_weekly` has."""
    with DAG(dag_id="probe", schedule=None, params={"as_of": Param(None, type=["null", "string"])}):
        return promotion(spec(require_approval=True))


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
        {**YES, "params_input": {}},
        {**YES, "params_input": {"model_key": ""}},
    ],
)
def test_marked_as_successful_refused_or_silent_promotes_nothing(answer: Any) -> None:
    with pytest.raises(
        AirflowSkipException, match=r"no person's consent to a model .* is recorded by approve"
    ):
        require_consent(context_of(answer))


def test_promote_asks_before_it_runs_and_the_ledger_names_the_person() -> None:
    _, promote = asking()
    with pytest.raises(AirflowSkipException):
        promote._pre_execute_hook(context_of(None))
    rendered = promote.render_template(promote.window["set"], {"ti": context_of(YES)["ti"]})
    assert list(rendered) == ['tracking.signed_by="ann"', f'tracking.signed_model="{KEY}"']
    hostile = {**YES, "responded_by_user": {"name": 'x" --set y=z'}, "params_input": {"model_key": 'a" b'}}
    rendered = promote.render_template(promote.window["set"], {"ti": context_of(hostile)["ti"]})
    assert list(rendered) == ['tracking.signed_by="x\\" --set y=z"', 'tracking.signed_model="a\\" b"']


def test_each_of_several_values_is_an_option_of_its_own() -> None:
    window = {"as-of": "2026-11-06", "start": "", "set": ("a=1", "", "b=2")}
    assert with_window(["bellwether", "{window}"], window) == [
        "bellwether", "--as-of", "2026-11-06", "--set", "a=1", "--set", "b=2",
    ]  # fmt: skip


def test_the_model_that_is_asked_about_is_a_field_of_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form's fields come back with the answer, and a page that outlives its try keeps them."""
    asked: dict[str, Any] = {}
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **told: asked.update(told))
    consent, _ = asking()
    told = SimpleNamespace(xcom_pull=lambda task_ids: TRAINED if task_ids == "curate_to_evaluate" else None)
    with pytest.raises(TaskAwaitingInput):
        consent.execute({"ti": told, "task_instance": SimpleNamespace(id="7")})
    assert {name: field["value"] for name, field in asked["params"].items()} == {"model_key": KEY}
    assert asked["subject"] == "Promote the challenger 5eed5eed5eed?"


def test_the_page_shows_what_evaluation_has_reported() -> None:
    consent, _ = asking()
    report = {"stages": [{"details": {"jumps": 3}}, {"details": {"holdout": [{"rank_ic": 0.02}]}}]}
    for told, shown in [(report, '{"holdout": [{"rank_ic": 0.02}]}'), (None, "null"), ({}, "null")]:
        page = {"ti": SimpleNamespace(xcom_pull=lambda task_ids, told=told: told)}
        assert (
            consent.render_template(consent.body, page) == f"Beside the champion and the baselines: {shown}"
        )


def test_the_answer_is_taken_back_by_a_task_that_is_started_anew() -> None:
    """Airflow ends the asking process, and a later one is handed the answer."""
    consent, _ = asking()
    answer = {**YES, "responded_at": datetime.now(tz=UTC)}
    told = consent.execute_complete({}, answer)
    require_consent(context_of(told))


def test_without_a_trained_model_nobody_is_asked() -> None:
    consent, _ = asking()
    with pytest.raises(AirflowSkipException, match="curate_to_evaluate has reported no model"):
        consent.execute(context_of(None))


def test_it_is_the_session_that_the_person_has_seen() -> None:
    _, promote = asking()
    pulled = {TASK: YES, "curate_to_evaluate": {"as_of": "2026-11-06"}}
    seen = {"ti": SimpleNamespace(xcom_pull=lambda task_ids: pulled[task_ids]), "params": {"as_of": ""}}
    promote.render_template_fields(seen)
    assert promote.window["as-of"] == "2026-11-06"
    assert promote.command[-1] == "{window}"  # what `up` was given for all comes before


def test_without_approval_nobody_is_asked() -> None:
    with DAG(dag_id="probe", schedule=None):
        (promote,) = promotion(load_spec("train_weekly"))
    assert promote._pre_execute_hook is None
    assert "set" not in promote.window
