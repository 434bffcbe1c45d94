"""What a scorer says about a text, followed through gold, the online store and the model to an answer."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx
import polars as pl
import pytest

from benchmarks.serving_load import wait_until_ready
from features.views import find_view
from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.report import SessionRange
from pipelines.io.text_models import scorer_version
from pipelines.registry.champion import champion_at, load_champion
from pipelines.tables.contracts import GOLD_FORECASTS, SILVER_TEXT_SCORES
from serving.online.feast_store import FeastOnlineStore
from tests.e2e.homes import QUICK_MODEL, open_market
from tests.gold_tables import GOLD_FEATURES_TEXT
from tests.pipelines.io.tiny_bert import save_tiny_bert
from tests.serving.process import serving

pytestmark = pytest.mark.chain
SYMBOLS, START, TRAINED, FORECAST = 10, date(2022, 10, 3), date(2023, 3, 15), date(2023, 3, 16)
MARKET = (
    f"sources.simulated.start={START}",
    f"sources.simulated.symbols={SYMBOLS}",
    *QUICK_MODEL,
)
SENTIMENT = list(find_view("features_text").feature_names)
SESSION_SENTIMENT = "text_sentiment_mean_1d"


@dataclass(frozen=True)
class Told:
    """A home with a champion, and what its service answered."""

    context: Context
    scores: pl.DataFrame
    gold: pl.DataFrame
    answer: dict[str, Any]
    batch: dict[str, Any]
    turned: dict[str, Any]


@pytest.fixture(scope="module", params=["lexicon", "transformers"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp(request.param)
    scorer = [f"text.scorer={request.param}"]
    if request.param == "transformers":
        scorer += [f"text.model={save_tiny_bert(folder / 'bert')}", "text.device=cpu"]
    context = open_market(folder / "home", *MARKET, *scorer)
    history, day = SessionRange(start=START, end=TRAINED), SessionRange(start=FORECAST, end=FORECAST)
    for stage in ("ingest", "curate", "score_text", "build_features"):
        run_stage(context, stage, history)
    for stage in ("train", "evaluate", "promote"):
        run_stage(context, stage, SessionRange(start=TRAINED, end=TRAINED))
    for stage in ("ingest", "curate", "score_text", "build_features", "materialize", "forecast", "install"):
        run_stage(context, stage, day)
    gold = rows_of(context, GOLD_FEATURES_TEXT).filter(pl.col("session") == FORECAST)
    with serving(context.home.root, overrides=MARKET, log=folder / "service.log") as address:
        answer, batch, turned = asyncio.run(ask(context, address))
    return Told(context, rows_of(context, SILVER_TEXT_SCORES), gold, answer, batch, turned)


def rows_of(context: Context, contract: Any) -> pl.DataFrame:
    return context.lake.collect(context.lake.scan_table(contract))


async def ask(context: Context, address: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Ask for all symbols, then for their rows as they stand, and with every sentiment turned round."""
    online_store = FeastOnlineStore(context.settings.feature_store, context.home.feast)
    symbols = issued(context)["symbol"].to_list()
    daily = online_store.read_view("features_daily", symbols).drop("month", strict=False)
    rows = daily.join(
        online_store.read_view("features_text", symbols).select("symbol", *SENTIMENT), on="symbol", how="left"
    )
    opposite = rows.with_columns(pl.col(name) * -1 for name in SENTIMENT if "sentiment" in name)
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        await wait_until_ready(client, seconds=120)
        answer = await client.post("/forecast", json={"symbols": symbols})
        batches = [await client.post("/forecast_batch", json=body_of(frame)) for frame in (rows, opposite)]
    return answer.json(), *(batch.json() for batch in batches)


def body_of(rows: pl.DataFrame) -> dict[str, Any]:
    names = [name for name, dtype in rows.schema.items() if dtype.is_float()]
    return {
        "rows": [
            {
                "symbol": row["symbol"],
                "session": str(row["session"]),
                "features": {
                    name: None if row[name] is None or math.isnan(row[name]) else row[name] for name in names
                },
            }
            for row in rows.to_dicts()
        ]
    }


def issued(context: Context) -> pl.DataFrame:
    return rows_of(context, GOLD_FORECASTS).filter(pl.col("session") == FORECAST).sort("symbol")


def values_of(answer: dict[str, Any]) -> dict[str, float]:
    return {row["symbol"]: row["value"] for row in answer["forecasts"]}


def test_scores_reach_gold(told: Told) -> None:
    assert set(told.scores["model_version"]) == {scorer_version(told.context.settings.text)}
    said = told.gold.filter(pl.col(SESSION_SENTIMENT).is_not_null())
    assert said.height > 0
    assert said[SESSION_SENTIMENT].n_unique() > 1


def test_gold_reaches_the_online_store(told: Told) -> None:
    online_store = FeastOnlineStore(told.context.settings.feature_store, told.context.home.feast)
    online = online_store.read_view("features_text", told.gold["symbol"].to_list())
    keys = ["symbol", "session", *SENTIMENT]
    assert online.select(keys).sort("symbol").equals(told.gold.select(keys).sort("symbol"))


def test_the_model_was_trained_on_them(told: Told) -> None:
    entry = champion_at(told.context, FORECAST)
    assert entry is not None
    champion = load_champion(told.context, entry)
    assert set(SENTIMENT) <= set(champion.lineage.feature_names)


def test_the_service_answers_with_what_was_issued_from_them(told: Told) -> None:
    rows = issued(told.context)
    assert rows.height > SYMBOLS // 2
    assert {row["status"] for row in told.answer["forecasts"]} == {"ok"}
    assert values_of(told.answer) == pytest.approx(dict(rows.select("symbol", "value").rows()), abs=1e-9)
    stamps = [row["feature_timestamps"]["features_text"] for row in told.answer["forecasts"]]
    assert any(stamp is not None for stamp in stamps)


def test_another_sentiment_is_another_forecast(told: Told) -> None:
    assert values_of(told.batch) == pytest.approx(values_of(told.answer), abs=1e-9)
    assert values_of(told.turned) != pytest.approx(values_of(told.batch), abs=1e-9)
