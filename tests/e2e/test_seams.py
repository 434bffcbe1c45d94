"""A third feature view, a feature outside `core` and a new model family, added by registering them alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml
from starlette.testclient import TestClient

from feature_repo.definitions import view_ttl
from features.compute import compute_from_bars
from features.feature import Feature
from features.views import VIEWS, FeatureView, find_view, primary_view
from models.families import FAMILIES
from pipelines.app.runner import open_context, run_stage
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport
from pipelines.io.bento import BentoRepository
from pipelines.registry.champion import Champion, champion_at, load_champion
from pipelines.registry.ledger import LedgerEntry, append_entry, next_instant, read_ledger
from pipelines.registry.reproduction import reproduce
from pipelines.registry.training_frame import read_frame
from pipelines.stack.forecast_service import service_settings, write_settings
from pipelines.tables.contracts import SILVER_BARS, feature_table
from serving.online.feast_store import FeastOnlineStore
from serving.served_model import Manifest, read_manifest
from serving.setup import ServiceArguments
from tests.e2e.homes import BUILD, MARKET, NOW
from tests.models.toy_family import TOY
from tests.pipelines.conftest import SMALL_MODEL
from tests.pipelines.synthetic_gold import CALENDAR

pytestmark = pytest.mark.chain

FIRST = date(2023, 1, 3)
AS_OF = CALENDAR.shift(FIRST, 100)
ISSUE = ("forecast", "materialize", "install")


def make_feature(name: str, expression: pl.Expr, *, lookback: int = 1) -> Feature:
    family = name.partition("_")[0]
    return Feature(
        name=name, family=family, unit="log return", definition="of a test", lookback_sessions=lookback,
        source="tests", expression=expression,
    )  # fmt: skip


OUTSIDE = make_feature("mom_toy_1d", pl.col("log_return") * 2.0, lookback=2)
RANGE_1D = make_feature("range_high_low_1d", (pl.col("high") / pl.col("low")).log())
RANGE_2D = make_feature("range_body_1d", (pl.col("close") / pl.col("open")).log().abs())
TOY_VIEW = FeatureView(
    name="features_range",
    description="How wide a session was.",
    source="bars",
    columns=primary_view().columns,
    version_key=primary_view().version_key,
    features=(RANGE_1D, RANGE_2D),
    compute=compute_from_bars,
)
TOY_SET = ("range_high_low_1d", "mom_return_1d", "mom_toy_1d", "text_count_1d", "range_body_1d")
ADDED = (f"features.sets.toys={yaml.safe_dump(list(TOY_SET), default_flow_style=True).strip()}",)
WITH_TOYS = (
    *ADDED,
    "models.family=toy",
    "models.feature_set=toys",
    "models.baselines.reversal_feature=mom_return_1d",
    "models.baselines.momentum_feature=mom_toy_1d",
)


def open_home(folder: Path, *overrides: str) -> Context:
    settings, _ = load_settings(overrides=[*MARKET, *SMALL_MODEL, *overrides])
    return open_context(settings, folder, clock=lambda: NOW)


def run_all(context: Context, stages: tuple[str, ...], *, start: date = AS_OF) -> dict[str, StageReport]:
    return {stage: run_stage(context, stage, SessionRange(start=start, end=AS_OF)) for stage in stages}


def install(context: Context, trained: StageReport) -> Champion:
    """Make a trained model champion, as `promote` would, whatever its numbers on noise are."""
    version = str(trained.details["model_version"])
    entry = LedgerEntry(
        entry_id=f"test-{version}", kind="promotion", as_of=AS_OF, model_key=trained.details["model_key"],
        model_version=version, who="tests", previous_version="", why="a test", numbers={},
        decided_at=next_instant(read_ledger(context.lake), context.clock()),
    )  # fmt: skip
    append_entry(context.lake, entry)
    return champion_of(context)


def champion_of(context: Context) -> Champion:
    entry = champion_at(context, AS_OF)
    assert entry is not None
    return load_champion(context, entry)


def manifest_of(context: Context) -> Manifest:
    pointer = BentoRepository(context.home.bento).current()
    assert pointer is not None
    return read_manifest(context.home.bento / pointer.champion)


@dataclass(frozen=True)
class Before:
    """What the home held before anything was added."""

    context: Context
    champion: Champion
    frame: pl.DataFrame
    manifest: Manifest


@dataclass(frozen=True)
class After:
    """The same home after every stage ran with what was registered, and the toy model was installed."""

    context: Context
    repeated: dict[str, StageReport]
    core: Champion
    core_manifest: Manifest
    toy: Champion
    reports: dict[str, StageReport]


@pytest.fixture(scope="module")
def before(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Before:
    """A small market with a champion of today's features, packaged."""
    del spark  # started first, so that the home's own settings do not start another
    context = open_home(tmp_path_factory.mktemp("seams") / "home")
    run_all(context, BUILD, start=FIRST)
    run_all(context, ("train", "evaluate", "promote", *ISSUE))
    champion = champion_of(context)
    frame = read_frame(context, AS_OF, 1, champion.lineage.feature_names)
    return Before(context, champion, frame, manifest_of(context))


@pytest.fixture(scope="module")
def after(before: Before) -> Iterator[After]:
    with pytest.MonkeyPatch.context() as patch:
        daily = find_view("features_daily")
        patch.setitem(VIEWS, daily.name, replace(daily, features=(*daily.features, OUTSIDE)))
        patch.setitem(VIEWS, TOY_VIEW.name, TOY_VIEW)
        patch.setitem(FAMILIES, TOY.name, TOY)
        home = before.context.home.root
        core = open_home(home, *ADDED)
        repeated = run_all(core, (*BUILD, "train", *ISSUE))
        champion, manifest = champion_of(core), manifest_of(core)
        toys = open_home(home, *WITH_TOYS)
        trained = run_all(toys, ("train",))
        # Under today's settings, whose baselines read other features: the model's own are kept with it.
        judged = run_all(core, ("evaluate", "promote"))
        toy = install(toys, trained["train"])
        yield After(toys, repeated, champion, manifest, toy, trained | judged | run_all(toys, ISSUE))


def test_a_feature_outside_its_set_leaves_the_champion_as_it_was(before: Before, after: After) -> None:
    assert after.repeated["train"].details["model_key"] == before.champion.lineage.model_key
    assert after.repeated["train"].status == "unchanged"
    assert after.core.lineage == before.champion.lineage
    assert after.core_manifest == before.manifest
    assert after.repeated["install"].status == "unchanged"
    again = read_frame(after.context, AS_OF, 1, before.champion.lineage.feature_names)
    assert again.equals(before.frame)


def test_the_added_columns_reach_gold(after: After) -> None:
    table = feature_table(TOY_VIEW)
    rows = after.context.lake.collect_query(f"select * from {table.alias}", table)
    assert rows["symbol"].n_unique() > 3
    assert rows["session"].n_unique() > 70
    bars = after.context.lake.collect_query(
        f"select symbol, session, known_at, valid, high, low from {SILVER_BARS.alias}", SILVER_BARS
    )
    wide = newest_rows(bars).filter(pl.col("valid") & (pl.col("high") >= pl.col("low")))
    both = wide.join(newest_rows(rows), on=["symbol", "session"], how="left")
    assert both.height > 300
    far = (pl.col("range_high_low_1d") - (pl.col("high") / pl.col("low")).log()).abs()
    assert both.select(far.fill_null(1.0).max()).item() < 1e-9
    daily = feature_table(find_view("features_daily"))
    beside = after.context.lake.collect_query(
        f"select symbol, session, known_at, mom_return_1d, mom_toy_1d from {daily.alias}", daily
    ).drop_nulls()
    assert beside.height > 300
    assert (
        beside.select((pl.col("mom_toy_1d") / 2 - pl.col("mom_return_1d").log1p()).abs().max()).item() < 1e-9
    )


def test_the_toy_model_was_trained_on_its_own_set(after: After) -> None:
    lineage = after.toy.lineage
    assert (lineage.family, lineage.feature_set, lineage.feature_names) == ("toy", "toys", TOY_SET)
    assert set(lineage.feature_digests) == set(TOY_SET)
    frame = read_frame(after.context, AS_OF, 1, TOY_SET)
    assert frame.height == lineage.rows
    assert frame["range_high_low_1d"].null_count() < frame.height / 10


def test_the_toy_model_was_judged_beside_baselines_of_its_own_set(after: After) -> None:
    holdout = after.reports["evaluate"].details["holdout"]
    assert {row["forecaster"].split()[0] for row in holdout} >= {"reversal", "momentum", "ridge"}
    assert after.reports["promote"].details


def test_a_model_trained_now_is_reproduced(after: After) -> None:
    reproduced = reproduce(after.context, after.toy.entry.model_version)
    assert reproduced.succeeded, reproduced


def test_feast_serves_the_added_view(after: After) -> None:
    context = after.context
    store = FeastOnlineStore(context.settings.feature_store, context.home.feast)
    online = store.read_view("features_range", symbols_of(context)).sort("symbol")
    table, cut = feature_table(TOY_VIEW), CALENDAR.cutoff_at(AS_OF)
    gold = context.lake.collect_query(f"select * from {table.alias}", table)
    within_ttl = pl.col("session").is_between(AS_OF - view_ttl(CALENDAR), AS_OF)
    known = gold.filter(within_ttl & (pl.col("known_at") <= cut))
    newest = known.sort("session", "known_at").group_by("symbol", maintain_order=True).last().sort("symbol")
    assert online.height > 3
    assert online.equals(newest.select(online.columns))


def test_the_bento_holds_the_columns_of_the_set_alone(after: After) -> None:
    manifest = manifest_of(after.context)
    assert (manifest.family, manifest.feature_names) == ("toy", TOY_SET)
    assert {view.name: view.features for view in manifest.views} == {
        "features_daily": ("mom_return_1d", "mom_toy_1d"),
        "features_range": ("range_high_low_1d", "range_body_1d"),
        "features_text": ("text_count_1d",),
    }
    assert after.reports["install"].details["parity_symbols"] > 0


def test_the_toy_model_answers_over_http(after: After) -> None:
    context = after.context
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMETHEUS_MULTIPROC_DIR", str(context.home.run))
        patch.setenv("BENTOML_HOME", str(context.home.bento))
        from serving import service

        handed_on = write_settings(service_settings(context.settings, context.home), context.home)
        patch.setattr(service, "_arguments", ServiceArguments(settings=str(handed_on)))
        with TestClient(service.BellwetherService.to_asgi(), "http://localhost:3000") as client:
            symbols = symbols_of(context)
            answer = client.post("/forecast", json={"symbols": symbols}).json()
    assert answer["model"]["family"] == "toy"
    told = [one for one in answer["forecasts"] if one["status"] == "ok"]
    assert told
    assert all(one["served_from"] == "live" for one in told)
    stamps = told[0]["feature_timestamps"]
    assert stamps["features_range"] == stamps["features_daily"] is not None


def symbols_of(context: Context) -> list[str]:
    table = feature_table(TOY_VIEW)
    rows = context.lake.collect_query(f"select distinct symbol from {table.alias}", table)
    return sorted(rows["symbol"])


def newest_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("known_at").group_by("symbol", "session", maintain_order=True).last()
