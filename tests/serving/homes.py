"""A home as the service finds it: rows from the real feature store, champions in its Bento store."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import SecretStr

from feature_repo.definitions import ISSUED_VIEW, view_ttl
from features.sessions import SessionCalendar
from features.views import find_view, names_by_view
from pipelines.io.feature_store import FeatureStore
from pipelines.io.lake import Lake
from pipelines.tables.contracts import GOLD_FORECASTS, feature_table
from serving.online.params import FeatureStoreParams
from serving.online.store import ViewFeatures
from serving.served_model import Manifest, load_served_model
from tests.serving.parts import CALENDAR, SESSION, manifest_of, write_champion

PARAMS = FeatureStoreParams(online="sqlite", connection=SecretStr(""))
DAILY = find_view("features_daily").feature_names
TEXT = find_view("features_text").feature_names
ALPHA158 = find_view("features_alpha158").feature_names


def open_store(home: Path, params: FeatureStoreParams = PARAMS) -> FeatureStore:
    """The home's feature store; publishing touches no table."""
    lake = Lake(str(home / "lake"), no_spark)
    return FeatureStore(params, ttl=view_ttl(SessionCalendar()), folder=home / "feast", lake=lake, sets=())


def no_spark() -> None:
    """Publishing needs no Spark."""
    msg = "publishing must not start Spark"
    raise RuntimeError(msg)


def symbols_of(count: int) -> list[str]:
    """Names S000, S001, …"""
    return [f"S{number:03d}" for number in range(count)]


def feature_rows(symbols: list[str], view: str, *, session: date = SESSION, seed: int = 0) -> pl.DataFrame:
    """Random rows of a view's gold table; only every other symbol was in the texts."""
    about = symbols[::2] if view == "features_text" else symbols
    names, dtype = find_view(view).feature_names, find_view(view).value_type
    values = np.random.default_rng([seed, *view.encode()]).standard_normal((len(about), len(names)))
    close = CALENDAR.close_at(session)
    stamps = {"event_timestamp": close, "known_at": close + timedelta(minutes=10), "valid": True}
    key = pl.DataFrame({"symbol": about}).with_columns(
        session=pl.lit(session), month=pl.lit(f"{session:%Y-%m}")
    )
    features = [pl.Series(name, values[:, place], dtype) for place, name in enumerate(names)]
    rows = key.with_columns(*(pl.lit(value).alias(name) for name, value in stamps.items()), *features)
    return rows.select(feature_table(find_view(view)).columns)


def publish(
    home: Path,
    symbols: list[str],
    *,
    session: date = SESSION,
    seed: int = 0,
    params: FeatureStoreParams = PARAMS,
    views: tuple[str, ...] = ("features_daily", "features_text"),
) -> pl.DataFrame:
    """Publish a session's rows of the views, the daily one first, and return its rows."""
    store = open_store(home, params)
    rows = {view: feature_rows(symbols, view, session=session, seed=seed) for view in views}
    for view in views:
        store.publish(rows[view], view)
    daily = rows["features_daily"]
    store.record_publication(daily, session=session, at=CALENDAR.decision_at(session))
    return daily


def add_champion(home: Path, version: str, *, names: tuple[str, ...] = DAILY + TEXT) -> tuple[Path, Manifest]:
    """Write a champion below the home's Bento store, without making it current."""
    views = tuple(
        ViewFeatures(name=view, features=features) for view, features in names_by_view(names).items()
    )
    manifest = manifest_of(
        bento=f"bellwether:v{version}", model_version=version, model_key=version * 64, feature_names=names,
        views=views,
    )  # fmt: skip
    folder = home / "bento" / "bentos" / "bellwether" / f"v{version}" / "src" / "champion"
    return write_champion(folder, manifest, seed=int(version)), manifest


def issue(
    home: Path,
    champion: Path,
    symbols: list[str],
    *,
    session: date = SESSION,
    seed: int = 0,
    params: FeatureStoreParams = PARAMS,
) -> pl.DataFrame:
    """Publish what a champion forecasts for the published session, as the forecast stage does."""
    model = load_served_model(champion)
    rows = pl.DataFrame({"symbol": symbols}).with_columns(session=pl.lit(session))
    for view in model.manifest.views:
        held = feature_rows(symbols, view.name, session=session, seed=seed)
        rows = rows.join(held.select("symbol", *view.features), on="symbol", how="left")
    forecasts = model.predict(rows.select("symbol", "session", *model.manifest.feature_names))
    issued_at: datetime = CALENDAR.decision_at(session)
    constants = {
        "horizon": pl.lit(5, pl.Int32), "model_key": pl.lit(model.manifest.model_key),
        "model_version": pl.lit(model.manifest.model_version), "family": pl.lit("xgboost"),
        "universe": pl.lit(len(symbols), pl.Int32), "decision_at": pl.lit(issued_at),
        "cutoff_at": pl.lit(CALENDAR.cutoff_at(session)), "issue": pl.lit("i"), "input_digest": pl.lit("d"),
        "issued_at": pl.lit(issued_at), "event_timestamp": pl.lit(CALENDAR.close_at(session)),
        "in_sample": pl.lit(value=False), "month": pl.lit(f"{session:%Y-%m}"),
        **{name: pl.lit(None, pl.Float64) for name in ("q10", "q50", "q90")},
    }  # fmt: skip
    rank = ((pl.col("value").rank("average") - 0.5) / pl.len()).alias("rank")
    issued = forecasts.with_columns(rank, **constants).select(GOLD_FORECASTS.columns)
    open_store(home, params).publish(issued, ISSUED_VIEW)
    return issued
