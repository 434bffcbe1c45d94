"""MLflow's REST API: the champion and its numbers, as MLflow's server tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from pipelines.base.errors import UnavailableError

PARTS = ("out_of_fold", "holdout")
NUMBERS = ("rank_ic", "t_newey_west", "lead")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionPage:
    """What MLflow knows of the champion: version, run, description, warnings, metrics of the run."""

    version: str
    run_id: str
    description: str
    warnings: str
    metrics: Mapping[str, float]

    def comparison(self) -> dict[tuple[str, str], dict[str, float]]:
        """Return the numbers by part (out_of_fold, holdout) and forecaster; those of no one are left out."""
        table: dict[tuple[str, str], dict[str, float]] = {}
        for name, value in sorted(self.metrics.items()):
            for part in PARTS:
                for number in NUMBERS:
                    who = name.removeprefix(f"{part}_").removesuffix(f"_{number}")
                    if name == f"{part}_{who}_{number}":
                        table.setdefault((part, who), {})[number] = value
        return table


def read_champion(
    address: str, model: str, seconds: float, login: tuple[str, str] | None = None
) -> ChampionPage:
    """Return the version that carries the alias ``champion``.

    Raises
    ------
    UnavailableError
        If MLflow does not answer or has no champion.
    """
    client = httpx.Client(base_url=address, timeout=seconds, auth=login)
    version = _get(client, "registered-models/alias", name=model, alias="champion")["model_version"]
    run = _get(client, "runs/get", run_id=version["run_id"])["run"]
    return ChampionPage(
        version=str(version["version"]),
        run_id=version["run_id"],
        description=version.get("description", ""),
        warnings=next((tag["value"] for tag in version.get("tags", []) if tag["key"] == "warnings"), ""),
        metrics={one["key"]: float(one["value"]) for one in run["data"].get("metrics", [])},
    )


def _get(client: httpx.Client, path: str, **params: str) -> Any:
    try:
        answer = client.get(f"/api/2.0/mlflow/{path}", params=params)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        msg = f"MLflow at {client.base_url} said nothing of {path} ({error}); look at its log, or train first"
        raise UnavailableError(msg) from error
    return answer.json()
