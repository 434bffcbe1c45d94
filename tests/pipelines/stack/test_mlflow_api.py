from __future__ import annotations

from typing import Any

import pytest

from pipelines.base.errors import UnavailableError
from pipelines.stack.mlflow_api import read_champion
from tests.pipelines.stack.answers import answering

METRICS = {
    "holdout_candidate_rank_ic": 0.03,
    "holdout_ridge_rank_ic": 0.01,
    "holdout_ridge_lead": 0.02,
    "holdout_rank_ic": 0.03,
    "seconds": 9.0,
}


def reply(_method: str, path: str, _body: Any, _token: str) -> tuple[int, Any]:
    if path == "/api/2.0/mlflow/registered-models/alias?name=bellwether&alias=champion":
        tags = [{"key": "as_of", "value": "2026-01-02"}, {"key": "warnings", "value": "look for a leak"}]
        version = {"version": "3", "run_id": "r", "description": "Champion: version 3", "tags": tags}
        return 200, {"model_version": version}
    if path == "/api/2.0/mlflow/runs/get?run_id=r":
        metrics = [{"key": key, "value": value} for key, value in METRICS.items()]
        return 200, {"run": {"data": {"metrics": metrics}}}
    return 404, {}


def test_the_champion_stands_beside_its_rivals() -> None:
    with answering(reply) as address:
        champion = read_champion(address, "bellwether", 5.0)
    assert (champion.version, champion.description) == ("3", "Champion: version 3")
    assert champion.warnings == "look for a leak"
    assert champion.comparison() == {
        ("holdout", "candidate"): {"rank_ic": 0.03},
        ("holdout", "ridge"): {"rank_ic": 0.01, "lead": 0.02},
    }


def test_without_a_champion_the_next_step_is_named() -> None:
    with (
        answering(reply) as address,
        pytest.raises(UnavailableError, match=r"404.*look at its log, or train first"),
    ):
        read_champion(address, "other", 5.0)
