"""Files of every format and type end in the same text, each as a delivery of its own."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from pyspark.sql import SparkSession

from pipelines.base.errors import ContractViolation, UnavailableError
from pipelines.io.lake import Lake
from pipelines.io.sources.base import BAR_COLUMNS, TEXT_COLUMNS
from pipelines.io.sources.files import parse_instant
from pipelines.io.sources.stores import HadoopStore, LocalStore, StoredFile, open_store
from tests.pipelines.io.sources.requests import (
    ALWAYS,
    collected,
    deliveries_of,
    files_source,
    records_of,
    through_spark,
    without_spark,
)

HEADER = "symbol,date,open,high,low,close,volume"
CLOSES = (0.1, 12345678.125, 1 / 3, 5e-324)
ODD_NAMES = ("a b", "a%20b", "a+b", "ü", "a#b", "a?b", "b [1]", "c{x}", "d,e", "p%")


@pytest.fixture(params=["here", "spark"])
def either(request: pytest.FixtureRequest, lake: Lake) -> Lake:
    """A lake whose process reads few small files itself, and one that sends everything to Spark."""
    return through_spark(lake) if request.param == "spark" else lake


def read(lake: Lake, bars: object, **changes: Any) -> list[dict[str, Any]]:
    return records_of(files_source(lake, bars, **changes), lake).to_dicts()


def write_csv(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def prices(dates: Sequence[Any], **more: Any) -> pd.DataFrame:
    count = len(dates)
    return pd.DataFrame(
        {
            "symbol": [f"S{place}" for place in range(count)],
            "date": dates,
            "open": [1.5] * count,
            "high": [2.0] * count,
            "low": [1.0] * count,
            "close": CLOSES[:count],
            "volume": range(count),
            **more,
        }
    )


def test_every_column_comes_as_text_in_contract_order(either: Lake, tmp_path: Path):
    path = write_csv(tmp_path / "bars.csv", "A,2020-01-02,1.50,2,1,1.75,100", "B,2020-01-02,,2,1,abc,1e3")
    frame = records_of(files_source(either, path), either)
    assert frame.schema == dict.fromkeys((*BAR_COLUMNS, "delivery"), pl.String)
    first, second = frame.to_dicts()
    assert first["open"] == "1.50"
    assert first["adjusted_close"] is None
    assert (second["open"], second["close"], second["volume"]) == (None, "abc", "1e3")


@pytest.mark.parametrize(
    ("kind", "write"),
    [
        ("date", lambda days: days.dt.date),
        ("string", lambda days: days.dt.strftime("%Y-%m-%d")),
        ("compact", lambda days: days.dt.strftime("%Y%m%d")),
        ("compact integer", lambda days: days.dt.strftime("%Y%m%d").astype(int)),
        ("nanoseconds", lambda days: days.astype("datetime64[ns]")),
        ("microseconds", lambda days: days.astype("datetime64[us]")),
        ("midnight in New York", lambda days: days.dt.tz_localize("America/New_York")),
        ("midnight in UTC", lambda days: days.dt.tz_localize("UTC").astype("datetime64[us, UTC]")),
    ],
)
def test_parquet_dates_of_any_type(either: Lake, tmp_path: Path, kind: str, write: Any):
    days = pd.Series(pd.to_datetime(["2020-01-02", "2020-07-06"]))
    prices(write(days)).to_parquet(tmp_path / "bars.parquet")
    assert [row["session"] for row in read(either, tmp_path)] == ["2020-01-02", "2020-07-06"], kind


def test_doubles_survive_exactly_and_nan_is_nothing(lake: Lake, tmp_path: Path):
    table = prices(["2020-01-02"] * 4, dividend=[float("nan"), 0.1, 0.2, 0.3])
    table.to_parquet(tmp_path / "bars.parquet")
    rows = read(lake, tmp_path)
    assert tuple(float(row["close"]) for row in rows) == CLOSES
    assert [row["volume"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[0]["dividend"] is None


def test_files_of_another_column_order_are_matched_by_name(either: Lake, tmp_path: Path):
    write_csv(tmp_path / "a.csv", "A,2020-01-02,1,4,0.5,2,100")
    write_csv(tmp_path / "c.csv", "C,2020-01-02,1,4,0.5,2,100")
    other = "volume,close,low,high,open,session,symbol"
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(f"{other}\n100,2,0.5,4,1,2020-01-02,B\n".encode()))
    one, two, three = ({**row, "delivery": None} for row in read(either, tmp_path))
    assert one | {"symbol": "B"} == two
    assert one | {"symbol": "C"} == three
    assert two["high"] == "4"


def test_parquet_files_of_other_types_and_names_are_read_together(either: Lake, tmp_path: Path):
    prices(["2020-01-02"]).to_parquet(tmp_path / "a.parquet")
    renamed = prices([date(2020, 1, 3)], volume=[1.5]).rename(columns={"date": "Session"})
    renamed.to_parquet(tmp_path / "b.parquet")
    prices(["2020-01-06"]).to_parquet(tmp_path / "c.parquet")
    rows = [(row["session"], row["volume"]) for row in read(either, tmp_path)]
    assert sorted(rows) == [("2020-01-02", "0"), ("2020-01-03", "1.5"), ("2020-01-06", "0")]


def test_other_columns_are_left_behind(lake: Lake, tmp_path: Path):
    path = write_csv(tmp_path / "b.csv", "A,2020-01-02,1,4,0.5,2,100,me@home", header=f"{HEADER},e-mail")
    assert set(read(lake, path)[0]) == {*BAR_COLUMNS, "delivery"}


def test_separators_mappings_and_date_patterns(lake: Lake, tmp_path: Path):
    header = "Ticker\tDay\topen\thigh\tlow\tPx\tvolume"
    path = write_csv(tmp_path / "b.tsv", "A\t31.01.2020\t1\t4\t0.5\t2\t100", header=header)
    mapping = {"ticker": "symbol", "Day": "session", "Px": "close"}
    row = read(lake, path, separator="\t", columns=mapping, date_formats=("dd.MM.yyyy",))[0]
    assert (row["symbol"], row["session"], row["close"]) == ("A", "2020-01-31", "2")


def test_every_record_bears_the_delivery_of_its_file(either: Lake, tmp_path: Path):
    for place, name in enumerate(ODD_NAMES):
        write_csv(tmp_path / f"{name}.csv", f"S{place},2020-01-02,1,2,1,1,1")
    source = files_source(either, tmp_path)
    named = {delivery.id: Path(delivery.name).stem for delivery in deliveries_of(source, "bars")}
    read_back = {row["symbol"]: named[row["delivery"]] for row in records_of(source, either).to_dicts()}
    assert read_back == {f"S{place}": name for place, name in enumerate(ODD_NAMES)}


def test_deliveries_follow_one_another_by_time_then_name(tmp_path: Path):
    for name, written in (("a.csv", 300), ("b.csv", 100), ("c.csv", 100)):
        write_csv(tmp_path / name, "A,2020-01-02,1,2,1,1,1")
        os.utime(tmp_path / name, (written, written))
    source = files_source(without_spark(tmp_path), tmp_path)
    first = source.list_deliveries("bars", ALWAYS)
    assert [Path(one.name).name for one in first] == ["b.csv", "c.csv", "a.csv"]
    assert first[0].at == datetime(1970, 1, 1, 0, 1, 40, tzinfo=UTC)
    assert first[0].size == (tmp_path / "b.csv").stat().st_size
    os.utime(tmp_path / "b.csv", (200, 200))
    again = source.list_deliveries("bars", ALWAYS)
    assert [Path(one.name).name for one in again] == ["c.csv", "b.csv", "a.csv"]
    assert {one.id for one in again} & {one.id for one in first} == {one.id for one in first[1:]}


def test_only_the_files_asked_for_are_opened(either: Lake, tmp_path: Path):
    write_csv(tmp_path / "a.csv", "A,2020-01-02,1,2,1,1,1")
    write_csv(tmp_path / "b.csv", "B,2020-01-02,1,2,1,1,1")
    source = files_source(either, tmp_path)
    old, new = source.list_deliveries("bars", ALWAYS)
    Path(old.name).write_bytes(b"")
    assert source.check("bars", new) is None
    assert collected(source.read("bars", [new], ALWAYS), either)["symbol"].to_list() == ["B"]
    assert collected(source.read("bars", [], ALWAYS), either).is_empty()


def test_a_file_is_read_whole_whatever_the_window(either: Lake, tmp_path: Path):
    lines = [f"A,{day},1,2,1,1,1" for day in ("1990-01-02", "2020-01-03", "2031-01-06", "soon", "")]
    rows = read(either, write_csv(tmp_path / "b.csv", *lines))
    assert {row["session"] for row in rows} == {"1990-01-02", "2020-01-03", "2031-01-06", "soon", None}


def test_instants_without_a_zone_are_read_in_the_source_s(either: Lake, tmp_path: Path):
    sent = {
        "A": "2020-01-03T21:20:00Z",
        "B": "2020-01-04 02:20:00+05:00",
        "C": "2020-01-03 21:21:00",
        "D": "whenever",
        "E": "",
        "F": "2020-07-03",
        "G": "2020-03-08 02:30:00",
        "H": "2020-11-01 01:30",
    }
    lines = [f"{symbol},2020-01-03,1,2,1,1,1,{instant}" for symbol, instant in sent.items()]
    path = write_csv(tmp_path / "b.csv", *lines, header=f"{HEADER},received_at")
    assert {row["symbol"]: row["received_at"] for row in read(either, path)} == {
        "A": "2020-01-03T21:20:00.000000Z",
        "B": "2020-01-03T21:20:00.000000Z",
        "C": "2020-01-04T02:21:00.000000Z",
        "D": "whenever",
        "E": None,
        "F": "2020-07-03T04:00:00.000000Z",
        "G": "2020-03-08T07:30:00.000000Z",
        "H": "2020-11-01T05:30:00.000000Z",
    }


def test_arrivals_stand_in_a_column_that_all_files_have(lake: Lake, tmp_path: Path):
    instants = pd.Series(pd.to_datetime(["2020-01-02 21:20:00.123456"])).dt.tz_localize("UTC")
    prices(["2020-01-02"], received_at=instants).to_parquet(tmp_path / "b.parquet")
    (tmp_path / "empty.parquet").touch()
    assert files_source(lake, tmp_path).arrival("bars") == "column"
    (tmp_path / "empty.parquet").unlink()
    assert read(lake, tmp_path)[0]["received_at"] == "2020-01-02T21:20:00.123456Z"
    prices(["2020-01-02"]).to_parquet(tmp_path / "a.parquet")
    assert files_source(lake, tmp_path).arrival("bars") == "none"
    assert files_source(lake, tmp_path, arrival="object_time").arrival("bars") == "object_time"


def test_arrivals_are_the_file_s_time(either: Lake, tmp_path: Path):
    header = f"{HEADER},received_at"
    for name in ("a.csv", "b.csv"):
        write_csv(tmp_path / name, f"{name},2020-01-02,1,2,1,1,1,2020-01-02T21:00:00Z", header=header)
    os.utime(tmp_path / "a.csv", ns=(0, 1_578_000_000_123_456_789))
    os.utime(tmp_path / "b.csv", (1_578_000_001, 1_578_000_001))
    rows = read(either, tmp_path, arrival="object_time")
    assert [row["received_at"] for row in rows] == [
        "2020-01-02T21:20:00.123456Z",
        "2020-01-02T21:20:01.000000Z",
    ]


def test_arrivals_stand_in_the_file_s_name(either: Lake, tmp_path: Path):
    write_csv(tmp_path / "bars_20200102T1620.csv", "A,2020-01-02,1,2,1,1,1")
    named = {"arrival": "file_name", "arrival_pattern": "bars_%Y%m%dT%H%M"}
    assert [row["received_at"] for row in read(either, tmp_path, **named)] == ["2020-01-02T21:20:00.000000Z"]
    write_csv(tmp_path / "more.csv", "A,2020-01-02,1,2,1,1,1")
    source = files_source(either, tmp_path, **named)
    said = {Path(one.name).name: source.check("bars", one) for one in source.list_deliveries("bars", ALWAYS)}
    assert said.pop("bars_20200102T1620.csv") is None
    wrong = "its name has no instant as sources.files.arrival_pattern='bars_%Y%m%dT%H%M' says"
    assert wrong in said["more.csv"]


def test_an_instant_of_a_name_may_say_its_zone_and_its_ending():
    instant = datetime(2020, 1, 2, 21, 20, tzinfo=UTC)
    assert parse_instant("/x/b20200102T2120+0000.csv.gz", "b%Y%m%dT%H%M%z", "Asia/Tokyo") == instant
    assert parse_instant("s3a://x/20200102-1620.csv", "%Y%m%d-%H%M.csv", "America/New_York") == instant


def test_stamps_count_from_a_day_on_the_source_s_clock(lake: Lake, tmp_path: Path):
    source = files_source(lake, tmp_path, stamps_from=date(2024, 7, 1))
    assert source.provides["bars"].stamps_from == datetime(2024, 7, 1, 4, tzinfo=UTC)
    assert files_source(lake, tmp_path).provides["bars"].stamps_from is None


@pytest.mark.parametrize("name", ["b.parquet", "b.csv"])
def test_a_file_without_rows_delivers_nothing(name: str, either: Lake, tmp_path: Path):
    if name == "b.csv":
        write_csv(tmp_path / name)
    else:
        prices([]).astype({"symbol": str, "date": str}).to_parquet(tmp_path / name)
    assert read(either, tmp_path) == []


def test_a_parquet_file_torn_after_its_check(lake: Lake, tmp_path: Path):
    prices(["2020-01-02"]).to_parquet(tmp_path / "b.parquet")
    source = files_source(through_spark(lake), tmp_path)
    deliveries = deliveries_of(source, "bars")
    content = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(content[: len(content) // 2])
    wrong = r"b\.parquet: not readable as Parquet .*magic.*fetch it again"
    with pytest.raises(ContractViolation, match=wrong):
        source.read("bars", deliveries, ALWAYS)


def test_texts_of_several_lines(either: Lake, tmp_path: Path):
    lines = [
        'A,2020-01-02T21:00:01Z,"said ""after"" the close\nin two lines",wire',
        "A,2020-01-03 20:00:00-01:00,at the close,wire",
        "A,at noon,unreadable,wire",
    ]
    path = write_csv(tmp_path / "t.csv", *lines, header="symbol,published_at,text,source")
    frame = records_of(files_source(either, texts=str(path)), either, "texts")
    assert tuple(frame.columns) == (*TEXT_COLUMNS, "delivery")
    rows = {row["text"]: (row["published_at"], row["origin"]) for row in frame.to_dicts()}
    assert rows == {
        'said "after" the close\nin two lines': ("2020-01-02T21:00:01.000000Z", "wire"),
        "at the close": ("2020-01-03T21:00:00.000000Z", "wire"),
        "unreadable": ("at noon", "wire"),
    }


def test_kinds_without_files_are_not_provided(lake: Lake):
    assert set(files_source(lake, "bars.csv").provides) == {"bars"}
    assert set(files_source(lake, texts="texts.csv").provides) == {"texts"}
    assert set(files_source(lake, actions="actions.csv").provides) == {"actions"}


def test_a_day_s_file_costs_no_session(tmp_path: Path):
    lake = without_spark(tmp_path)
    write_csv(tmp_path / "b.csv", "A,2020-01-02,1,2,1,1,1")
    assert len(read(lake, tmp_path / "b.csv")) == 1


@pytest.fixture
def mounted(spark: SparkSession, tmp_path: Path) -> str:
    """A Hadoop address, of another scheme than ``file:``, of the test's own folder."""
    mount = f"m{abs(hash(tmp_path))}"
    spark.conf.set(f"fs.viewfs.mounttable.{mount}.link./data", tmp_path.as_uri())
    return f"viewfs://{mount}/data"


@pytest.mark.parametrize("written", ["csv", "parquet"])
def test_files_behind_another_scheme_are_read_from_any_thread(
    written: str, lake: Lake, tmp_path: Path, mounted: str
):
    for place, name in enumerate(ODD_NAMES):
        stamped = prices([f"2020-01-0{2 + place % 2}"], received_at=["2020-01-03"])
        if written == "csv":
            stamped.to_csv(tmp_path / f"{name}.csv", index=False)
        else:
            stamped.to_parquet(tmp_path / f"{name}.parquet")
    source, local = files_source(lake, mounted), files_source(lake, tmp_path)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(source.arrival, "bars").result() == "column"
        far = pool.submit(records_of, source, lake).result()
    near = records_of(local, lake)
    assert far.drop("delivery").equals(near.drop("delivery"))
    assert far["delivery"].n_unique() == len(ODD_NAMES)
    assert all(one.name.startswith(mounted) for one in source.list_deliveries("bars", ALWAYS))


def test_a_place_that_does_not_answer(lake: Lake):
    source = files_source(lake, "viewfs://nobody/data")
    with pytest.raises(UnavailableError, match=r"viewfs://nobody/data cannot be listed \(.*check address"):
        source.list_deliveries("bars", ALWAYS)


def test_the_hadoop_store_answers_like_the_local_one(spark: SparkSession, tmp_path: Path):
    write_csv(tmp_path / "a.csv", "A,2020-01-02,1,4,0.5,2,100")
    (tmp_path / "_temporary").mkdir()
    write_csv(tmp_path / "_temporary" / "x.csv", "A,2020-01-02,1,4,0.5,2,100")
    whole = gzip.compress(f"{HEADER}\n".encode() + b"A,2020-01-02,1,4,0.5,2,100\n" * 5000)
    (tmp_path / "b.csv.gz").write_bytes(whole)
    (tmp_path / "cut.csv.gz").write_bytes(whole[:-50])
    here = pl.Series([datetime(2020, 1, 2)])  # noqa: DTZ001 - an instant without a zone
    there = here.dt.replace_time_zone("UTC")
    pl.DataFrame({"symbol": ["A"], "there": there, "here": here}).write_parquet(tmp_path / "c.parquet")
    near, far = LocalStore(), HadoopStore(spark)
    for place in (tmp_path, tmp_path / "*.gz", tmp_path / "a.csv"):
        assert [_to_milliseconds(file) for file in far.expand(str(place))] == [
            _to_milliseconds(file) for file in near.expand(str(place))
        ]
    for name in ("a.csv", "b.csv.gz"):
        assert far.head(str(tmp_path / name), 2) == near.head(str(tmp_path / name), 2)
    for store in (near, far):
        assert store.check_gzip(str(tmp_path / "b.csv.gz")) is None
        assert store.check_gzip(str(tmp_path / "cut.csv.gz"))
        footer = store.read_footer(str(tmp_path / "c.parquet"))
        assert (footer.names, footer.naive) == (("symbol", "there", "here"), {"here"})
        assert isinstance(store.read_footer(str(tmp_path / "a.csv")), str)
        assert store.is_file(str(tmp_path / "a.csv"))
        assert not store.is_file(str(tmp_path))
    assert isinstance(open_store("s3a://lake/bars", lambda: spark), HadoopStore)


def _to_milliseconds(file: StoredFile) -> tuple[str, int, int]:
    return file.path.removeprefix("file:"), int(file.at.timestamp() * 1000), file.size
