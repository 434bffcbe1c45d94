"""Fitted models made champions without a training run, for tests of what comes after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from models.tft_forecaster import TFTForecaster
from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.report import SessionRange
from pipelines.io.model_folder import forecaster_folder, read_forecaster
from pipelines.registry.champion import tracking_of
from pipelines.registry.installation import install
from pipelines.registry.ledger import LedgerEntry, append_entry, next_instant, read_ledger
from pipelines.registry.lineage import Lineage, write_lineage
from pipelines.registry.trained_models import record_trained
from pipelines.stages.train.registration import register_run
from pipelines.tables.contracts import GOLD_FORECASTS
from tests.gold_tables import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT
from tests.models.settings import MODELS
from tests.pipelines.registry.test_universe import bars
from tests.pipelines.synthetic_gold import CALENDAR, Gold, append_rows, make_gold
from tests.serving.homes import DAILY, TEXT
from tests.serving.parts import fit_forecaster

NAMES = DAILY + TEXT
HISTORY = 4
SYMBOLS = [f"S{place:02d}" for place in range(12)]
ROW, SEQUENCE = "1", "2"


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


def make_model(
    context: Context, version: str, as_of: date, *, recorded: bool = True, **changes: object
) -> str:
    """Fit a model and register it as training does; return its key. `recorded` in the lake, or not."""
    key = version * 64
    lineage = lineage_of(key, as_of, **changes)
    folder = context.home.mlflow / "models" / f"{key}-v{version}"
    fitted = (
        fit_sequence(int(version)) if lineage.family == "tft" else fit_forecaster(NAMES, seed=int(version))
    )
    fitted.save(forecaster_folder(folder))
    write_lineage(lineage, folder)
    if recorded:
        record_trained(context.lake, lineage, folder)
    tracking = tracking_of(context)
    run = tracking.begin_run(key, name=version, tags={}, started_at=context.clock())
    assert register_run(tracking, run, lineage).version == version
    return key


def make_champion(context: Context, version: str, as_of: date, **changes: object) -> str:
    """Make a fitted model the champion of an as-of, in the ledger alone."""
    recorded = bool(changes.pop("recorded", False))
    key = make_model(context, version, as_of, recorded=recorded, **changes)
    entry = LedgerEntry(
        entry_id=key, kind="promotion", as_of=as_of, model_key=key, model_version=version, who="tests",
        previous_version="", why="tests", numbers={},
        decided_at=next_instant(read_ledger(context.lake), context.clock()),
    )  # fmt: skip
    append_entry(context.lake, entry)
    return key


def fit_sequence(seed: int) -> TFTForecaster:
    """A sequence model that looks at `HISTORY` sessions, fitted for as long as it takes to be one."""
    rng = np.random.default_rng(seed)
    days = CALENDAR.sessions(date(2015, 9, 1), date(2015, 12, 1))[:40]
    frame = pl.DataFrame({"session": days}).join(
        pl.DataFrame({"symbol": [f"S{place:02d}" for place in range(12)]}), how="cross"
    )
    values = rng.standard_normal((frame.height, len(NAMES)))
    frame = frame.with_columns(
        pl.Series("target", values[:, 0]), *(pl.Series(name, values[:, k]) for k, name in enumerate(NAMES))
    )
    params = replace(MODELS.tft, history_sessions=HISTORY, max_epochs=1, batches_per_epoch=2)
    early, late = frame.filter(pl.col("session") < days[25]), frame.filter(pl.col("session") >= days[25])
    return TFTForecaster(params, NAMES, seed=seed).fit(early, late)


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


def fill_home(context: Context) -> Gold:
    """Fill a home: a row model is champion and has issued for the published session; a sequence model waits.

    Their versions are `ROW` and `SEQUENCE`; the published session is the last of what comes back.
    """
    gold = make_gold(sessions=12, symbols=len(SYMBOLS))
    append_rows(context.lake, GOLD_FEATURES_DAILY, gold.daily)
    append_rows(context.lake, GOLD_FEATURES_TEXT, gold.text)
    since, last = gold.sessions[-3], gold.sessions[-1]
    for session in gold.sessions[-2:]:
        bars(context, session, SYMBOLS)
    run_stage(context, "materialize", SessionRange(start=last, end=last))
    issue(context, make_champion(context, ROW, since, recorded=True), gold, last)
    install(context)
    make_model(context, SEQUENCE, since, family="tft", history_sessions=HISTORY)
    return gold
