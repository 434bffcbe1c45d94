"""Every source keeps the same promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from features.sessions import SessionCalendar
from pipelines.io.lake import Lake
from pipelines.io.sources import (
    ACTION_COLUMNS,
    BAR_COLUMNS,
    TEXT_COLUMNS,
    ReadRequest,
    Source,
    build_source,
)
from pipelines.io.sources.params import SimulatedSourceParams
from tests.pipelines.io.sources.requests import collected, files_at, records_of
from tests.simulation.markets import small_market

COLUMNS = {"bars": BAR_COLUMNS, "actions": ACTION_COLUMNS, "texts": TEXT_COLUMNS}
FIRST, LAST = date(2023, 3, 1), date(2023, 3, 8)
BARS = "symbol,date,open,high,low,close,volume\n"
ACTIONS = "symbol,ex_date,kind,value\n"
TEXTS = "symbol,published_at,text,source\n"
Build = Callable[[Path, Lake], Source]


def simulated(folder: Path, lake: Lake) -> Source:
    del folder
    market = small_market()
    given = {field.name: getattr(market, field.name) for field in fields(market)}
    return build_source("simulated", SimulatedSourceParams(kind="simulated", **given), lake)


def files(folder: Path, lake: Lake) -> Source:
    days = SessionCalendar("XNYS").sessions(FIRST, LAST)
    (folder / "bars.csv").write_text(BARS + "".join(f"A,{day},1,2,1,1,1\n" for day in days), encoding="utf-8")
    (folder / "texts.csv").write_text(
        TEXTS + "".join(f"A,{day}T15:00:00Z,up {day},wire\n" for day in days), encoding="utf-8"
    )
    (folder / "actions.csv").write_text(
        ACTIONS + "".join(f"A,{day},dividend,0.1\n" for day in days), encoding="utf-8"
    )
    beside = {kind: str(folder / f"{kind}.csv") for kind in ("actions", "texts")}
    params = files_at(folder / "bars.csv", **beside)
    return build_source("vendor", params, lake)


@pytest.fixture(params=[simulated, files], ids=["simulated", "files"])
def source(request: pytest.FixtureRequest, tmp_path: Path, lake: Lake) -> Source:
    build: Build = request.param
    return build(tmp_path, lake)


def request_between(first: date, last: date) -> ReadRequest:
    """Return the window from the open before `first` to the morning after `last`."""
    calendar = SessionCalendar("XNYS")
    before = calendar.decision_at(calendar.shift(first, -1))
    return ReadRequest(after=before, until=calendar.decision_at(last))


def rows(source: Source, lake: Lake, request: ReadRequest, *, without: str = "") -> list[list[tuple]]:
    sent = [records_of(source, lake, kind, request) for kind in source.provides]
    return [sorted(one.drop(without, strict=False).rows(), key=str) for one in sent]


def test_it_declares_what_it_is(source: Source):
    assert isinstance(source, Source)
    assert source.name in {"simulated", "vendor"}
    assert {"bars", "texts"} <= set(source.provides) <= set(COLUMNS)
    assert source.provides["bars"].price_basis in {"raw", "split", "total_return"}
    for kind, provision in source.provides.items():
        assert kind == "bars" or provision.price_basis is None
        assert SessionCalendar(provision.calendar).is_session(FIRST)
        assert ZoneInfo(provision.timezone)
        assert provision.stamps_from is None
        assert source.arrival(kind) == {"simulated": "column", "vendor": "none"}[source.name]


def test_everything_is_text_in_contract_order(source: Source, lake: Lake):
    request = request_between(FIRST, LAST)
    for kind in source.provides:
        deliveries = source.list_deliveries(kind, request)
        for listed in (deliveries, []):
            sent = collected(source.read(kind, listed, request), lake)
            assert sent.schema == dict.fromkeys((*COLUMNS[kind], "delivery"), pl.String)
            assert set(sent["delivery"]) == {delivery.id for delivery in listed}


def test_deliveries_are_told_apart_and_stand_in_order(source: Source):
    request = request_between(FIRST, LAST)
    listed = [one for kind in source.provides for one in source.list_deliveries(kind, request)]
    assert len({one.id for one in listed}) == len(listed) == len(source.provides)
    assert all(one.at.tzinfo is not None for one in listed)
    assert listed == [one for kind in source.provides for one in source.list_deliveries(kind, request)]


def test_reading_again_gives_the_same_rows(source: Source, lake: Lake):
    request = request_between(FIRST, LAST)
    first = rows(source, lake, request)
    assert all(first)
    assert rows(source, lake, request) == first


@pytest.fixture
def windowed(tmp_path: Path, lake: Lake) -> Source:
    """A source that is asked by window."""
    return simulated(tmp_path, lake)


def test_day_by_day_gives_what_the_bulk_gives(windowed: Source, lake: Lake):
    days = SessionCalendar("XNYS").sessions(FIRST, LAST)
    bulk = rows(windowed, lake, request_between(FIRST, LAST), without="delivery")
    daily = [rows(windowed, lake, request_between(day, day), without="delivery") for day in days]
    for kind in (0, 1):
        assert bulk[kind]
        assert sorted((row for part in daily for row in part[kind]), key=str) == bulk[kind]


def test_what_arrives_after_the_window_is_not_there_yet(windowed: Source, lake: Lake):
    request = ReadRequest(
        after=datetime(2023, 3, 1, tzinfo=UTC), until=datetime(2023, 3, 1, 21, 25, tzinfo=UTC)
    )
    bars = records_of(windowed, lake, "bars", request)
    assert bars.height > 0
    assert bars["received_at"].max() <= "2023-03-01T21:25:00.000000Z"
    assert windowed.list_deliveries("bars", request)[0].at == request.until


def test_a_window_of_another_time_holds_nothing(windowed: Source, lake: Lake):
    assert rows(windowed, lake, request_between(date(2021, 3, 1), date(2021, 3, 2))) == [[], []]


def test_files_are_given_whole_whatever_the_window(tmp_path: Path, lake: Lake):
    source = files(tmp_path, lake)
    long_ago = request_between(date(2021, 3, 1), date(2021, 3, 2))
    assert rows(source, lake, long_ago) == rows(source, lake, request_between(FIRST, LAST))


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match=r"until=.* has no time zone; give an aware datetime in UTC"):
        ReadRequest(after=datetime(2023, 3, 8, tzinfo=UTC), until=datetime(2023, 3, 9))  # noqa: DTZ001


def test_an_empty_window_is_refused():
    instant = datetime(2023, 3, 9, tzinfo=UTC)
    with pytest.raises(ValueError, match=r"after=2023-03-09 .* must be before until=2023-03-09"):
        ReadRequest(after=instant, until=instant)
