"""The handler states the session, its age and its coverage beside the forecasts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from serving.messages import BatchMessage, ForecastMessage
from serving.online.store import Published
from serving.refusals import Refusal
from tests.serving.hostile import good_row
from tests.serving.parts import NOW, SESSION, InMemoryStore, daily_row, make_handler

ASK = ForecastMessage(symbols=["AAA", "ZZZ"])


def test_a_model_that_must_not_score_what_is_published_is_refused(champion_folder) -> None:
    store = InMemoryStore([daily_row("AAA")])
    handler = make_handler(champion_folder, store)
    assert handler.why_not_ready() is None
    store.refusals = {"b" * 64: "another model's"}
    assert handler.forecast(ForecastMessage(symbols=["AAA"]), "r").forecasts[0].status == "ok"
    store.refusals = {"a" * 64: "its features are made otherwise"}
    with pytest.raises(Refusal, match="its features are made otherwise") as refusal:
        handler.forecast(ForecastMessage(symbols=["AAA"]), "r")
    assert (refusal.value.status, refusal.value.error) == (503, "lineage_differs")
    assert handler.why_not_ready() == "its features are made otherwise"


def test_an_answer_says_what_it_rests_on(champion_folder: Path) -> None:
    answer = make_handler(champion_folder, InMemoryStore([daily_row("AAA")])).forecast(ASK, "id-1")
    assert (answer.request_id, answer.session, answer.model.bento) == ("id-1", SESSION, "bellwether:aaaa")
    # Thursday 2018-02-08 opens at 14:30 UTC; the decision falls an hour earlier.
    assert answer.decision_at == datetime(2018, 2, 8, 13, 30, tzinfo=UTC)
    assert answer.age_seconds == (NOW - datetime(2018, 2, 7, 21, tzinfo=UTC)).total_seconds() == 54_000
    assert [forecast.status for forecast in answer.forecasts] == ["ok", "unknown_symbol"]
    assert answer.lag_sessions == 0


@pytest.mark.parametrize(("symbols", "partial"), [(95, False), (94, True), (0, True)])
def test_a_partial_universe_is_flagged(champion_folder: Path, symbols: int, partial: bool) -> None:
    newest = Published(session=SESSION, published_at=NOW, symbols=symbols, expected=100)
    universe = make_handler(champion_folder, InMemoryStore(newest=newest)).forecast(ASK, "id").universe
    assert (universe.symbols, universe.expected, universe.partial) == (symbols, 100, partial)


@pytest.mark.parametrize(("allowed", "status"), [(None, "ok"), (6, "ok"), (5, "stale")])
def test_an_old_publication_is_refused_only_where_the_setting_says_so(
    champion_folder: Path, allowed: int | None, status: str
) -> None:
    """At noon of 2018-02-08 session 2018-02-06 was the last decided one; 2018-01-29 is six before it."""
    old = date(2018, 1, 29)
    newest = Published(session=old, published_at=NOW, symbols=1, expected=1)
    handler = make_handler(
        champion_folder, InMemoryStore([daily_row("AAA", old)], newest=newest), max_lag_sessions=allowed
    )
    answer = handler.forecast(ForecastMessage(symbols=["AAA"]), "id")
    assert (answer.lag_sessions, answer.forecasts[0].status) == (6, status)


def test_it_is_not_ready_before_a_champion_and_a_publication(champion_folder: Path) -> None:
    store = InMemoryStore(newest=None)
    assert "no model is installed yet" in (make_handler(None, store).why_not_ready() or "")
    handler = make_handler(champion_folder, store)
    assert "no features are published yet" in (handler.why_not_ready() or "")
    store.newest = Published(session=SESSION, published_at=NOW, symbols=1, expected=1)
    assert handler.why_not_ready() is None


def test_a_silent_store_makes_it_not_ready(champion_folder: Path) -> None:
    class Broken(InMemoryStore):
        def read(self, symbols, views):
            msg = "disk I/O error"
            raise OSError(msg)

    assert (
        make_handler(champion_folder, Broken()).why_not_ready() == "the online store does not answer: OSError"
    )


def test_it_is_not_ready_while_nobody_follows_the_pointer(champion_folder: Path) -> None:
    handler = make_handler(champion_folder, InMemoryStore())
    assert handler.why_not_ready() is None
    lost = replace(handler, why_not_following=lambda: "nobody has looked")
    assert lost.why_not_ready() == "nobody has looked"
    assert lost.forecast(ASK, "id").forecasts


def test_questions_before_it_is_ready_are_refused(champion_folder: Path) -> None:
    with pytest.raises(
        Refusal, match="no features are published yet, or the record of it is torn; run `bellwether mat"
    ) as refusal:
        make_handler(champion_folder, InMemoryStore(newest=None)).forecast(ASK, "id")
    assert refusal.value.status == 503


def test_a_batch_needs_no_store(champion_folder: Path) -> None:
    message = msgspec.convert({"rows": [good_row()]}, BatchMessage)
    answer = make_handler(champion_folder, InMemoryStore(newest=None)).forecast_batch(message, "id")
    assert [forecast.status for forecast in answer.forecasts] == ["ok"]


def test_what_was_never_published_is_answered_without_a_read(champion_folder: Path) -> None:
    store = InMemoryStore([daily_row("AAA")], listed=frozenset({"AAA"}))
    handler = make_handler(champion_folder, store)
    strangers = [f"X{number}" for number in range(400)]
    for _ in range(3):
        answer = handler.forecast(ForecastMessage(symbols=["X0", "AAA", *strangers[1:]]), "r")
        assert [one.status for one in answer.forecasts[:2]] == ["unknown_symbol", "ok"]
        assert {one.status for one in answer.forecasts[2:]} == {"unknown_symbol"}
    assert store.reads == [["AAA"]]
    assert "X1 has no features in the online store" in (answer.forecasts[2].reason or "")
