"""Each kind of feed fault, seen alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from simulation.faults import inject_faults, repeat_some
from simulation.params import RATES, FaultParams

FRIDAY = date(2023, 3, 3)
CLOSE = datetime(2023, 3, 3, 21, 20, tzinfo=UTC)
ROWS = pl.DataFrame(
    {
        "symbol": [f"S{number:02d}" for number in range(10)],
        "session": [FRIDAY] * 10,
        "open": [10.0] * 10,
        "high": [12.0] * 10,
        "low": [9.0] * 10,
        "close": [11.0] * 10,
        "volume": [1000.0] * 10,
        "received_at": [CLOSE] * 10,
    }
)
PRICES = ["open", "high", "low", "close"]


def faulty(session: date = FRIDAY, **rates: Any) -> pl.DataFrame:
    return inject_faults(ROWS, session, FaultParams(**{"enabled": True} | rates), seed=1)


def changed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.join(ROWS, on=ROWS.columns, how="anti", nulls_equal=True)


def test_nulls_empty_one_field_of_a_row():
    rows = changed(faulty(nulls=1.0))
    assert rows.height == 10
    assert (
        rows.select(pl.sum_horizontal(pl.col(*PRICES, "volume").is_null())).to_series().to_list() == [1] * 10
    )


def test_bad_ticks_scale_the_whole_bar():
    rows = changed(faulty(bad_ticks=1.0))
    factor = rows["close"] / 11
    assert rows.height == 10
    assert factor.is_between(0.5, 2.0).all()
    assert not factor.is_between(0.75, 1.35).any()
    assert (rows["high"] >= rows["close"]).all()


def test_duplicates_send_rows_twice():
    rows = faulty(duplicates=1.0)
    assert rows.height == 20
    assert_frame_equal(rows.unique(), ROWS, check_row_order=False)


def test_corrections_send_a_wrong_bar_and_the_right_one_days_later():
    rows = faulty(corrections=1.0).sort("symbol", "received_at")
    wrong, right = rows[::2], rows[1::2]
    assert_frame_equal(right.drop("received_at"), ROWS.drop("received_at"))
    assert (wrong["close"] != 11).all()
    assert (wrong["received_at"] == CLOSE).all()
    assert (right["received_at"] - CLOSE).is_between(timedelta(days=1), timedelta(days=5)).all()


def test_missing_symbols_are_not_sent():
    assert faulty(missing_symbols=1.0).is_empty()


def test_late_arrivals_are_hours_late():
    late = faulty(late_arrivals=1.0)["received_at"] - CLOSE
    assert late.is_between(timedelta(hours=16), timedelta(hours=72)).all()


def test_ohlc_violations_have_a_high_below_the_low():
    rows = faulty(ohlc_violations=1.0)
    assert (rows["high"] < rows["low"]).all()


def test_negative_prices_have_a_negative_close():
    assert faulty(negative_prices=1.0)["close"].to_list() == [-11.0] * 10


def test_off_calendar_rows_are_of_the_saturday():
    rows = changed(faulty(off_calendar=1.0))
    assert rows["session"].unique().to_list() == [date(2023, 3, 4)]
    assert rows.height == 10


def test_every_kind_strikes_once_on_a_chosen_session_and_never_on_others():
    rates = dict.fromkeys(RATES, 0.001)
    rows = faulty(fault_sessions=(FRIDAY,), **rates)
    # One symbol missing, three with two rows (duplicate, correction, off-calendar), four with another row.
    assert rows["symbol"].n_unique() == 9
    assert rows.height == 12
    assert_frame_equal(faulty(date(2023, 3, 6), fault_sessions=(FRIDAY,), **rates), ROWS)


def test_the_same_faults_come_every_time():
    rates = dict.fromkeys(RATES, 0.1)
    assert_frame_equal(faulty(**rates), faulty(**rates))


def test_a_switched_off_feed_is_clean():
    assert_frame_equal(faulty(enabled=False, nulls=1.0), ROWS)


def test_texts_are_repeated():
    texts = pl.DataFrame({"symbol": ["A"] * 50, "text": [str(number) for number in range(50)]})
    sent = repeat_some(texts, FRIDAY, FaultParams(enabled=True, duplicates=0.5), seed=1)
    assert 60 < sent.height < 90
    assert sent["text"].n_unique() == 50


def test_rates_add_up_to_one_at_most():
    with pytest.raises(ValueError, match=r"fault rates add up to 1\.500; keep the sum at most 1"):
        FaultParams(nulls=0.9, bad_ticks=0.6)


def test_a_rate_is_a_share():
    with pytest.raises(ValueError, match=r"nulls=2\.0 must lie in 0\.\.1"):
        FaultParams(nulls=2.0)
