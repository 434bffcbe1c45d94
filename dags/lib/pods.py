"""The stage operator of a cluster: one pod a task. Imported only when `conf/dags.yaml` asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import models as k8s

from dags.lib.results import absolute_link
from dags.lib.spec import Window
from dags.lib.stage_command import with_window
from dags.lib.stage_outcome import EXIT_NOTHING_TO_DO, StageLink, check_exit, post_notices, set_partition

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

# The sidecar hands the file over as the task's XCom; without pipefail the exit code would be that of tee.
KEEP_REPORT = 'set -o pipefail; "$@" | tee /airflow/xcom/return.json'


class StagePod(KubernetesPodOperator):
    """Runs consecutive stages as one pod; exit codes, report, link and event as `StageOperator`.

    Parameters
    ----------
    command : list of str
        As in `StageOperator`.
    pod : mapping
        ``executor.kubernetes`` of `conf/dags.yaml`: image, namespace, service account, claim, cpu, memory.
    home : str
        Where the claim with the home folder is mounted.
    """

    template_fields = (*KubernetesPodOperator.template_fields, "window")
    operator_extra_links = (StageLink(),)

    def __init__(  # noqa: PLR0913
        self,
        *,
        command: list[str],
        window: Window,
        pod: Mapping[str, str],
        home: str,
        links: Mapping[str, str],
        asset: Asset | None = None,
        **kwargs: Any,
    ) -> None:
        claim = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=pod["home_claim"])
        amounts = {"cpu": pod["cpu"], "memory": pod["memory"]}
        super().__init__(
            image=pod["image"],
            namespace=pod["namespace"],
            service_account_name=pod["service_account"],
            name=f"bellwether-{kwargs['task_id'].replace('_', '-')}",
            volumes=[k8s.V1Volume(name="home", persistent_volume_claim=claim)],
            volume_mounts=[k8s.V1VolumeMount(name="home", mount_path=home)],
            container_resources=k8s.V1ResourceRequirements(requests=amounts, limits=amounts),
            do_xcom_push=True,
            skip_on_exit_code=EXIT_NOTHING_TO_DO,
            outlets=[asset] if asset else [],
            **kwargs,
        )
        self.command, self.window, self.links, self.asset = command, dict(window), dict(links), asset
        self.link = ""
        self.report: dict[str, Any] = {}

    def execute(self, context: Context) -> Any:
        """Run the pod; see `StageOperator` for what each exit code means."""
        command = with_window(self.command, self.window)
        self.cmds, self.arguments = ["bash", "-c", KEEP_REPORT, "stage"], command
        try:
            result = super().execute(context) or {}
        finally:
            post_notices(self.report, context)
        self.link = absolute_link(result, self.links)
        if self.asset:
            set_partition(self.asset, context, result)
        return result

    def extract_xcom(self, pod: Any, **kwargs: Any) -> Any:
        """Return the report, and keep it: a pod that failed has said why in it."""
        result = super().extract_xcom(pod, **kwargs)
        self.report = result if isinstance(result, dict) else {}
        return result

    def cleanup(self, pod: Any, remote_pod: Any, *args: Any, **kwargs: Any) -> None:
        """Raise what `check_exit` says of the pod's exit code, where the pod has one."""
        try:
            super().cleanup(pod, remote_pod, *args, **kwargs)
        except AirflowException:
            code = exit_code_of(remote_pod, self.base_container_name)
            if code is not None:
                check_exit(code, self.report)
            raise


def exit_code_of(pod: Any, container: str) -> int | None:
    """Return the exit code of `container` in an ended pod, or None where it has none."""
    for status in (pod.status.container_statuses if pod and pod.status else None) or []:
        if status.name == container and status.state and status.state.terminated:
            return status.state.terminated.exit_code
    return None
