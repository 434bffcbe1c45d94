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
from pipelines.io.frames import collect_rows
from pipelines.io.lake import Lake
from pipelines.io.sources import BAR_COLUMNS, TEXT_COLUMNS, ReadRequest, Source, build_source
from pipelines.io.sources.params import SimulatedSourceParams
from tests.pipelines.io.sources.requests import files_at
from tests.simulation.markets import small_market

COLUMNS = {"bars": BAR_COLUMNS, "texts": TEXT_COLUMNS}
FIRST, LAST = date(2023, 3, 1), date(2023, 3, 8)
BARS = "symbol,date,open,high,low,close,volume\n"
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
    params = files_at(folder / "bars.csv", texts=str(folder / "texts.csv"))
    return build_source("vendor", params, lake)


@pytest.fixture(params=[simulated, files], ids=["simulated", "files"])
def source(request: pytest.FixtureRequest, tmp_path: Path, lake: Lake) -> Source:
    build: Build = request.param
    return build(tmp_path, lake)


def request_between(first: date, last: date) -> ReadRequest:
    calendar = SessionCalendar("XNYS")
    return ReadRequest(
        first_session=first,
        last_session=last,
        received_after=calendar.decision_at(calendar.shift(first, -1)),
        received_until=calendar.decision_at(last),
    )


def rows(source: Source, request: ReadRequest) -> tuple[list[tuple], list[tuple]]:
    found = []
    for kind in COLUMNS:
        sent = source.read(kind, request)
        assert sent is not None
        found.append(sorted((tuple(row.values()) for row in collect_rows(sent)), key=str))
    return tuple(found)


def test_it_declares_what_it_is(source: Source):
    assert isinstance(source, Source)
    assert source.name in {"simulated", "vendor"}
    assert set(source.provides) == {"bars", "texts"}
    assert source.provides["bars"].price_basis in {"raw", "split", "total_return"}
    assert source.provides["texts"].price_basis is None
    for kind, provision in source.provides.items():
        assert SessionCalendar(provision.calendar).is_session(FIRST)
        assert ZoneInfo(provision.timezone)
        assert source.delivers_received_at(kind) is (source.name == "simulated")


def test_what_a_source_does_not_provide_is_nothing(source: Source):
    assert source.read("quotes", request_between(FIRST, LAST)) is None


def test_everything_is_text_in_contract_order(source: Source, lake: Lake):
    for kind, columns in COLUMNS.items():
        sent = source.read(kind, request_between(FIRST, LAST))
        assert sent is not None
        assert tuple(sent.columns) == columns
        here = sent if isinstance(sent, pl.DataFrame) else lake.collect(sent)
        assert set(here.dtypes) == {pl.String}


def test_reading_again_gives_the_same_rows(source: Source):
    request = request_between(FIRST, LAST)
    assert rows(source, request) == rows(source, request)


def test_day_by_day_gives_what_the_bulk_gives(source: Source):
    days = SessionCalendar("XNYS").sessions(FIRST, LAST)
    bulk = rows(source, request_between(FIRST, LAST))
    daily = [rows(source, request_between(day, day)) for day in days]
    for kind in (0, 1):
        assert bulk[kind]
        assert sorted((row for part in daily for row in part[kind]), key=str) == bulk[kind]


def test_a_window_of_another_time_holds_nothing(source: Source):
    bars, texts = rows(source, request_between(date(2021, 3, 1), date(2021, 3, 2)))
    assert (bars, texts) == ([], [])


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(
        ValueError, match=r"received_until=.* has no time zone; give an aware datetime in UTC"
    ):
        ReadRequest(
            first_session=FIRST,
            last_session=LAST,
            received_after=None,
            received_until=datetime(2023, 3, 9),  # noqa: DTZ001
        )


def test_a_window_that_ends_before_it_starts_is_refused():
    with pytest.raises(
        ValueError, match="first_session=2023-03-08 must not be after last_session=2023-03-01"
    ):
        ReadRequest(
            first_session=LAST,
            last_session=FIRST,
            received_after=None,
            received_until=datetime(2023, 3, 9, tzinfo=UTC),
        )
