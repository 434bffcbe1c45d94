"""Calendar features around the turn of 2014, Good Friday and a third Friday."""

from datetime import date

import polars as pl
import pytest

from features.sessions import SessionCalendar
from tests.panels import SCHEMA, compute_daily


def _at(day: date) -> dict[str, float]:
    row = {"symbol": "A", "session": day, "price_basis": "raw", "valid": True}
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 10.0)
    panel = pl.DataFrame([{**row, **prices, "dividend": 0.0, "split": 1.0}], schema=SCHEMA)
    return compute_daily(panel).row(0, named=True)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        # Thursday before Good Friday: the next session is Monday, the third Friday is the holiday itself
        (
            date(2014, 4, 17),
            {"day_of_week": 4, "sessions_to_month_end": 8, "days_to_session": 4, "days_to_expiry": 1},
        ),
        (date(2014, 4, 21), {"day_of_week": 1, "days_since_session": 4, "days_to_expiry": -3}),
        (
            date(2014, 12, 31),
            {"month_of_year": 12, "is_turn_of_month": 1, "sessions_to_month_end": 0, "days_to_session": 2},
        ),
        (date(2015, 1, 2), {"month_of_year": 1, "is_turn_of_month": 1, "sessions_to_month_end": 19}),
        (date(2015, 1, 6), {"is_turn_of_month": 1}),
        (date(2015, 1, 7), {"is_turn_of_month": 0, "days_since_session": 1}),
    ],
)
def test_known_days(day, expected):
    values = _at(day)
    assert {name: values[f"cal_{name}"] for name in expected} == expected


def test_a_day_off_the_calendar_is_refused():
    with pytest.raises(ValueError, match="not sessions of XNYS: 2014-04-18; drop them"):
        _at(date(2014, 4, 18))


def test_another_exchange_has_other_sessions():
    row = {"symbol": "A", "session": date(2014, 4, 18), "price_basis": "raw", "valid": True, "close": 1.0}
    panel = pl.DataFrame([row], schema=SCHEMA)
    features = compute_daily(panel, calendar=SessionCalendar("24/7"))
    assert features.get_column("cal_days_to_session").to_list() == [1.0]
