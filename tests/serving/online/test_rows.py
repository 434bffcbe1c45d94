"""Which of two rows is the newer one, and that nothing is lost between gold and the online store."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from feast import FeatureView
from feast.protos.feast.types.Value_pb2 import Value

from feature_repo.definitions import ISSUED_VIEW, build_definitions
from features.sessions import INSTANT
from serving.online.rows import ISSUED_FORECASTS, decode_rows, encode_rows, select_newer

CLOSE = datetime(2016, 1, 5, 21, tzinfo=UTC)
US = 1_000_000
SCHEMA = {"symbol": pl.String, "session": pl.String, "known_at_us": pl.Int64, "value": pl.Float64}


def declared(name: str) -> FeatureView:
    """A view as it is registered with Feast."""
    return next(view for view in build_definitions(timedelta(days=5), []).views if view.name == name)


def rows(*values: tuple[str, str, int, float | None]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=SCHEMA, orient="row")


@pytest.mark.parametrize(
    ("offered", "written"),
    [
        (("S1", "2016-01-06", 1, 1.0), True),  # a later session, though known earlier
        (("S1", "2016-01-05", 6, 1.0), True),  # a later version
        (("S1", "2016-01-05", 5, 2.0), True),  # the same version, made again with another value
        (("S1", "2016-01-05", 5, None), True),  # the same version, the value is now unknown
        (("S1", "2016-01-05", 5, 1.0), False),  # what stands there
        (("S1", "2016-01-05", 4, 2.0), False),  # an earlier version
        (("S1", "2016-01-04", 9, 2.0), False),  # an earlier session, though known later
        (("S2", "2016-01-04", 1, None), True),  # a symbol that the store does not know
    ],
)
def test_select_newer(offered: tuple[str, str, int, float | None], written: bool) -> None:
    existing = rows(("S1", "2016-01-05", 5, 1.0))
    assert select_newer(rows(offered), existing).height == int(written)


def test_select_newer_replaces_an_unknown_value() -> None:
    existing = rows(("S1", "2016-01-05", 5, None))
    assert select_newer(rows(("S1", "2016-01-05", 5, 0.5)), existing).height == 1


def test_another_voice_is_heard_whenever_it_spoke_but_of_no_earlier_session() -> None:
    def said(*values: tuple[str, str, int, float | None], by: str) -> pl.DataFrame:
        return rows(*values).with_columns(pl.lit(by).alias("model_key"))

    existing = said(("S1", "2016-01-05", 5, 1.0), by="new")
    earlier = said(("S1", "2016-01-05", 4, 2.0), by="old")
    assert select_newer(earlier, existing).height == 0
    assert select_newer(earlier, existing, speaker="model_key").equals(earlier)
    repeated = said(("S1", "2016-01-05", 4, 2.0), by="new")
    assert select_newer(repeated, existing, speaker="model_key").height == 0
    before = said(("S1", "2016-01-04", 9, 2.0), by="old")
    assert select_newer(before, existing, speaker="model_key").height == 0


def test_encode_rows_gives_iso_dates_and_microseconds() -> None:
    gold = pl.DataFrame(
        {
            "symbol": ["S1"],
            "session": [date(2016, 1, 5)],
            "horizon": pl.Series([5], dtype=pl.Int32),
            "event_timestamp": [CLOSE],
            "issued_at": [CLOSE + timedelta(microseconds=7)],
            "decision_at": [CLOSE + timedelta(hours=1)],
        }
    )
    encoded = encode_rows(gold, declared(ISSUED_VIEW)).row(0, named=True)
    assert encoded["session"] == "2016-01-05"
    assert encoded["event_at_us"] == 1452027600 * US
    assert encoded["known_at_us"] == 1452027600 * US + 7
    assert encoded["decision_at_us"] == (1452027600 + 3600) * US
    assert encoded["horizon"] == 5


def test_decode_rows_turns_empty_values_into_nulls() -> None:
    stored = {
        "session": Value(string_val="2016-01-05"),
        "event_at_us": Value(int64_val=1452027600 * US),
        "known_at_us": Value(int64_val=1452027600 * US + 7),
        "valid": Value(bool_val=False),
        "mom_return_1d": Value(double_val=0.0),
        "mom_return_5d": Value(),
    }
    decoded = decode_rows(declared("features_daily"), [("S1", stored)])
    row = decoded.row(0, named=True)
    assert decoded.schema["event_timestamp"] == INSTANT
    assert (row["symbol"], row["session"]) == ("S1", date(2016, 1, 5))
    assert (row["event_timestamp"], row["known_at"]) == (CLOSE, CLOSE + timedelta(microseconds=7))
    assert row["valid"] is False
    assert (row["mom_return_1d"], row["mom_return_5d"], row["mom_return_10d"]) == (0.0, None, None)


def test_the_issued_forecasts_have_the_name_that_is_declared() -> None:
    assert ISSUED_FORECASTS == ISSUED_VIEW
