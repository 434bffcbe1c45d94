"""Every source keeps the same promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import SparkSession

from features.sessions import SessionCalendar
from pipelines.io.sources import BAR_COLUMNS, TEXT_COLUMNS, ReadRequest, Source, build_source
from pipelines.io.sources.params import SourceParams
from tests.pipelines.io.sources.markets import files_at, small_market

FIRST, LAST = date(2023, 3, 1), date(2023, 3, 8)
BARS = "symbol,date,open,high,low,close,volume\n"
TEXTS = "symbol,published_at,text,source\n"
Build = Callable[[Path], Source]


def simulated(folder: Path) -> Source:
    del folder
    return build_source(SourceParams(name="simulated", files=files_at(), simulated=small_market()))


def files(folder: Path) -> Source:
    days = SessionCalendar("XNYS").sessions(FIRST, LAST)
    (folder / "bars.csv").write_text(BARS + "".join(f"A,{day},1,2,1,1,1\n" for day in days), encoding="utf-8")
    (folder / "texts.csv").write_text(
        TEXTS + "".join(f"A,{day}T15:00:00Z,up {day},wire\n" for day in days), encoding="utf-8"
    )
    params = files_at(folder / "bars.csv", texts=str(folder / "texts.csv"))
    return build_source(SourceParams(name="files", files=params, simulated=small_market()))


@pytest.fixture(params=[simulated, files], ids=["simulated", "files"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    build: Build = request.param
    return build(tmp_path)


def request_between(first: date, last: date) -> ReadRequest:
    calendar = SessionCalendar("XNYS")
    return ReadRequest(
        first_session=first,
        last_session=last,
        received_after=calendar.decision_at(calendar.shift(first, -1)),
        received_until=calendar.decision_at(last),
    )


def rows(source: Source, spark: SparkSession, request: ReadRequest) -> tuple[list[tuple], list[tuple]]:
    texts = source.read_texts(spark, request)
    assert texts is not None
    found = (source.read_bars(spark, request).collect(), texts.collect())
    return tuple(sorted(map(tuple, part), key=str) for part in found)


def test_it_declares_what_it_is(source: Source):
    assert isinstance(source, Source)
    assert source.name in {"simulated", "files"}
    assert source.price_basis in {"raw", "split", "total_return"}
    assert SessionCalendar(source.calendar).is_session(FIRST)
    assert ZoneInfo(source.timezone)
    assert isinstance(source.delivers_received_at, bool)


def test_everything_is_text_in_contract_order(source: Source, spark: SparkSession):
    request = request_between(FIRST, LAST)
    texts = source.read_texts(spark, request)
    assert texts is not None
    for frame, columns in ((source.read_bars(spark, request), BAR_COLUMNS), (texts, TEXT_COLUMNS)):
        assert tuple(frame.columns) == columns
        assert {field.dataType.simpleString() for field in frame.schema.fields} == {"string"}


def test_reading_again_gives_the_same_rows(source: Source, spark: SparkSession):
    request = request_between(FIRST, LAST)
    assert rows(source, spark, request) == rows(source, spark, request)


def test_day_by_day_gives_what_the_bulk_gives(source: Source, spark: SparkSession):
    days = SessionCalendar("XNYS").sessions(FIRST, LAST)
    bulk = rows(source, spark, request_between(FIRST, LAST))
    daily = [rows(source, spark, request_between(day, day)) for day in days]
    for kind in (0, 1):
        assert bulk[kind]
        assert sorted((row for part in daily for row in part[kind]), key=str) == bulk[kind]


def test_a_window_of_another_time_holds_nothing(source: Source, spark: SparkSession):
    bars, texts = rows(source, spark, request_between(date(2021, 3, 1), date(2021, 3, 2)))
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
