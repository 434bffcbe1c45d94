"""Contracts of records as sent, on the quality problems that the real bars are known to have."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from pipelines.tables.record_kinds import ACTIONS, BARS, TEXTS, parse_bars, parse_day, parse_instant

DAYS = [date(2024, 7, 2), date(2024, 7, 3), date(2024, 7, 5)]


def bar(**changes: Any) -> dict[str, Any]:
    sent = {
        "symbol": "AAA",
        "session": "2024-07-03",
        "open": "10",
        "high": "11",
        "low": "9.5",
        "close": "10.5",
        "volume": "1000",
        "adjusted_close": None,
        "dividend": None,
        "split": None,
    }
    return {**sent, "record_hash": "h", **changes}


def rules_of(**changes: Any) -> list[tuple[str, str]]:
    records = pl.DataFrame([bar(**changes)], schema_overrides=dict.fromkeys(BARS.columns, pl.String))
    return BARS.refusals(BARS.parse(records), DAYS).select("rule", "place").rows()


def test_a_sound_bar_is_not_refused() -> None:
    assert rules_of() == []


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"open": None}, [("null_price", "open")]),
        ({"open": None, "high": None, "low": ""}, [("null_price", "high,low,open")]),
        ({"close": "NaN"}, [("null_price", "close"), ("unreadable_close", "")]),
        ({"close": "12"}, [("ohlc_inconsistent", "")]),
        ({"low": "11", "high": "9.5"}, [("ohlc_inconsistent", "")]),
        ({"low": "-1"}, [("non_positive_price", "low")]),
        ({"volume": "-5"}, [("negative_value", "volume")]),
        ({"volume": None}, [("null_volume", "volume")]),
        ({"volume": "many"}, [("null_volume", "volume"), ("unreadable_volume", "")]),
        ({"session": "2024-07-04"}, [("off_calendar", "")]),
        ({"session": "the third"}, [("unreadable_session", "session")]),
        ({"symbol": None}, [("null_symbol", "symbol")]),
        ({"dividend": "-0.1"}, [("negative_value", "dividend")]),
        ({"split": "x"}, [("unreadable_split", "")]),
    ],
)
def test_each_fault_is_refused_under_its_own_rule(
    changes: dict[str, Any], rules: list[tuple[str, str]]
) -> None:
    assert rules_of(**changes) == rules


def test_missing_actions_mean_none_and_a_split_of_zero_means_none() -> None:
    sent = [bar(), bar(dividend="0.25", split="2.0"), bar(split="0.0")]
    parsed = parse_bars(pl.DataFrame(sent, schema_overrides=dict.fromkeys(BARS.columns, pl.String)))
    assert parsed["dividend_value"].to_list() == [0.0, 0.25, 0.0]
    assert parsed["split_value"].to_list() == [1.0, 2.0, 1.0]


def actions(*sent: dict[str, Any]) -> pl.DataFrame:
    plain = {"symbol": "AAA", "session": "2024-07-03", "kind": "split", "value": "2"}
    rows = [plain | {"record_hash": str(place)} | one for place, one in enumerate(sent)]
    return ACTIONS.parse(pl.DataFrame(rows, schema_overrides=dict.fromkeys(ACTIONS.columns, pl.String)))


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("split", "2", ("split", 2.0)),
        (" SPLIT ", "3:2", ("split", 1.5)),
        ("Splits", "1 / 10", ("split", 0.1)),
        ("Dividend", " 0.25 ", ("dividend", 0.25)),
        ("dividends", "0", ("dividend", 0.0)),
        ("dividend", "1:2", ("dividend", None)),
        ("split", "2:0", ("split", None)),
        ("split", "inf", ("split", None)),
        ("spinoff", "2", (None, 2.0)),
    ],
)
def test_actions_are_read_in_their_notations(
    kind: str, value: str, read: tuple[str | None, float | None]
) -> None:
    assert actions({"kind": kind, "value": value}).select("action", "amount").rows() == [read]


def test_an_action_is_refused_for_what_it_says_never_for_its_day() -> None:
    sound = [{"session": day} for day in ("2024-07-06", "2062-01-03", "1985-06-03")]
    sound += [{"value": "1"}, {"kind": "dividend", "value": "0"}]
    assert ACTIONS.refusals(actions(*sound), DAYS).is_empty()
    broken = [
        {"kind": None}, {"value": "two"}, {"session": "soon"}, {"symbol": None}, {"symbol": " "},
        {"value": "0"}, {"value": "-2"}, {"kind": "dividend", "value": "-0.1"}, {"kind": "x", "value": "-1"},
    ]  # fmt: skip
    found = ACTIONS.refusals(actions(*broken), DAYS)
    assert found.rows() == [
        ("0", "unreadable_kind", "kind"), ("1", "unreadable_value", "value"),
        ("2", "unreadable_session", "session"), ("3", "null_symbol", "symbol"), ("4", "empty", "symbol"),
        ("5", "non_positive_split", ""), ("6", "non_positive_split", ""), ("7", "negative_dividend", ""),
        ("8", "unreadable_kind", "kind"),
    ]  # fmt: skip


def test_days_are_read_in_iso_and_compact_form() -> None:
    texts = pl.DataFrame(
        {"day": ["2024-07-03", "2024-07-03 00:00:00", "20240703", " 2024-07-03 ", "3.7.2024"]}
    )
    assert texts.select(parse_day("day"))["day"].to_list() == [date(2024, 7, 3)] * 4 + [None]


def test_instants_without_an_offset_are_utc() -> None:
    texts = pl.DataFrame(
        {"at": ["2024-07-03T16:00:00-04:00", "2024-07-03 20:00:00", "2024-07-03T20:00:00.000000Z", "soon"]}
    )
    expected = datetime(2024, 7, 3, 20, tzinfo=UTC)
    assert texts.select(parse_instant("at"))["at"].to_list() == [expected, expected, expected, None]


def test_empty_texts_are_refused() -> None:
    sent = [
        {
            "symbol": "AAA",
            "published_at": "2024-07-03T10:00:00Z",
            "text": "up",
            "origin": None,
            "record_hash": "a",
        },
        {
            "symbol": "AAA",
            "published_at": "2024-07-03T10:00:00Z",
            "text": "  ",
            "origin": None,
            "record_hash": "b",
        },
        {"symbol": "AAA", "published_at": "yesterday", "text": "up", "origin": None, "record_hash": "c"},
    ]
    records = pl.DataFrame(sent, schema_overrides={"origin": pl.String})
    refused = TEXTS.refusals(TEXTS.parse(records), [])
    assert refused.rows() == [("b", "empty", "text"), ("c", "unreadable_published_at", "published_at")]
