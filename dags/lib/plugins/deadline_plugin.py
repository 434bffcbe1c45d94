"""Makes our deadline reference known to every process of Airflow: API server, scheduler, DAG processor."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from dags.lib.deadlines import WhenCreated


class Deadlines(AirflowPlugin):
    """Registers the reference under the path by which the DAGs name it."""

    name = "bellwether_deadlines"
    deadline_references = [WhenCreated]  # noqa: RUF012 - Airflow's own form
