"""Which symbols get a number, and what the others are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from serving.answers import Clock, answer_symbols, feature_frame, issued_by
from serving.online.store import ViewFeatures
from serving.schemas import Quantiles
from serving.served_model import ServedModel
from tests.serving.parts import (
    BEFORE,
    CALENDAR,
    SESSION,
    VIEWS,
    InMemoryStore,
    daily_row,
    issued_row,
    manifest_of,
    text_row,
)

CLOCK = Clock(session=SESSION, count=CALENDAR.count_between, max_staleness=0)


def answers_of(store: InMemoryStore, champion: ServedModel, symbols: list[str], clock: Clock = CLOCK):
    return {answer.symbol: answer for answer in answer_symbols(symbols, store.read(symbols), champion, clock)}


def test_a_good_row_is_computed_live_and_equals_the_model(champion: ServedModel) -> None:
    store = InMemoryStore([daily_row("AAA", mom_return_1d=0.02)], [text_row("AAA")])
    answer = answers_of(store, champion, ["AAA"])["AAA"]
    by_hand = pl.DataFrame(
        {"symbol": ["AAA"], "session": [SESSION], "mom_return_1d": [0.02], "vol_realised_20d": [0.5]}
        | {"mom_return_5d": [0.5], "text_sentiment_mean_1d": [0.25]}
    )
    assert (answer.status, answer.served_from, answer.staleness_sessions) == ("ok", "live", 0)
    assert answer.value == champion.predict(by_hand)["value"][0]
    assert answer.feature_timestamps == dict.fromkeys(
        ("features_daily", "features_text"), CALENDAR.close_at(SESSION)
    )


@pytest.mark.parametrize(
    ("row", "status", "reason"),
    [
        (None, "unknown_symbol", "AAA has no features"),
        (daily_row("AAA", BEFORE), "stale", "1 sessions behind 2018-02-07"),
        (daily_row("AAA", valid=False), "invalid", "missing or was retracted"),
        (daily_row("AAA", date(2018, 2, 8)), "other_session", "of session 2018-02-08, not of the published"),
    ],
)
def test_an_unusable_row_gets_a_reason_and_no_number(
    champion: ServedModel, row: dict | None, status: str, reason: str
) -> None:
    store = InMemoryStore([row] if row else [], [], [issued_row("AAA", 0.1, 0.5, session=BEFORE)])
    answer = answers_of(store, champion, ["AAA"])["AAA"]
    assert answer.status == status
    assert answer.reason is not None
    assert reason in answer.reason
    assert (answer.value, answer.rank, answer.quantiles, answer.served_from) == (None, None, None, None)


def test_older_features_pass_where_the_setting_allows_them(champion: ServedModel) -> None:
    clock = replace(CLOCK, max_staleness=1)
    answer = answers_of(InMemoryStore([daily_row("AAA", BEFORE)]), champion, ["AAA"], clock)["AAA"]
    assert (answer.status, answer.staleness_sessions, answer.session) == ("ok", 1, BEFORE)


def test_an_overdue_publication_makes_every_symbol_stale(champion: ServedModel) -> None:
    clock = replace(CLOCK, overdue="the newest published session is too old")
    answer = answers_of(InMemoryStore([daily_row("AAA")]), champion, ["AAA"], clock)["AAA"]
    assert (answer.status, answer.reason, answer.value) == (
        "stale",
        "the newest published session is too old",
        None,
    )


def test_answers_keep_the_order_of_the_request(champion: ServedModel) -> None:
    store = InMemoryStore([daily_row("BBB"), daily_row("AAA", mom_return_1d=1.0)])
    found = answer_symbols(["CCC", "BBB", "AAA"], store.read(["AAA", "BBB", "CCC"]), champion, CLOCK)
    assert [(answer.symbol, answer.status) for answer in found] == [
        ("CCC", "unknown_symbol"), ("BBB", "ok"), ("AAA", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", [None, text_row("AAA", BEFORE), text_row("AAA", valid=False)])
def test_texts_of_another_session_or_retracted_are_no_texts(champion: ServedModel, text: dict | None) -> None:
    store = InMemoryStore([daily_row("AAA")], [text] if text else [])
    frame = feature_frame(store.read(["AAA"]), manifest_of())
    assert frame.row(0) == ("AAA", SESSION, 0.5, 0.5, 0.5, None)


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        (None, "other_session", "the features of features_text are of session None, not of 2018-02-07"),
        (text_row("AAA", BEFORE), "other_session", "are of session 2018-02-06, not of 2018-02-07"),
        (text_row("AAA", valid=False), "invalid", "of session 2018-02-07 were retracted"),
    ],
)
def test_a_view_that_the_model_cannot_do_without_is_not_done_without(
    champion_folder: Path, text: dict | None, status: str, reason: str
) -> None:
    needing = ServedModel(manifest_of(views=(VIEWS[0], replace(VIEWS[1], required=True))), champion_folder)
    store = InMemoryStore([daily_row("AAA"), daily_row("BBB")], [text_row("BBB"), *([text] if text else [])])
    found = answers_of(store, needing, ["AAA", "BBB"])
    assert (found["AAA"].status, found["AAA"].value, found["BBB"].status) == (status, None, "ok")
    assert reason in (found["AAA"].reason or "")


def test_a_feature_that_no_view_holds_is_named() -> None:
    views = (ViewFeatures(name="features_daily", features=("mom_return_1d", "mom_unknown_3d")),)
    manifest = manifest_of(views=views, feature_names=views[0].features)
    with pytest.raises(ValueError, match=r"lacks features \['mom_unknown_3d'\] of features_daily"):
        feature_frame(InMemoryStore([daily_row("AAA")]).read(["AAA"], views), manifest)


def test_the_rank_is_the_issued_one_of_the_same_value_model_and_session(champion: ServedModel) -> None:
    store = InMemoryStore([daily_row(name) for name in ("AAA", "BBB", "CCC", "DDD")])
    value = answers_of(store, champion, ["AAA"])["AAA"].value
    store.issued = [
        issued_row("AAA", value, 0.75),
        issued_row("BBB", value + 0.01, 0.75),
        issued_row("CCC", value, 0.75, model_key="b" * 64),
        issued_row("DDD", value, 0.75, session=BEFORE),
    ]
    ranks = {
        name: answer.rank
        for name, answer in answers_of(store, champion, ["AAA", "BBB", "CCC", "DDD"]).items()
    }
    assert ranks == {"AAA": 0.75, "BBB": None, "CCC": None, "DDD": None}


def test_a_sequence_model_is_answered_from_what_it_issued(champion_folder) -> None:
    sequence = ServedModel(manifest_of(family="tft", history_sessions=20), champion_folder)
    store = InMemoryStore([daily_row("AAA"), daily_row("BBB")])
    store.issued = [issued_row("AAA", 0.3, 0.9, q10=-1.0, q50=0.2, q90=1.5)]
    found = answers_of(store, sequence, ["AAA", "BBB"])
    assert (found["AAA"].value, found["AAA"].rank, found["AAA"].served_from) == (0.3, 0.9, "issued")
    assert found["AAA"].quantiles == Quantiles(q10=-1.0, q50=0.2, q90=1.5)
    assert (found["BBB"].status, found["BBB"].value) == ("not_issued", None)
    assert "needs 20 sessions of history" in (found["BBB"].reason or "")


def test_forecasts_issued_for_another_session_are_not_taken(champion_folder) -> None:
    store = InMemoryStore([daily_row("AAA")], [], [issued_row("AAA", 0.3, 0.9, session=BEFORE)])
    assert issued_by(ServedModel(manifest_of(), champion_folder), store.read(["AAA"])) == {}


def test_until_the_store_holds_a_models_own_forecasts_those_that_it_brought_are_served(
    champion_folder,
) -> None:
    manifest = manifest_of(family="tft", history_sessions=20)
    brought = pl.DataFrame(
        [
            issued_row(symbol, value, 0.5, session=session) | {"model_key": manifest.model_key}
            for symbol, session, value in (("AAA", SESSION, 0.1), ("BBB", SESSION, 0.2), ("CCC", BEFORE, 0.3))
        ],
        schema_overrides=dict.fromkeys(("q10", "q50", "q90"), pl.Float64),
    )
    sequence = ServedModel(manifest, champion_folder, issued=brought)
    store = InMemoryStore([daily_row("AAA"), daily_row("BBB"), daily_row("CCC")])
    store.issued = [
        issued_row("AAA", 0.7, 0.9),
        issued_row("BBB", 9.0, 0.9) | {"model_key": "of the former champion"},
    ]
    found = answers_of(store, sequence, ["AAA", "BBB", "CCC"])
    assert {symbol: answer.value for symbol, answer in found.items()} == {"AAA": 0.7, "BBB": 0.2, "CCC": None}
    assert found["CCC"].status == "not_issued"
