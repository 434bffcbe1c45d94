"""Operators against real commands: small shell scripts that print and end as a stage would."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    DagRunTriggerException,
)

from dags.lib.dags_file import ROOT
from dags.lib.operators import StageOperator, promotion, stage, start_dag
from dags.lib.spec import DagSpec, load_spec
from tests.dags.receiver import Receiver

SILVER = Asset("silver")
REPORT = '{"stage": "curate", "as_of": "2026-11-10", "details": {"link": "reports/2026-11-10/index.html"}}'


def operator(script: str, **changes: Any) -> StageOperator:
    values: dict[str, Any] = {
        "task_id": "curate",
        "command": ["bash", "-c", script, "stage", "{window}"],
        "window": {"as-of": "2026-11-10"},
        "environment": ["PATH"],
        "links": {"reports": "http://127.0.0.1:8800/"},
    }
    return StageOperator(**{**values, **changes})


def test_the_last_line_is_the_result_and_names_the_link(context: dict[str, Any]) -> None:
    task = operator(f"echo progress; echo '{REPORT}'")
    assert task.execute(context)["stage"] == "curate"
    link = task.operator_extra_links[0].get_link(task, ti_key=None)
    assert link == "http://127.0.0.1:8800/2026-11-10/index.html"


def test_the_session_reaches_the_command(context: dict[str, Any]) -> None:
    result = operator("""printf '{"arguments": "%s %s"}' "$1" "$2" """).execute(context)
    assert result == {"arguments": "--as-of 2026-11-10"}


def test_only_listed_variables_reach_the_command(
    context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "secret")
    monkeypatch.setenv("JAVA_HOME", "/opt/java")
    task = operator("""printf '{"seen": "%s|%s"}' "$AIRFLOW__API_AUTH__JWT_SECRET" "$JAVA_HOME" """,
                    environment=["PATH", "JAVA_HOME"])  # fmt: skip
    assert task.execute(context) == {"seen": "|/opt/java"}


def test_standard_error_goes_to_the_log(context: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    operator(f"echo reading $((1 + 2)) batches >&2; echo '{REPORT}'").execute(context)
    assert "reading 3 batches" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (65, AirflowFailException, "Exit 65, bad data"),
        (78, AirflowFailException, "Exit 78, bad settings"),
        (2, AirflowFailException, "Exit 2, a command line"),
        (69, AirflowException, "Exit 69, unavailable"),
        (75, AirflowException, "Exit 75, transient"),
        (1, AirflowException, "Exit 1, unexpected"),
        (99, AirflowSkipException, "Nothing to do"),
    ],
)
def test_exit_codes(context: dict[str, Any], code: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        operator(f"exit {code}").execute(context)
    assert raised.type is error


def test_a_killed_command_is_tried_again(context: dict[str, Any]) -> None:
    with pytest.raises(AirflowException, match="Exit -9, unexpected") as raised:
        operator("kill -9 $$").execute(context)
    assert raised.type is AirflowException


@pytest.mark.parametrize("try_number", [1, 2])
@pytest.mark.parametrize("asset", [SILVER, None], ids=["emits", "does not"])
def test_nothing_to_do_skips_on_every_try(
    context: dict[str, Any], try_number: int, asset: Asset | None
) -> None:
    context["ti"].try_number = try_number
    with pytest.raises(AirflowSkipException, match="Nothing to do"):
        operator(f"echo '{REPORT}'; exit 99", asset=asset).execute(context)


@pytest.mark.parametrize("try_number", [1, 2])
def test_an_outcome_that_stands_emits_on_every_try(context: dict[str, Any], try_number: int) -> None:
    context["ti"].try_number, context["dag_run"].partition_key = try_number, None
    stood = '{"stage": "curate", "status": "unchanged", "as_of": "2026-11-10"}'
    operator(f"echo '{stood}'", asset=SILVER).execute(context)
    assert context["outlet_events"] == {SILVER: {"2026-11-10"}}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (65, "Exit 65, bad data: 3 of 30 symbols"),
        (75, "Exit 75, transient: 3 of 30 symbols"),
        (99, r"Nothing to do \(exit 99\): 3 of 30 symbols"),
    ],
)
def test_a_failure_names_the_reason_of_the_report(context: dict[str, Any], code: int, message: str) -> None:
    said = '{"stage": "run", "stages": [{"stage": "ingest", "details": {"why": "3 of 30 symbols"}}]}'
    with pytest.raises(AirflowException, match=message):
        operator(f"echo '{said}'; exit {code}").execute(context)


@pytest.mark.parametrize("output", ["killed", "[1, 2]", ""])
def test_a_failure_without_a_report_is_no_other_failure(context: dict[str, Any], output: str) -> None:
    with pytest.raises(AirflowException, match="Exit 75, transient: the log says what happened"):
        operator(f"echo '{output}'; exit 75").execute(context)


@pytest.mark.parametrize("code", [0, 65, 75, 99])
def test_what_a_stage_wants_read_is_posted_however_it_ends(
    context: dict[str, Any], receiver: Receiver, code: int
) -> None:
    said = '{"stage": "ingest", "details": {"alerts": ["texts are late"]}}'
    with suppress(AirflowException):
        operator(f"echo '{said}'; exit {code}").execute(context)
    assert [message["text"] for message in receiver.messages] == ["ingest_daily.ingest: texts are late"]


def test_a_keyed_run_leaves_the_key_to_airflow(context: dict[str, Any]) -> None:
    operator(f"echo '{REPORT}'", asset=SILVER).execute(context)
    assert context["outlet_events"] == {}


def test_a_run_without_a_key_takes_it_from_the_report(context: dict[str, Any]) -> None:
    context["dag_run"].partition_key = None
    operator(f"echo '{REPORT}'", asset=SILVER).execute(context)
    assert context["outlet_events"] == {SILVER: {"2026-11-10"}}


def test_a_run_without_a_key_needs_an_as_of(context: dict[str, Any]) -> None:
    context["dag_run"].partition_key = None
    with pytest.raises(AirflowFailException, match="names no as_of, so silver would reach no DAG"):
        operator("""echo '{"stage": "curate"}'""", asset=SILVER).execute(context)


@pytest.mark.parametrize("output", ["done", "[1, 2]", ""])
def test_a_command_without_a_report_fails(context: dict[str, Any], output: str) -> None:
    with pytest.raises(AirflowFailException, match="last line is not"):
        operator(f"echo '{output}'").execute(context)


def spec(**changes: Any) -> DagSpec:
    base = load_spec("train_weekly")
    return DagSpec(**{**{name: getattr(base, name) for name in base.__slots__}, **changes})


def test_the_command_of_a_task_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLWETHER_HOME", "/h")
    monkeypatch.setenv("BELLWETHER_COMMAND", "/bin/bellwether")
    monkeypatch.setenv("BELLWETHER_ARGUMENTS", '["--env", "local"]')
    with DAG(dag_id="probe", schedule=None):
        task = stage("ingest", "curate", spec=load_spec("ingest_daily"))
    words = ["run", "--stages", "ingest,curate", "--home", "/h", "--env", "local", "{window}"]
    assert task.command == ["/bin/bellwether", *words]


def test_spark_submit_gets_the_file_of_the_command(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "conf/dags.yaml").read_text(encoding="utf-8")
    settings_file.write_text(text.replace('kind: "local"', 'kind: "spark-submit"'), encoding="utf-8")
    monkeypatch.setenv("BELLWETHER_HOME", "/h")
    with DAG(dag_id="probe", schedule=None):
        task = stage("forecast", spec=load_spec("forecast_daily"))
    program = ROOT / "pipelines/__main__.py"
    assert program.is_file()
    assert task.command == ["spark-submit", str(program), "forecast", "--home", "/h", "{window}"]


def test_promotion_without_a_person_runs_after_a_skip() -> None:
    with DAG(dag_id="probe", schedule=None):
        (promote,) = promotion(spec(require_approval=False))
    assert (promote.task_id, promote.trigger_rule, promote.outlets) == (
        "promote",
        "none_failed",
        [Asset("champion")],
    )


def test_promotion_with_a_person_needs_the_consent() -> None:
    with DAG(dag_id="probe", schedule=None):
        ask, promote = promotion(spec(require_approval=True, approval_hours=1))
    assert (ask.task_id, ask.defaults, ask.response_timeout.total_seconds()) == ("approve", ["Reject"], 3600)
    assert promote.trigger_rule == "all_success"


@pytest.mark.parametrize("report", [{"details": {"retrain": False}}, {}, None])
def test_another_dag_is_left_alone_without_the_verdict(context: dict[str, Any], report: Any) -> None:
    context["ti"] = SimpleNamespace(try_number=1, xcom_pull=lambda task_ids: report)
    with DAG(dag_id="probe", schedule=None):
        task = start_dag("train_weekly", after=operator("true", task_id="monitor"), verdict="retrain")
    with pytest.raises(AirflowSkipException, match="monitor reported no retrain: train_weekly stays"):
        task.execute(context)


def test_another_dag_is_started_with_the_session(context: dict[str, Any]) -> None:
    context["ti"] = SimpleNamespace(try_number=1, xcom_pull=lambda task_ids: {"details": {"retrain": True}})
    with DAG(dag_id="probe", schedule=None):
        task = start_dag("train_weekly", after=operator("true", task_id="monitor"), verdict="retrain")
    with pytest.raises(DagRunTriggerException) as raised:
        task.execute(context)
    assert raised.value.trigger_dag_id == "train_weekly"
    assert raised.value.conf == {"as_of": "{{ dag_run.partition_key }}"}


def test_a_script_of_the_settings_runs_end_to_end(
    context: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "bellwether"
    command.write_text("""#!/bin/sh\nprintf '{"said": "%s"}' "$*"\n""", encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("BELLWETHER_COMMAND", str(command))
    monkeypatch.setenv("BELLWETHER_HOME", "/h")
    with DAG(dag_id="probe", schedule=None):
        task = stage("forecast", spec=load_spec("forecast_daily"))
    task.window = {"as-of": "2026-11-10"}
    assert task.execute(context) == {"said": "forecast --home /h --as-of 2026-11-10"}
