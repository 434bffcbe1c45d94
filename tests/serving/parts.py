"""Small real parts for the service's tests: a fitted model in a folder, and rows held in memory."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import SecretStr

from features.sessions import INSTANT, SessionCalendar
from models.xgboost_forecaster import XGBoostForecaster
from models.xgboost_params import XGBoostParams
from serving.handler import ForecastHandler
from serving.online.params import FeatureStoreParams
from serving.online.store import OnlineRows, Published, ViewFeatures
from serving.params import ServingParams
from serving.pointer import Pointer, write_pointer
from serving.served_model import (
    FORECASTER_FOLDER,
    Manifest,
    ServedModel,
    digest_folder,
    load_served_model,
    write_manifest,
)
from serving.settings import ServiceDefaults

DAILY = ("mom_return_1d", "vol_realised_20d", "mom_return_5d")
TEXT = ("text_sentiment_mean_1d",)
NAMES = (*DAILY, *TEXT)
VIEWS = (
    ViewFeatures(name="features_daily", features=DAILY),
    ViewFeatures(name="features_text", features=TEXT),
)
SESSION = date(2018, 2, 7)
BEFORE = date(2018, 2, 6)
CALENDAR = SessionCalendar("XNYS", decision_lead_minutes=60)
NOW = datetime(2018, 2, 8, 12, tzinfo=UTC)
PARAMS = ServingParams(
    max_symbols=500, max_batch_rows=20_000, max_body_bytes=2**20, max_staleness_sessions=0,
    max_lag_sessions=None, min_universe_share=0.95, poll_seconds=0.05, cache=True, token_file="",
)  # fmt: skip
DEFAULTS = ServiceDefaults(
    serving=PARAMS,
    calendar_name="XNYS",
    decision_lead_minutes=60,
    feature_store=FeatureStoreParams(online="sqlite", connection=SecretStr("")),
)


def fit_forecaster(names: Sequence[str] = NAMES, *, seed: int = 0) -> XGBoostForecaster:
    """A forecaster fitted on 400 rows whose target is the first feature plus noise."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((400, len(names)))
    frame = pl.DataFrame(
        {
            "symbol": [f"S{k % 20}" for k in range(400)],
            "session": [date(2017, 1, 2) + timedelta(days=k // 20) for k in range(400)],
            "target": values[:, 0] + 0.1 * rng.standard_normal(400),
        }
        | {name: values[:, place] for place, name in enumerate(names)}
    )
    params = XGBoostParams(max_rounds=8, early_stopping_rounds=8, threads=1)
    early, late = (
        frame.filter(pl.col("session") < date(2017, 1, 15)),
        frame.filter(pl.col("session") >= date(2017, 1, 15)),
    )
    return XGBoostForecaster(params, tuple(names), seed=seed).fit(early, late)


def manifest_of(**changes: Any) -> Manifest:
    """A row model's manifest; `changes` replaces single values."""
    known = Manifest(
        bento="bellwether:aaaa", release="0.1.0", model_version="1", model_key="a" * 64, family="xgboost",
        horizon=5, history_sessions=1, feature_set="small", feature_names=NAMES, views=VIEWS,
        settings=DEFAULTS.without_secrets(),
    )  # fmt: skip
    return replace(known, **changes)


def write_champion(folder: Path, manifest: Manifest | None = None, *, seed: int = 0) -> Path:
    """Write a champion's folder and return it."""
    chosen = manifest or manifest_of()
    folder.mkdir(parents=True, exist_ok=True)
    fit_forecaster(chosen.feature_names, seed=seed).save(folder / FORECASTER_FOLDER)
    write_manifest(folder, chosen)
    return folder


def point_at(store: Path, champion: Path, manifest: Manifest) -> None:
    """Make a champion below a Bento store the current one."""
    write_pointer(
        store,
        Pointer(
            tag=manifest.bento, champion=str(champion.relative_to(store)), digest=digest_folder(champion),
            model_version=manifest.model_version, model_key=manifest.model_key,
        ),
    )  # fmt: skip


def daily_row(
    symbol: str, session: date = SESSION, *, valid: bool = True, **values: float | None
) -> dict[str, Any]:
    """A row of the daily view; features not named are 0.5, and null where the bar is not valid."""
    default = 0.5 if valid else None
    features = {name: values.get(name, default) for name in DAILY}
    close = CALENDAR.close_at(session)
    return {"symbol": symbol, "session": session, "event_timestamp": close, "valid": valid, **features}


def text_row(
    symbol: str, session: date = SESSION, *, valid: bool = True, mean: float = 0.25
) -> dict[str, Any]:
    """A row of the text view."""
    close = CALENDAR.close_at(session)
    return {"symbol": symbol, "session": session, "event_timestamp": close, "valid": valid, TEXT[0]: mean}


def issued_row(symbol: str, value: float, rank: float, **changes: Any) -> dict[str, Any]:
    """A row of the issued forecasts, by the model of `manifest_of`."""
    row = {"symbol": symbol, "session": SESSION, "model_key": "a" * 64, "value": value, "rank": rank}
    return {**row, "q10": None, "q50": None, "q90": None, **changes}


_KEYS = {"symbol": pl.String, "session": pl.Date}
_VIEW = {**_KEYS, "event_timestamp": INSTANT, "valid": pl.Boolean}
_DAILY = {**_VIEW, **dict.fromkeys(DAILY, pl.Float64)}
_TEXT = {**_VIEW, **dict.fromkeys(TEXT, pl.Float64)}
_ISSUED = {**_KEYS, "model_key": pl.String} | dict.fromkeys(
    ("value", "rank", "q10", "q50", "q90"), pl.Float64
)


@dataclass
class InMemoryStore:
    """An online store in memory, with a version that the test raises when it publishes."""

    daily: list[Mapping[str, Any]] = field(default_factory=list)
    text: list[Mapping[str, Any]] = field(default_factory=list)
    issued: list[Mapping[str, Any]] = field(default_factory=list)
    newest: Published | None = field(
        default_factory=lambda: Published(session=SESSION, published_at=NOW, symbols=3, expected=3)
    )
    number: int = 0
    listed: frozenset[str] | None = None
    refusals: dict[str, str] = field(default_factory=dict)
    reads: list[list[str]] = field(default_factory=list)

    def read(self, symbols: Sequence[str], views: Sequence[ViewFeatures] = VIEWS) -> OnlineRows:
        """Return the rows of the symbols."""
        self.reads.append(list(symbols))
        held = {"features_daily": (self.daily, _DAILY), "features_text": (self.text, _TEXT)}

        def known(rows: list[Mapping[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
            return pl.DataFrame([row for row in rows if row["symbol"] in symbols], schema=schema)

        frames = {view.name: known(*held[view.name]) for view in views}
        picked = {
            view.name: frames[view.name].select(
                *_VIEW, *(name for name in view.features if name in frames[view.name].columns)
            )
            for view in views
        }
        return OnlineRows(views=picked, issued=known(self.issued, _ISSUED))

    def published(self) -> Published | None:
        """Return the newest publication."""
        return self.newest

    def symbols(self) -> frozenset[str] | None:
        """Return the list that the test set."""
        return self.listed

    def refused(self, model_key: str) -> str | None:
        """Return why a model must not score, as the test set it."""
        return self.refusals.get(model_key)

    def version(self) -> Hashable | None:
        """Return the version that the test set."""
        return self.number


def make_handler(folder: Path | None, store: InMemoryStore, **params: Any) -> ForecastHandler:
    """A handler over a model's folder and a store in memory."""
    model: ServedModel | None = None if folder is None else load_served_model(folder)
    return ForecastHandler(
        params=replace(PARAMS, **params), current_model=lambda: model, store=store, calendar=CALENDAR,
        clock=lambda: NOW,
    )  # fmt: skip
