"""Calendar features: known before the session, from the exchange's calendar and never from the panel.

The calendar's history also holds closings that were decided late, such as 2012-10-29; sessions to the
month's end are counted with them.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import polars as pl

from features.feature import Feature
from features.sessions import SessionCalendar

_feature = partial(Feature, family="cal", lookback_sessions=1, alignment="calendar")

_MARGIN = timedelta(days=45)
_TURN_OF_MONTH_SESSIONS = 3
_LAKONISHOK_SMIDT = "Lakonishok and Smidt (1988), Review of Financial Studies 1(4)"


def _gap(column: str, sessions: int) -> pl.Expr:
    return (pl.col(column).shift(sessions) - pl.col(column)).dt.total_days().abs()


def calendar_frame(calendar: SessionCalendar, panel: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each session of `panel` with the base columns of the calendar features.

    Returns
    -------
    polars.DataFrame, shape (n_sessions, 6)
        `session`, `month_position` and `month_remaining` (sessions of the month up to and after it),
        `days_before` and `days_after` (calendar days to the neighbouring sessions) and `days_to_expiry`
        (calendar days to the third Friday, negative after it).

    Raises
    ------
    ValueError
        If the panel holds a day that is not a session of the calendar.
    """
    days = panel.select("session").unique().sort("session")
    first, last = days.item(0, 0), days.item(-1, 0)
    month = pl.col("session").dt.month_start()
    to_friday = (5 - month.dt.weekday().cast(pl.Int32)) % 7
    third_friday = month + pl.duration(days=to_friday + 14)
    known = calendar.frame(first - _MARGIN, last + _MARGIN).select("session")
    described = known.with_columns(
        month_position=pl.int_range(1, pl.len() + 1).over(month),
        month_remaining=pl.int_range(pl.len() - 1, -1, -1).over(month),
        days_before=_gap("session", 1),
        days_after=_gap("session", -1),
        days_to_expiry=(third_friday - pl.col("session")).dt.total_days(),
    )
    strangers = days.join(described, on="session", how="anti").get_column("session").to_list()
    if strangers:
        shown = ", ".join(str(day) for day in strangers[:3])
        msg = f"{len(strangers)} days of the panel are not sessions of {calendar.name}: {shown}; drop them"
        raise ValueError(msg)
    return days.join(described, on="session", how="left", maintain_order="left")


FEATURES = (
    _feature(
        name="cal_day_of_week",
        unit="1 = Monday … 7",
        definition="ISO weekday of the session",
        source="French (1980), J. Financial Economics 8(1)",
        expression=pl.col("session").dt.weekday(),
    ),
    _feature(
        name="cal_month_of_year",
        unit="1 … 12",
        definition="month of the session",
        source="Rozeff and Kinney (1976), J. Financial Economics 3(4)",
        expression=pl.col("session").dt.month(),
    ),
    _feature(
        name="cal_sessions_to_month_end",
        unit="sessions",
        definition="sessions of the month that are left after this one",
        source="Ariel (1987), J. Financial Economics 18(1)",
        expression=pl.col("month_remaining"),
    ),
    _feature(
        name="cal_is_turn_of_month",
        unit="0 or 1",
        definition="1 on the last session of a month and on the first three",
        source=_LAKONISHOK_SMIDT,
        expression=(
            (pl.col("month_remaining") == 0) | (pl.col("month_position") <= _TURN_OF_MONTH_SESSIONS)
        ).cast(pl.Float64),
    ),
    _feature(
        name="cal_days_since_session",
        unit="days",
        definition="calendar days since the session before",
        source="French (1980), J. Financial Economics 8(1): calendar time",
        expression=pl.col("days_before"),
    ),
    _feature(
        name="cal_days_to_session",
        unit="days",
        definition="calendar days to the next session",
        source="Ariel (1990), J. Finance 45(5): days before holidays",
        expression=pl.col("days_after"),
    ),
    _feature(
        name="cal_days_to_expiry",
        unit="days",
        definition="calendar days to the third Friday of the month, negative after it",
        source="Stoll and Whaley (1987), Financial Analysts Journal 43(2)",
        expression=pl.col("days_to_expiry"),
    ),
)
