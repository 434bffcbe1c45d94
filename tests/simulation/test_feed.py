"""Delivery: windows, arrival, texts, the oracle's table."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import polars as pl
from polars.testing import assert_frame_equal

from features.sessions import SessionCalendar
from simulation.feed import SimulatedFeed, compute_oracle, compute_true_bars
from simulation.params import FaultParams
from tests.simulation.markets import small_market

NOON = datetime(2023, 3, 1, 17, tzinfo=UTC)
FAULTS = FaultParams(
    enabled=True, nulls=0.05, duplicates=0.05, corrections=0.1, late_arrivals=0.1, missing_symbols=0.02
)


def test_windows_put_together_hold_what_one_window_holds():
    feed = SimulatedFeed(small_market(faults=FAULTS))
    edges = [NOON + timedelta(hours=31 * step) for step in range(20)]
    parts = [feed.deliver_bars(a, b) for a, b in pairwise(edges)]
    whole = feed.deliver_bars(edges[0], edges[-1])
    keys = ["symbol", "session", "received_at", "close"]
    assert_frame_equal(pl.concat(parts).sort(keys), whole.sort(keys))
    texts = [feed.deliver_texts(a, b) for a, b in pairwise(edges)]
    keys = ["symbol", "published_at", "text"]
    assert_frame_equal(pl.concat(texts).sort(keys), feed.deliver_texts(edges[0], edges[-1]).sort(keys))


def test_bars_arrive_between_fifteen_and_forty_minutes_after_the_close():
    bars = SimulatedFeed(small_market()).deliver_bars(NOON, NOON + timedelta(days=30))
    calendar = SessionCalendar("XNYS")
    closes = calendar.frame(date(2023, 2, 1), date(2023, 5, 1))
    late = (
        bars.join(closes, on="session").select(pl.col("received_at") - pl.col("event_timestamp")).to_series()
    )
    assert late.min() >= timedelta(minutes=15)
    assert late.max() < timedelta(minutes=40)


def test_faults_do_not_change_the_market_itself():
    clean = SimulatedFeed(small_market()).deliver_bars(NOON, NOON + timedelta(days=5))
    faulty = SimulatedFeed(small_market(faults=FAULTS)).deliver_bars(NOON, NOON + timedelta(days=5))
    same = faulty.join(clean, on=clean.columns, how="semi")
    assert 0.5 * clean.height < same.height < faulty.height


def test_true_bars_are_the_feed_without_its_faults():
    first, last = date(2023, 3, 1), date(2023, 3, 31)
    truth = compute_true_bars(small_market(faults=FAULTS), first, last)
    clean = SimulatedFeed(small_market()).deliver_bars(
        datetime(2023, 3, 1, tzinfo=UTC), datetime(2023, 4, 1, tzinfo=UTC)
    )
    assert_frame_equal(truth, clean)


def test_texts_are_published_at_any_hour_and_around_the_close():
    feed = SimulatedFeed(small_market(symbols=60))
    texts = feed.deliver_texts(datetime(2023, 1, 4, tzinfo=UTC), datetime(2024, 1, 4, tzinfo=UTC))
    published = texts["published_at"]
    assert published.dt.weekday().is_in([6, 7]).sum() > 20
    assert set(texts["origin"].unique()) == {"newswire", "social"}
    delay = (texts["received_at"] - published).dt.total_seconds()
    assert delay.min() >= 60
    assert delay.max() <= 300
    # The half-day of 2023-11-24 closed at 18:00 UTC; a summer close is at 20:00, a winter one at 21:00.
    for close in ("2023-11-24 18:00", "2023-07-05 20:00", "2023-12-05 21:00"):
        at = datetime.strptime(close, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        near = (published - at).dt.total_minutes().abs() <= 10
        assert near.sum() > 2


def test_tone_follows_the_last_completed_session_and_not_the_next():
    from pipelines.io.text_models import LexiconScorer

    params = small_market(symbols=60, annual_turnover=0.0)
    texts = SimulatedFeed(params).deliver_texts(
        datetime(2023, 1, 10, tzinfo=UTC), datetime(2024, 6, 4, tzinfo=UTC)
    )
    scores = LexiconScorer().score(texts["text"].to_list())
    calendar = SessionCalendar("XNYS")
    toned = texts.with_columns(
        tone=pl.Series(scores[:, 2] - scores[:, 0]), session=calendar.sessions_for(texts["published_at"])
    )
    bars = compute_true_bars(params, date(2023, 1, 3), date(2024, 6, 4)).sort("symbol", "session")
    moves = bars.with_columns(
        gross=(pl.col("close") + pl.col("dividend"))
        * pl.col("split")
        / pl.col("close").shift().over("symbol")
    ).with_columns(move=pl.col("gross").log() - pl.col("gross").log().mean().over("session"))
    moves = moves.with_columns(before=pl.col("move").shift().over("symbol"))
    joined = toned.join(moves, on=["symbol", "session"]).drop_nulls()
    assert joined.select(pl.corr("tone", "before")).item() > 0.2
    assert abs(joined.select(pl.corr("tone", "move")).item()) < 0.03


def test_oracle_table_has_a_score_for_every_listed_symbol():
    params = small_market(alpha_rank_ic=0.03)
    scores = compute_oracle(params, date(2023, 6, 1), date(2023, 6, 30))
    bars = compute_true_bars(params, date(2023, 6, 1), date(2023, 6, 30))
    keys = ["session", "symbol"]
    assert_frame_equal(scores.select(keys).sort(keys), bars.select(keys).sort(keys))
    assert scores["score"].abs().min() > 0


def test_a_hundred_symbols_and_a_thousand_sessions_take_seconds():
    feed = SimulatedFeed(small_market(symbols=100, seed=99, start=date(2021, 1, 4)))
    began = time.process_time()
    bars = feed.deliver_bars(datetime(2021, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC))
    assert bars.height > 80_000
    assert time.process_time() - began < 10
