"""The pod form of a stage, as far as it can be seen without a cluster."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from kubernetes.client import models as k8s

from dags.lib.dags_file import ROOT
from dags.lib.operators import stage
from dags.lib.spec import load_spec
from tests.dags.receiver import Receiver

BASE = yaml.safe_load((ROOT / "conf/dags.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def pod(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings = copy.deepcopy(BASE)
    settings["executor"]["kind"] = "kubernetes"
    settings_file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    monkeypatch.setenv("BELLWETHER_HOME", "/data")
    with DAG(dag_id="probe", schedule=None):
        task = stage("ingest", "curate", spec=load_spec("ingest_daily"), emits=Asset("silver"))
    task.window = {"as-of": "2026-11-10"}
    return task


def ended_pod(exit_code: int) -> k8s.V1Pod:
    terminated = k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(exit_code=exit_code))
    status = k8s.V1ContainerStatus(
        name="base", image="i", image_id="i", ready=False, restart_count=0, state=terminated
    )
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(name="p", namespace="n"),
        spec=k8s.V1PodSpec(containers=[]),
        status=k8s.V1PodStatus(phase="Failed", container_statuses=[status]),
    )


def test_the_command_keeps_its_exit_code_and_its_report(
    pod: Any, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KubernetesPodOperator, "execute", lambda self, context: {"as_of": "2026-11-10"})
    assert pod.execute(context) == {"as_of": "2026-11-10"}
    assert pod.cmds == ["bash", "-c", 'set -o pipefail; "$@" | tee /airflow/xcom/return.json', "stage"]
    words = ["bellwether", "run", "--stages", "ingest,curate", "--home", "/data", "--as-of", "2026-11-10"]
    assert pod.arguments == words


def test_the_home_is_mounted_and_resources_are_bounded(pod: Any) -> None:
    assert pod.volume_mounts[0].mount_path == "/data"
    assert pod.volumes[0].persistent_volume_claim.claim_name == "bellwether-home"
    assert pod.container_resources.limits == {"cpu": "2", "memory": "6Gi"}


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (65, AirflowFailException, "Exit 65, bad data: 3 of 30 symbols"),
        (78, AirflowFailException, "Exit 78, bad settings"),
        (75, AirflowException, "Exit 75, transient: 3 of 30 symbols"),
        (99, AirflowSkipException, "Nothing to do"),
    ],
)
def test_exit_codes(
    pod: Any, code: int, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "patch_already_checked",
        "process_pod_deletion",
        "_read_pod_container_states",
        "_read_pod_events",
    ):
        monkeypatch.setattr(pod, name, lambda *_, **__: None)
    monkeypatch.setattr(pod, "is_istio_enabled", lambda _: False)
    monkeypatch.setattr(pod, "_push_xcom_with_fan_out", lambda *_: None, raising=False)
    pod.report = {"stage": "ingest", "details": {"why": "3 of 30 symbols"}}
    with pytest.raises(error, match=message) as raised:
        pod.cleanup(ended_pod(code), ended_pod(code), None, {"ti": SimpleNamespace()})
    assert raised.type is error


@pytest.mark.parametrize("try_number", [1, 2])
def test_a_pod_that_has_nothing_to_do_skips_on_every_try_and_says_what_it_wants_read(
    pod: Any,
    context: dict[str, Any],
    receiver: Receiver,
    try_number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def skip(self: Any, context: Any) -> None:
        self.extract_xcom(pod=None)
        raise AirflowSkipException("Pod returned exit code 99")

    said = {"stage": "ingest", "details": {"alerts": ["texts are late"]}}
    monkeypatch.setattr(KubernetesPodOperator, "extract_xcom", lambda *_, **__: said)
    monkeypatch.setattr(KubernetesPodOperator, "execute", skip)
    context["ti"].try_number = try_number
    with pytest.raises(AirflowSkipException, match="exit code 99"):
        pod.execute(context)
    assert [message["text"] for message in receiver.messages] == ["ingest_daily.ingest: texts are late"]
