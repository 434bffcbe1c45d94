"""Tasks of the DAGs: run stages as one command, start another DAG when a verdict says so, ask a person."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from dags.lib.approval import AS_OF, SIGNED, ask_for_consent, require_consent
from dags.lib.dags_file import ROOT
from dags.lib.process import StageProcess
from dags.lib.results import absolute_link, find_value, parse_result, read_result
from dags.lib.spec import DagSpec, Window, load_executor, load_places
from dags.lib.stage_command import fill_command, stage_arguments, task_name, with_window
from dags.lib.stage_outcome import StageLink, check_exit, post_notices, set_partition

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class StageOperator(BaseOperator):
    """Runs consecutive stages as one command of the work environment.

    Standard error goes to the task's log line by line; the last line of standard output is the
    stages' report, parsed as JSON into the task's XCom. Each text under ``alerts`` of its details is
    posted as one notice. Ending the task ends the command together with every process that it started.

    Parameters
    ----------
    command : list of str
        The command; the element ``{window}`` stands for the options of `window`.
    window : mapping of option to template, or to several
        What the stages are told about time; an empty value leaves its option out.
    environment : list of str
        Variables of this process that the command may see.
    links : mapping of str to address
        Where the first part of a report's `link` lives, such as ``reports``.
    asset : Asset, optional
        Emitted with exit 0: the outcome stands, whichever try made it. A run without a partition key
        takes the key from the report's ``as_of``.

    Raises
    ------
    AirflowSkipException
        Exit 99, there is no outcome and will be none.
    AirflowFailException
        Exit 2 (unknown command line), 65 (bad data) or 78 (bad settings): a further try cannot help.
    AirflowException
        Any other exit: retried as the DAG says. These errors name the ``why`` of the report.
    """

    template_fields = ("window",)
    operator_extra_links = (StageLink(),)
    ui_color = "#e8f0ea"

    def __init__(
        self,
        *,
        command: list[str],
        window: Window,
        environment: list[str],
        links: Mapping[str, str],
        asset: Asset | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(outlets=[asset] if asset else [], **kwargs)
        self.command = command
        self.window = dict(window)
        self.environment = environment
        self.links = dict(links)
        self.asset = asset
        self.link = ""
        self._process: StageProcess | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the command; see the class for what each exit code means."""
        command = with_window(self.command, self.window)
        self.log.info("Running %s", shlex.join(command))
        self._process = StageProcess(command, self.environment, self.log.info)
        exit_code, last_line = self._process.wait()
        result = read_result(last_line) if exit_code else parse_result(last_line)
        post_notices(result, context)
        check_exit(exit_code, result)
        self.link = absolute_link(result, self.links)
        if self.asset:
            set_partition(self.asset, context, result)
        return result

    def on_kill(self) -> None:
        """End the command and everything it started."""
        if self._process:
            self._process.kill()


class StartDag(TriggerDagRunOperator):
    """Starts another DAG when the report of an earlier task says so, else skips.

    Parameters
    ----------
    after : str
        The task whose report decides.
    verdict : str
        The key of the report that must be true.
    """

    def __init__(self, *, after: str, verdict: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.after = after
        self.verdict = verdict

    def execute(self, context: Context) -> None:
        """Start the DAG, or raise `AirflowSkipException`."""
        report = context["ti"].xcom_pull(task_ids=self.after)
        if not find_value(report, self.verdict):
            raise AirflowSkipException(
                f"{self.after} reported no {self.verdict}: {self.trigger_dag_id} stays as it is"
            )
        super().execute(context)


def stage(*stages: str, spec: DagSpec, emits: Asset | None = None, **kwargs: Any) -> BaseOperator:
    """Return the task that runs `stages` in one process, on the executor of `conf/dags.yaml`.

    Parameters
    ----------
    stages : str
        Consecutive stages; more than one where a process start costs more than it isolates.
    spec : DagSpec
        The DAG's specification.
    emits : Asset, optional
        Emitted when the task is done.

    Raises
    ------
    ValueError
        If a stage is unknown, or the stages are not in the order in which they feed one another.
    """
    executor, places = load_executor(), load_places()
    command = fill_command(
        executor.commands[executor.kind],
        {"home": places.home, "bellwether": places.bellwether, "root": str(ROOT)},
        {"stages": stage_arguments(stages), "arguments": places.arguments},
    )
    common = {
        "task_id": task_name(stages),
        "window": spec.window,
        "links": places.links,
        "asset": emits,
        **kwargs,
    }
    if executor.kind == "kubernetes":
        from dags.lib.pods import StagePod

        return StagePod(command=command, pod=executor.kubernetes, home=places.home, **common)
    return StageOperator(command=command, environment=executor.environment, **common)


def start_dag(dag_id: str, *, after: BaseOperator, verdict: str) -> BaseOperator:
    """Return the task that starts `dag_id` for the same session if `after` reports that `verdict` is true."""
    return StartDag(
        task_id=f"start_{dag_id}",
        after=after.task_id,
        verdict=verdict,
        trigger_dag_id=dag_id,
        trigger_run_id=f"{verdict}__{{{{ dag_run.partition_key }}}}",
        conf={"as_of": "{{ dag_run.partition_key }}"},
        skip_when_already_exists=True,
    )


def promotion(spec: DagSpec) -> list[BaseOperator]:
    """Return the tasks that promote a challenger: one that asks a person if the spec says so, then `promote`.

    `promote` runs even when training found the model already there: an earlier run may have ended between
    the two. It never runs past a person's refusal or silence, and the ledger names the person.
    """
    if not spec.require_approval:
        return [stage("promote", spec=spec, emits=spec.asset, trigger_rule="none_failed")]
    signed = replace(spec, window={**spec.window, "as-of": AS_OF, "set": SIGNED})
    promote = stage("promote", spec=signed, emits=spec.asset, pre_execute=require_consent)
    return [ask_for_consent(spec), promote]
