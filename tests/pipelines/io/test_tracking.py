"""Runs, versions and the alias of one home's MLflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.base.errors import BadDataError, UnavailableError
from pipelines.io.tracking import Tracking
from tests.pipelines.conftest import TRACKING

NOON = datetime(2018, 2, 7, 12, tzinfo=UTC)
TAGS = {"family": "xgboost", "as_of": "2018-02-07"}


@pytest.fixture
def tracking(tmp_path: Path, seed_mlflow: Callable[[Path], Path]) -> Tracking:
    return Tracking(TRACKING, seed_mlflow(tmp_path / "mlflow"))


def begin(tracking: Tracking, key: str = "k1") -> str:
    return tracking.begin_run(key, name="train", tags=TAGS, started_at=NOON)


def complete(tracking: Tracking, folder: Path, key: str = "k1") -> str:
    run_id = begin(tracking, key)
    model = folder / f"source-{key}" / "model"
    model.mkdir(parents=True)
    (model / "weights").write_text(key)
    tracking.log_folder(run_id, model.parent)
    tracking.complete_run(run_id, finished_at=NOON)
    return run_id


def test_database_and_artefacts_lie_below_the_folder(tracking: Tracking, tmp_path: Path) -> None:
    run_id = complete(tracking, tmp_path)
    assert tracking.fetch(run_id, "model/weights").read_text() == "k1"
    assert (tmp_path / "mlflow" / "artifacts" / run_id / "artifacts" / "model" / "weights").exists()
    assert tracking.database == tmp_path / "mlflow" / "mlflow.db"


def test_database_is_created_whole_and_a_torn_one_is_started_over(
    mlflow_database: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    (folder / "mlflow.db.new").write_bytes(b"torn by a crash")
    tracking = Tracking(TRACKING, folder)
    assert tracking.champion() is None
    assert sorted(path.name for path in folder.iterdir()) == ["mlflow.db"]


def test_run_names_its_ancestry_from_its_first_commit(tracking: Tracking) -> None:
    run = tracking.client.get_run(begin(tracking))
    assert run.data.tags["model_key"] == "k1"
    assert run.data.tags["complete"] == "false"
    assert run.data.tags["family"] == "xgboost"
    assert run.info.start_time == 1_518_004_800_000


def test_only_complete_runs_are_found_and_only_incomplete_ones_removed(
    tracking: Tracking, tmp_path: Path
) -> None:
    torn = begin(tracking)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "frame.parquet").write_text("half")
    tracking.log_folder(torn, tmp_path / "half")
    other = begin(tracking, "k2")
    assert tracking.find_complete_run("k1") is None
    whole = complete(tracking, tmp_path)
    assert tracking.discard_incomplete_runs("k1") == 1
    assert tracking.discard_incomplete_runs("k1") == 0
    assert tracking.find_complete_run("k1") == whole
    assert not (tmp_path / "mlflow" / "artifacts" / torn / "artifacts").exists()
    assert tracking.client.get_run(other).info.lifecycle_stage == "active"


def test_what_another_home_is_fitting_is_left_alone(
    tmp_path: Path, seed_mlflow: Callable[[Path], Path]
) -> None:
    """Two homes of one server, of which each has been killed once at the same model."""
    server = replace(TRACKING, uri=f"sqlite:///{seed_mlflow(tmp_path / 'server') / 'mlflow.db'}")
    one, other = (Tracking(server, tmp_path / name) for name in ("one", "other"))
    torn, fitting = begin(one), begin(other)
    again = Tracking(server, tmp_path / "one")
    assert again.discard_incomplete_runs("k1") == 1
    stages = [again.client.get_run(run_id).info.lifecycle_stage for run_id in (torn, fitting)]
    assert stages == ["deleted", "active"]


def test_registering_a_run_twice_gives_one_version(tracking: Tracking, tmp_path: Path) -> None:
    run_id = complete(tracking, tmp_path)
    first = tracking.register(run_id, TAGS | {"model_key": "k1"})
    again = tracking.register(run_id, TAGS | {"model_key": "k1"})
    assert first == again
    assert (first.version, first.family, first.as_of) == ("1", "xgboost", date(2018, 2, 7))
    assert tracking.find_version("k1") == first
    assert tracking.find_version("k2") is None


def test_all_families_are_versions_of_one_model(tracking: Tracking, tmp_path: Path) -> None:
    for key, family in (("k1", "xgboost"), ("k2", "tft")):
        tracking.register(complete(tracking, tmp_path, key), TAGS | {"model_key": key, "family": family})
    assert [entry.version for entry in tracking.versions()] == ["1", "2"]
    assert [entry.version for entry in tracking.versions("tags.family = 'tft'")] == ["2"]


def test_unknown_version_is_refused_with_the_known_ones(tracking: Tracking, tmp_path: Path) -> None:
    tracking.register(complete(tracking, tmp_path), TAGS | {"model_key": "k1"})
    with pytest.raises(BadDataError, match=r"version='7' .* known: 1"):
        tracking.version("7")


@pytest.mark.parametrize(
    "tags", [{}, {"model_key": "k", "family": "x"}, TAGS | {"model_key": "k", "as_of": "soon"}]
)
def test_a_version_that_others_registered_is_skipped_with_a_warning(
    tags: dict[str, str], tracking: Tracking, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = complete(tracking, tmp_path)
    tracking.client.create_registered_model("bellwether")
    tracking.client.create_model_version("bellwether", str(tmp_path), run_id=run_id, tags=tags)
    assert tracking.versions() == []
    assert "version 1 is skipped, training has not registered it" in caplog.text
    ours = tracking.register(run_id, TAGS | {"model_key": "k1"})
    assert ours.version == "2"
    assert tracking.register(run_id, TAGS | {"model_key": "k1"}) == ours
    assert [entry.version for entry in tracking.versions()] == ["2"]


def test_alias_follows_the_last_call(tracking: Tracking, tmp_path: Path) -> None:
    assert tracking.champion() is None
    for key in ("k1", "k2"):
        tracking.register(complete(tracking, tmp_path, key), TAGS | {"model_key": key})
        tracking.set_champion(tracking.versions()[-1].version)
    assert tracking.champion() == "2"
    tracking.set_champion("1")
    assert tracking.champion() == "1"


def test_model_folder_is_fetched_once_and_then_needs_no_client(tracking: Tracking, tmp_path: Path) -> None:
    tracking.register(complete(tracking, tmp_path), TAGS | {"model_key": "k1"})
    folder = tracking.model_folder("1", "k1")
    assert (folder / "weights").read_text() == "k1"
    reopened = Tracking(TRACKING, tmp_path / "mlflow")
    assert reopened.model_folder("1", "k1") == folder
    assert "client" not in vars(reopened)


def test_missing_artefact_says_what_to_do(tracking: Tracking) -> None:
    with pytest.raises(UnavailableError, match="was the home moved or cleaned"):
        tracking.fetch(begin(tracking), "model")


def test_metrics_that_are_not_finite_are_left_out(tracking: Tracking) -> None:
    run_id = begin(tracking)
    tracking.log_metrics(run_id, {"rank_ic": 0.02, "icir": float("nan")}, at=NOON)
    assert tracking.client.get_run(run_id).data.metrics == {"rank_ic": 0.02}


@pytest.mark.parametrize("name", ["experiment", "registered_model"])
def test_names_that_break_a_filter_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f'{name}="it\'s" must be a name'):
        replace(TRACKING, **{name: "it's"})
