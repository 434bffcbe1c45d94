"""A model scores what it was trained on, or what a sample or a person says is the same; nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, SettingsError, TransientError
from pipelines.base.report import SessionRange, StageReport
from pipelines.cli.main import main
from pipelines.registry import binding
from pipelines.registry.binding import (
    accept_lineage,
    check_binding,
    choose_sample,
    compare_lineage,
    count_unequal,
    note_binding,
)
from pipelines.registry.champion import find_lineage
from pipelines.registry.ledger import read_ledger
from pipelines.registry.lineage import Lineage
from pipelines.registry.rollback import roll_back
from pipelines.tables.contracts import SILVER_BARS
from pipelines.tables.scope import dates_condition
from serving.online.feast_store import FeastOnlineStore
from serving.online.params import FeatureStoreParams
from tests.gold_tables import GOLD_FEATURES_DAILY
from tests.pipelines.registry.test_universe import bars
from tests.pipelines.synthetic_gold import CALENDAR, Gold, make_gold, write_gold

CHANGED = GOLD_FEATURES_DAILY.columns[5]
"""One of the features."""
Home = tuple[Context, Gold, Lineage]


@pytest.fixture(scope="module")
def trained(open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Gold]:
    """A home with a model that was trained five sessions before the last, and made champion by hand."""
    gold = make_gold(symbols=6)
    context = open_home(tmp_path_factory.mktemp("binding"), now=CALENDAR.decision_at(gold.sessions[-1]))
    write_gold(context.lake, gold)
    run_stage(context, "train", SessionRange(start=gold.sessions[-6], end=gold.sessions[-6]))
    roll_back(context, version="1", why="the alpha was planted", as_of=gold.sessions[-6])
    return context.home.root, gold


@pytest.fixture
def home(open_home: Callable[..., Context], trained: tuple[Path, Gold], tmp_path: Path) -> Home:
    """The same home, this test's own, with the model's lineage."""
    shutil.copytree(trained[0], tmp_path / "home")
    context = open_home(tmp_path / "home", now=CALENDAR.decision_at(trained[1].sessions[-1]))
    return context, trained[1], find_lineage(context, None)[1]


@pytest.fixture
def otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """One feature is computed by other code than when the model was trained."""
    digest_of = binding.feature_digest
    monkeypatch.setattr(
        binding, "feature_digest", lambda name: "another" if name == CHANGED else digest_of(name)
    )


def build_otherwise(context: Context, gold: Gold) -> None:
    """Let the feature have other values in one of the sessions that are sampled, as a rebuild leaves them."""
    session = gold.sessions[0]
    rows = context.lake.collect_table(GOLD_FEATURES_DAILY).filter(pl.col("session") == session)
    moved = rows.with_columns(pl.col(CHANGED) + 1.0)
    context.lake.replace(GOLD_FEATURES_DAILY, moved, scope=dates_condition([session]))


def said(context: Context) -> list[tuple[str, bool]]:
    """What the ledger says of lineages: why, and whether a person said so."""
    kept = [entry for entry in read_ledger(context.lake) if entry.kind == "lineage"]
    return [(entry.why, entry.numbers["by_person"]) for entry in kept]


def forecast(context: Context, gold: Gold) -> StageReport:
    return run_stage(context, "forecast", SessionRange(start=gold.sessions[-1], end=gold.sessions[-1]))


def refused(context: Context, lineage: Lineage) -> str | None:
    """What the service is told of the model."""
    store = FeastOnlineStore(context.params(FeatureStoreParams), context.home.feast)
    return store.refused(lineage.model_key)


def test_the_sample_was_drawn_over_what_is_changed_here(home: Home) -> None:
    frame = pl.DataFrame({"session": home[1].sessions[:60], "symbol": "S00"})
    sampled = choose_sample(frame)["session"].to_list()
    assert len(sampled) == 8
    assert {sampled[0], sampled[-1]} == {home[1].sessions[0], home[1].sessions[59]}


def test_what_was_trained_here_differs_in_nothing(home: Home) -> None:
    context, _, lineage = home
    assert set(lineage.feature_digests) == set(lineage.feature_names)
    assert compare_lineage(context, lineage).differs == {}
    check_binding(context, "1", lineage)
    assert said(context) == []
    assert accept_lineage(context, "1", lineage, "nothing to say") is None


@pytest.mark.usefixtures("otherwise")
def test_other_code_with_the_same_values_is_noted_once(home: Home) -> None:
    context, _, lineage = home
    assert compare_lineage(context, lineage).differs == {CHANGED: "another"}
    check_binding(context, "1", lineage)
    check_binding(context, "1", lineage)
    ((why, by_person),) = said(context)
    assert (why.startswith(f"{CHANGED} are made otherwise, and all "), by_person) == (True, False)
    assert refused(context, lineage) is None


@pytest.mark.usefixtures("otherwise")
def test_other_values_are_refused_until_a_person_takes_them(home: Home) -> None:
    context, gold, lineage = home
    build_otherwise(context, gold)
    with pytest.raises(SettingsError, match=f"otherwise than when it was trained: {CHANGED}; 6 of ") as error:
        forecast(context, gold)
    assert error.value.exit_code == 78
    assert refused(context, lineage) == str(error.value)
    assert said(context) == []
    with pytest.raises(BadDataError, match="why='' must say why"):
        accept_lineage(context, "1", lineage, " ")
    told = CliRunner().invoke(
        main, ["accept-lineage", "--home", str(context.home.root), "--why", "a unit, no more"]
    )
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["differs"] == {CHANGED: "another"}
    assert said(context) == [("a unit, no more", True)]
    assert refused(context, lineage) is None
    assert forecast(context, gold).status in {"done", "nothing_to_do"}


@pytest.mark.usefixtures("otherwise")
def test_a_sample_speaks_for_what_was_built_and_a_person_for_the_difference(home: Home) -> None:
    """The features were not built anew yet when the sample was read: their values may still change."""
    context, gold, lineage = home
    check_binding(context, "1", lineage)
    build_otherwise(context, gold)
    last, now = gold.sessions[-1], context.clock()
    rebuilt = StageReport(stage="build_features", definition="anew")
    context.run_log.record(rebuilt, SessionRange(start=last, end=last), started_at=now, finished_at=now)
    with pytest.raises(SettingsError, match="have other values now"):
        check_binding(context, "1", lineage)
    assert note_binding(context) == refused(context, lineage)
    accept_lineage(context, "1", lineage, "a unit, no more")
    again = StageReport(stage="build_features", definition="and another time")
    context.run_log.record(again, SessionRange(start=last, end=last), started_at=now, finished_at=now)
    check_binding(context, "1", lineage)
    assert note_binding(context) == ""


@pytest.mark.parametrize("name", ["curate", "price_basis", "calendar", "text_scorer"])
def test_each_definition_behind_the_features_counts(home: Home, name: str) -> None:
    context, _, lineage = home
    then = replace(lineage, definitions={**lineage.definitions, name: "another"})
    assert list(compare_lineage(context, then).differs) == [name]


def test_labels_and_what_a_former_release_did_not_record_do_not_count(home: Home) -> None:
    context, _, lineage = home
    other_labels = replace(lineage, definitions={**lineage.definitions, "labels": "another"})
    assert compare_lineage(context, other_labels).differs == {}
    assert compare_lineage(context, replace(lineage, definitions={}, feature_digests={})).differs == {}
    fewer = {name: value for name, value in lineage.definitions.items() if name != "curate"}
    assert compare_lineage(context, replace(lineage, definitions=fewer)).differs == {}


def test_a_feature_that_nobody_builds_any_more_differs(home: Home) -> None:
    context, _, lineage = home
    gone = replace(lineage, feature_digests={**lineage.feature_digests, "mom_return_9999d": "then"})
    assert compare_lineage(context, gone).differs == {"mom_return_9999d": ""}
    read = replace(gone, feature_names=(*gone.feature_names, "mom_return_9999d"))
    with pytest.raises(SettingsError, match="features that nobody builds any more: mom_return_9999d; train"):
        check_binding(context, "1", read)
    with pytest.raises(BadDataError, match="train a new model"):
        accept_lineage(context, "1", read, "we do without")


@pytest.mark.usefixtures("otherwise")
def test_a_sample_waits_until_features_are_built_from_what_curate_has_written(home: Home) -> None:
    context, gold, lineage = home
    bars(context, gold.sessions[-1], ["S00"])
    last, now = gold.sessions[-1], context.clock()
    built = StageReport(
        stage="build_features", inputs={"silver.bars": context.lake.version(SILVER_BARS) or 0}
    )
    context.run_log.record(built, SessionRange(start=last, end=last), started_at=now, finished_at=now)
    bars(context, gold.sessions[-2], ["S00"])
    with pytest.raises(TransientError, match="features are not built yet from what curate has written"):
        check_binding(context, "1", lineage)
    assert "cannot be told: features are not built yet" in note_binding(context)
    assert said(context) == []
    built = replace(built, inputs={"silver.bars": context.lake.version(SILVER_BARS) or 0})
    context.run_log.record(built, SessionRange(start=last, end=last), started_at=now, finished_at=now)
    check_binding(context, "1", lineage)
    assert len(said(context)) == 1


@pytest.mark.usefixtures("otherwise")
def test_a_frame_that_is_not_the_one_trained_on_proves_nothing(home: Home) -> None:
    context, _, lineage = home
    with pytest.raises(SettingsError, match="its training frame cannot be held against them"):
        check_binding(context, "1", replace(lineage, frame_digest="another"))


def test_a_row_that_is_gone_is_unequal_and_nulls_are_not() -> None:
    key = {"symbol": ["A", "B", "C"], "session": [1, 1, 1]}
    then = pl.DataFrame({**key, "f": [None, 1.0, float("nan")], "g": [0.5, 0.5, 0.5]})
    assert count_unequal(then, then.select("symbol", "session", "f", "g")) == 0
    assert count_unequal(then, then.filter(pl.col("symbol") != "B")) == 1
    assert count_unequal(then, then.with_columns(f=pl.lit(1.0))) == 2
