"""One key trains once, whatever interrupts it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import polars as pl
import pytest

from models.base import load_forecaster
from models.targets import add_target
from pipelines.app.runner import run_stage
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.errors import TransientError
from pipelines.base.report import SessionRange, StageReport
from pipelines.base.table import TableContract
from pipelines.io.feed_log import closed_until
from pipelines.io.lake import Lake
from pipelines.io.lake_params import LakeParams
from pipelines.io.model_folder import forecaster_folder, pack_forecaster
from pipelines.io.tracking import Tracking
from pipelines.registry.challenger import find_challenger
from pipelines.registry.champion import tracking_of
from pipelines.registry.fitting import Fitted, fit_model
from pipelines.registry.lineage import Lineage, read_lineage, write_lineage
from pipelines.registry.training_params import TrainingParams
from pipelines.stages.train import job
from pipelines.tables.contracts import GOLD_LABELS, OPS_CLOSED_CUTS
from tests.pipelines.conftest import SMALL_MODEL
from tests.pipelines.stages.files_home import rows
from tests.pipelines.synthetic_gold import CALENDAR, Gold, make_gold

FEATURES = list(load_settings()[0].features.sets["core"])


@pytest.fixture(scope="module")
def gold() -> Gold:
    return make_gold()


@pytest.fixture(scope="module")
def frame(gold: Gold) -> pl.DataFrame:
    """The training frame that the lake would give, put together by plain joins."""
    key = ["symbol", "session"]
    decisions = gold.daily.select(key).join(
        gold.daily.select("session").unique().join(decision_instants(gold), on="session"), on="session"
    )
    joined = (
        gold.labels.select(*key, "label_end", pl.col("value").alias("label"))
        .join(decisions, on=key)
        .join(gold.daily.drop("event_timestamp", "known_at", "valid", "month"), on=key)
        .join(gold.text.drop("event_timestamp", "known_at", "valid", "month"), on=key, how="left")
        .with_columns(pl.col(FEATURES).cast(pl.Float32))
        .select(*key, "cutoff_at", "label_end", "label", *FEATURES)
    )
    return add_target(joined.sort("session", "symbol"))


def versions_of(_lake: Lake, tables: Sequence[TableContract]) -> dict[str, int | None]:
    """Return the versions of a lake whose frame is known: no table but the labels is there."""
    return {table.name: 3 if table is GOLD_LABELS else None for table in tables}


def decision_instants(gold: Gold) -> pl.DataFrame:
    return CALENDAR.frame(gold.sessions[0], gold.sessions[-1]).select("session", "cutoff_at")


@pytest.fixture
def opened(
    open_home: Callable[..., Context], tmp_path: Path, frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> Context:
    """A home whose frame is known, so that only what happens to it is under test; Spark is not needed."""
    monkeypatch.setattr(job, "read_frame", lambda *_arguments: frame)
    monkeypatch.setattr(Lake, "versions", versions_of)
    return open_home(tmp_path / "home")


@pytest.fixture
def fitted_before(monkeypatch: pytest.MonkeyPatch, fitted: Fitted) -> None:
    """Give every fit the same result and keep only the lineage of it: commits are under test here."""

    def write(
        frame: pl.DataFrame, fitted: Fitted, lineage: Lineage, folder: Path, *, example_symbols: int
    ) -> None:
        write_lineage(lineage, folder / "model")

    monkeypatch.setattr(job, "fit_model", lambda *_arguments, **_options: fitted)
    monkeypatch.setattr(job, "write_run_folder", write)


@pytest.fixture(scope="module")
def fitted(frame: pl.DataFrame) -> Fitted:
    params = load_settings(overrides=SMALL_MODEL)[0].models
    return fit_model(frame, params, FEATURES)


@pytest.fixture
def window(gold: Gold) -> SessionRange:
    return SessionRange(start=gold.sessions[-1], end=gold.sessions[-1])


def registered(context: Context) -> list[tuple[str, str]]:
    return [(entry.version, entry.model_key) for entry in tracking_of(context).versions()]


@pytest.fixture(scope="module")
def trained(
    open_home: Callable[..., Context],
    tmp_path_factory: pytest.TempPathFactory,
    frame: pl.DataFrame,
    gold: Gold,
) -> tuple[Context, StageReport]:
    """One real training run."""
    context = open_home(tmp_path_factory.mktemp("trained"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "read_frame", lambda *_arguments: frame)
        patch.setattr(Lake, "versions", versions_of)
        window = SessionRange(start=gold.sessions[-1], end=gold.sessions[-1])
        return context, run_stage(context, "train", window)


def test_run_keeps_everything_that_makes_the_model_again(
    trained: tuple[Context, StageReport], window: SessionRange, frame: pl.DataFrame
) -> None:
    opened, report = trained
    assert (report.status, report.rows_in, report.rows_out) == ("done", 1416, 1)
    challenger = find_challenger(opened, window.end)
    assert challenger is not None
    root = challenger.tracking.fetch(challenger.version.run_id, "card.md").parent
    kept = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert {
        "card.md", "importance.json", "frame/frame.parquet", "forecasts/holdout.parquet",
        "forecasts/out_of_fold.parquet", "plots/importance.png", "plots/cumulative_ic.png", "model/MLmodel",
        "model/lineage.json", "model/input_example.json", "model/data/forecaster/forecaster.json",
    } <= kept  # fmt: skip
    assert not [name for name in kept if name.endswith((".pkl", ".pickle", ".joblib"))]
    assert challenger.read("frame/frame.parquet").equals(frame)
    assert not (opened.home.run / "training" / challenger.version.model_key).exists()


def test_run_names_its_lineage_before_fitting(
    opened: Context, window: SessionRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "fit_model", stop)
    with pytest.raises(KeyboardInterrupt):
        job.run(opened, window)
    tracking = tracking_of(opened)
    tags = tracking.client.search_runs([tracking.experiment_id])[0].data.tags
    named = {"table_versions", "feature_set", "code_revision", "settings_hash", "universe_rule", "seed"}
    assert named <= set(tags)
    assert tags["as_of"] == window.end.isoformat()
    assert tags["complete"] == "false"


def test_lineage_beside_the_weights_says_what_was_seen(
    trained: tuple[Context, StageReport], frame: pl.DataFrame
) -> None:
    opened, _ = trained
    version = tracking_of(opened).versions()[0]
    lineage = read_lineage(tracking_of(opened).model_folder(version.version, version.model_key))
    assert lineage.feature_names == tuple(FEATURES)
    assert lineage.horizon_sessions == 1
    assert lineage.model_key == version.model_key
    held = frame["session"].unique().sort().tail(15)
    assert lineage.splits["final"]["test"] == {
        "first": held[0].isoformat(), "last": held[-1].isoformat(), "known_by": None,
    }  # fmt: skip
    decided = opened.calendar.cutoff_at(opened.calendar.shift(held[0], -1))
    assert lineage.fitted_until <= decided
    assert lineage.as_tags()["features"] == str(len(FEATURES))


@pytest.mark.usefixtures("fitted_before")
def test_same_key_trains_once(opened: Context, window: SessionRange) -> None:
    first = job.run(opened, window)
    again = job.run(opened, window)
    assert again.status == "unchanged"
    assert again.rows_out == 0
    assert again.details["model_version"] == first.details["model_version"]
    assert len(registered(opened)) == 1


@pytest.mark.usefixtures("fitted_before")
def test_other_settings_are_another_model_and_asking_again_makes_the_first_the_challenger(
    opened: Context, window: SessionRange, open_home: Callable[..., Context]
) -> None:
    run_stage(opened, "train", window)
    other = open_home(opened.home.root, "models.seed=8")
    run_stage(other, "train", window)
    assert [version for version, _ in registered(opened)] == ["1", "2"]
    assert find_challenger(opened, window.end).version.version == "2"  # type: ignore[union-attr]
    run_stage(opened, "train", window)
    assert find_challenger(opened, window.end).version.version == "1"  # type: ignore[union-attr]


@pytest.mark.usefixtures("fitted_before")
def test_challenger_of_an_earlier_as_of_is_not_a_later_one(opened: Context, window: SessionRange) -> None:
    run_stage(opened, "train", window)
    assert find_challenger(opened, date(2016, 1, 4)) is None


CRASHES = ["begin_run", "log_folder", "log_metrics", "tag_run", "complete_run", "register"]


@pytest.mark.usefixtures("fitted_before")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("commit", CRASHES)
def test_crash_at_any_commit_ends_in_one_version(
    commit: str, after: bool, opened: Context, window: SessionRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = getattr(Tracking, commit)

    def crash(self: Tracking, *arguments: Any, **options: Any) -> None:
        if after:
            genuine(self, *arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Tracking, commit, crash)
        with pytest.raises(KeyboardInterrupt):
            job.run(opened, window)
    run_stage(opened, "train", window)
    tracking = tracking_of(opened)
    assert len(registered(opened)) == 1
    runs = tracking.client.search_runs([tracking.experiment_id])
    assert [run.data.tags["complete"] for run in runs] == ["true"]
    assert find_challenger(opened, window.end).version.version == "1"  # type: ignore[union-attr]
    folders = [path for path in (opened.home.mlflow / "artifacts").iterdir() if any(path.iterdir())]
    assert [path.name for path in folders] == [runs[0].info.run_id]


@pytest.mark.usefixtures("fitted_before")
def test_a_fit_that_dies_leaves_its_cut_closed_and_the_next_one_adds_nothing_to_that(
    opened: Context, window: SessionRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(job, "fit_model", lambda *_arguments, **_options: exit_at_once())
        with pytest.raises(KeyboardInterrupt):
            job.run(opened, window)
    cut = opened.calendar.cutoff_at(window.end)
    assert opened.run_log.last_done(["train"]) is None
    assert closed_until(opened) == cut
    assert run_stage(opened, "train", window).status == "done"
    assert rows(opened, OPS_CLOSED_CUTS).select("cutoff_at", "stage").rows() == [(cut, "train")]
    earlier = opened.calendar.shift(window.end, -1)
    job.run(opened, SessionRange(start=earlier, end=earlier))
    assert closed_until(opened) == cut


@pytest.mark.usefixtures("fitted_before")
def test_what_was_fitted_is_waited_for_to_be_recorded(opened: Context, window: SessionRange) -> None:
    """To begin is refused after the usual time; an evening's ingest must not cost a finished fit."""
    waits: list[float | None] = []

    def writing(*, seconds: float | None = None) -> AbstractContextManager[None]:
        waits.append(seconds)
        return opened.writing()

    run_stage(replace(opened, writing=writing), "train", window)
    patient = opened.params(TrainingParams).record_timeout_seconds
    assert waits == [None, patient, patient]
    assert patient > opened.params(LakeParams).lock_timeout_seconds


@pytest.mark.usefixtures("fitted_before")
def test_a_strangers_version_of_our_key_is_passed_over(
    opened: Context, window: SessionRange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads MLflow sees the key as soon as a run has begun."""
    with monkeypatch.context() as patch:
        patch.setattr(job, "fit_model", lambda *_arguments, **_options: exit_at_once())
        with pytest.raises(KeyboardInterrupt):
            job.run(opened, window)
    tracking = tracking_of(opened)
    key = tracking.client.search_runs([tracking.experiment_id])[0].data.tags["model_key"]
    tags = {"family": "xgboost", "as_of": window.end.isoformat()}
    strange = tracking.begin_run(key, name="strange", tags=tags, started_at=opened.clock())
    weights = forecaster_folder(tmp_path / "model")
    weights.mkdir(parents=True)
    (weights / "trees").write_text("strange trees")
    tracking.log_folder(strange, tmp_path / "model", below="model")
    tracking.complete_run(strange, finished_at=opened.clock())
    assert tracking.register(strange, tags | {"model_key": key}).version == "1"
    for status in ("done", "unchanged"):
        report = run_stage(opened, "train", window)
        assert (report.status, report.details["model_version"]) == (status, "2")
    assert find_challenger(opened, window.end).version.version == "2"  # type: ignore[union-attr]


@pytest.mark.usefixtures("fitted_before")
def test_tags_that_somebody_rewrites_during_the_fit_do_not_count(
    opened: Context, window: SessionRange, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = tracking_of(opened)

    def rewrite(*_arguments: Any, **_options: Any) -> Fitted:
        run = tracking.client.search_runs([tracking.experiment_id])[0]
        for name in ("model_key", "family", "as_of", "fitted_until"):
            tracking.client.set_tag(run.info.run_id, name, "1999-01-01")
        return fitted

    monkeypatch.setattr(job, "fit_model", rewrite)
    report = run_stage(opened, "train", window)
    version = tracking.version("1")
    assert version.model_key == report.details["model_key"] != "1999-01-01"
    assert (version.family, version.as_of) == ("xgboost", window.end)
    assert version.tags["fitted_until"] == report.details["fitted_until"]


def exit_at_once() -> None:
    raise KeyboardInterrupt


def test_a_frame_that_an_earlier_release_kept_is_read_by_todays_names(
    trained: tuple[Context, StageReport], window: SessionRange, frame: pl.DataFrame, tmp_path: Path
) -> None:
    opened, _ = trained
    challenger = find_challenger(opened, window.end)
    assert challenger is not None
    former = tmp_path / "frame.parquet"
    frame.rename({"cutoff_at": "decision_at"}).write_parquet(former)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracking, "fetch", lambda *_arguments: former)
        assert challenger.read("frame/frame.parquet").equals(frame)
        assert challenger.read("frame/frame.parquet", ["session", "cutoff_at"]).columns == [
            "session", "cutoff_at",
        ]  # fmt: skip


def test_a_training_waits_for_the_cut_of_its_as_of(
    open_home: Callable[..., Context], window: SessionRange, tmp_path: Path
) -> None:
    cut = CALENDAR.cutoff_at(window.end)
    early = open_home(tmp_path / "early", now=cut - timedelta(seconds=1))
    with pytest.raises(
        TransientError, match=f"session {window.end} is cut off at {re.escape(cut.isoformat())}"
    ):
        job.run(early, window)


def test_too_short_history_is_nothing_to_do(
    opened: Context, window: SessionRange, frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = frame.filter(pl.col("session") < date(2016, 3, 1))
    monkeypatch.setattr(job, "read_frame", lambda *_arguments: short)
    report = job.run(opened, window)
    assert report.status == "nothing_to_do"
    assert "labelled sessions are fewer than" in report.details["why"]


def test_registered_folder_answers_through_mlflow_and_alone(
    trained: tuple[Context, StageReport], frame: pl.DataFrame
) -> None:
    opened, _ = trained
    version = tracking_of(opened).versions()[0]
    folder = tracking_of(opened).model_folder(version.version, version.model_key)
    loaded = mlflow.pyfunc.load_model(str(folder))
    answered = loaded.predict(loaded.input_example)
    example = frame.filter(pl.col("session") == frame["session"].max()).head(5)
    alone = load_forecaster(forecaster_folder(folder)).predict(example)
    packed = pack_forecaster(folder, version.model_key).load().predict(example)
    assert answered["value"].to_list() == alone["value"].to_list() == packed["value"].to_list()
    assert [item["name"] for item in json.loads(loaded.metadata.signature.to_dict()["inputs"])][
        2:
    ] == FEATURES
