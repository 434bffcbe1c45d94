"""A champion is packed once its served answers equal the batch scorer's, and not before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest

from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, UnavailableError
from pipelines.base.report import SessionRange
from pipelines.io.bento import BentoRepository
from pipelines.io.model_folder import forecaster_folder, read_forecaster
from pipelines.registry.ledger import LedgerEntry, append_entry
from pipelines.registry.lineage import Lineage, write_lineage
from pipelines.stages.package.job import run
from pipelines.tables.contracts import GOLD_FORECASTS
from serving.pointer import POINTER_FILE
from serving.served_model import load_served_model, read_manifest
from tests.gold_tables import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT
from tests.pipelines.synthetic_gold import CALENDAR, Gold, append_rows, make_gold
from tests.serving.homes import DAILY, TEXT
from tests.serving.parts import fit_forecaster

NAMES = DAILY + TEXT


@pytest.fixture(scope="module")
def gold() -> Gold:
    """Eight sessions of twelve symbols."""
    return make_gold(sessions=8)


@pytest.fixture(scope="module")
def context(
    open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory, gold: Gold
) -> Context:
    """A home with gold tables and nothing published."""
    opened = open_home(tmp_path_factory.mktemp("package"), "package.parity_symbols=10")
    append_rows(opened.lake, GOLD_FEATURES_DAILY, gold.daily)
    append_rows(opened.lake, GOLD_FEATURES_TEXT, gold.text)
    return opened


def lineage_of(key: str, as_of: date, **changes: object) -> Lineage:
    """What a model was made from, as far as packaging reads it."""
    instant = datetime(2016, 1, 1, tzinfo=UTC)
    known = Lineage(
        model_key=key, family="xgboost", as_of=as_of, cutoff_at=instant, horizon_sessions=1,
        feature_names=NAMES,
        history_sessions=1, rows=1, frame_digest="", table_versions={}, feature_set="core",
        feature_digests={}, definitions={}, code_revision="", git_commit="", settings_hash="",
        model_settings={},
        universe_rule="", splits={}, seed=0, fitted_until=instant, embargo_sessions=0,
    )  # fmt: skip
    return replace(known, **changes)  # type: ignore[arg-type]


def install(context: Context, version: str, as_of: date, **changes: object) -> str:
    """Make a fitted model the champion of an as-of, as training and promotion leave it."""
    key = version * 64
    folder = context.home.mlflow / "models" / f"{key}-v{version}"
    fit_forecaster(NAMES, seed=int(version)).save(forecaster_folder(folder))
    write_lineage(lineage_of(key, as_of, **changes), folder)
    entry = LedgerEntry(
        entry_id=key, kind="promotion", as_of=as_of, model_key=key, model_version=version, who="tests",
        previous_version="", why="tests", numbers={}, decided_at=context.clock(),
    )  # fmt: skip
    append_entry(context.lake, entry)
    return key


def issue(context: Context, key: str, gold: Gold, session: date, *, wrong_by: float = 0.0) -> None:
    """Append a champion's forecasts of one session, the first symbol's moved by `wrong_by`."""
    rows = gold.daily.filter(pl.col("session") == session)
    text = gold.text.filter(pl.col("session") == session).select("symbol", *TEXT)
    model = read_forecaster(context.home.mlflow / "models" / f"{key}-v{key[0]}")
    forecasts = model.predict(rows.join(text, on="symbol", how="left").select("symbol", "session", *NAMES))
    instant = CALENDAR.cutoff_at(session)
    constants = {
        "horizon": pl.lit(1, pl.Int32), "model_key": pl.lit(key), "model_version": pl.lit(key[0]),
        "family": pl.lit("xgboost"), "universe": pl.lit(12, pl.Int32), "decision_at": pl.lit(instant),
        "cutoff_at": pl.lit(instant), "issue": pl.lit("i"), "input_digest": pl.lit("d"),
        "issued_at": pl.lit(instant), "event_timestamp": pl.lit(CALENDAR.close_at(session)),
        "in_sample": pl.lit(value=False), "month": pl.lit(f"{session:%Y-%m}"), "rank": pl.lit(0.5),
        **{name: pl.lit(None, pl.Float64) for name in ("q10", "q50", "q90")},
    }  # fmt: skip
    moved = pl.when(pl.col("symbol") == "S00").then(pl.col("value") + wrong_by).otherwise(pl.col("value"))
    append_rows(context.lake, GOLD_FORECASTS, forecasts.with_columns(moved.alias("value"), **constants))


def test_the_story_of_four_champions(context: Context, gold: Gold) -> None:
    """One home from its first day on: each step starts where the one before ended."""
    first, second, third, fourth = gold.sessions[-4:]
    window = SessionRange(start=first, end=first)
    assert run(context, window).status == "nothing_to_do"

    key = install(context, "1", first)
    with pytest.raises(
        UnavailableError, match="nothing is published to the online store yet; run `bellwether mat"
    ):
        run(context, window)

    run_stage(context, "materialize", window)
    report = run(context, window)
    repository = BentoRepository(context.home.bento)
    pointer = repository.current()
    assert pointer is not None
    assert (report.status, report.details["bento"]) == ("done", pointer.tag)
    assert pointer.tag.startswith(f"bellwether:v1-{key[:12]}-")
    assert report.details["compared_with"] == "gold.features_daily"
    assert report.details["parity_symbols"] == 10
    assert report.details["parity_largest_difference"] <= 1e-6
    champion = load_served_model(repository.folder / pointer.champion)
    assert (champion.manifest.model_key, champion.manifest.feature_names) == (key, NAMES)
    assert [(view.name, view.features) for view in champion.manifest.views] == [
        ("features_daily", DAILY), ("features_text", TEXT),
    ]  # fmt: skip
    assert run(context, window).status == "unchanged"
    for torn in (b"", b'{"tag": "bell', b"\xff\xfe", b"null"):
        (repository.folder / POINTER_FILE).write_bytes(torn)
        assert (run(context, window).status, repository.current()) == ("done", pointer)

    issue(context, install(context, "2", second), gold, second)
    run_stage(context, "materialize", SessionRange(start=second, end=second))
    report = run(context, SessionRange(start=second, end=second))
    assert (report.status, report.details["compared_with"]) == ("done", "gold.forecasts")
    kept = repository.current()
    assert kept is not None
    assert kept.model_version == "2"

    issue(context, install(context, "3", third), gold, third, wrong_by=0.25)
    run_stage(context, "materialize", SessionRange(start=third, end=third))
    with pytest.raises(
        BadDataError, match=r"1 of 10 served answers .* \(largest 0\.25\); the former champion stays"
    ):
        run(context, SessionRange(start=third, end=third))
    assert repository.current() == kept

    install(context, "4", fourth, history_sessions=20, family="tft")
    run_stage(context, "materialize", SessionRange(start=fourth, end=fourth))
    with pytest.raises(
        BadDataError, match=f"version 4 has no batch forecasts for {fourth} to be compared with; run"
    ):
        run(context, SessionRange(start=fourth, end=fourth))
    assert read_manifest(repository.folder / kept.champion).model_version == "2"
