"""Files read through Spark: every format and type ends in the same text."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.base.errors import ContractViolation
from pipelines.io.lake import Lake
from pipelines.io.sources.base import BAR_COLUMNS, TEXT_COLUMNS
from pipelines.io.sources.files import FilesSource
from pipelines.io.sources.stores import HadoopStore, LocalStore, open_store
from tests.pipelines.io.sources.requests import files_at, request_for

ALWAYS = request_for(date(2000, 1, 3), date(2025, 12, 31))
HEADER = "symbol,date,open,high,low,close,volume"
CLOSES = (0.1, 12345678.125, 1 / 3, 5e-324)


def rows_of(frame: DataFrame | None) -> list[dict[str, Any]]:
    assert frame is not None
    return sorted((row.asDict() for row in frame.collect()), key=lambda row: str(row.values()))


def read(lake: Lake, bars: object, request: Any = ALWAYS, **changes: Any) -> list[dict[str, Any]]:
    return rows_of(FilesSource("files", files_at(bars, **changes), lake).read("bars", request))


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


def test_every_column_comes_as_text_in_contract_order(lake: Lake, tmp_path: Path):
    path = write_csv(tmp_path / "bars.csv", "A,2020-01-02,1.50,2,1,1.75,100", "B,2020-01-02,,2,1,abc,1e3")
    frame = FilesSource("files", files_at(path), lake).read("bars", ALWAYS)
    assert tuple(frame.columns) == BAR_COLUMNS
    assert {field.dataType.simpleString() for field in frame.schema.fields} == {"string"}
    first, second = rows_of(frame)
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
def test_parquet_dates_of_any_type(lake: Lake, tmp_path: Path, kind: str, write: Any):
    days = pd.Series(pd.to_datetime(["2020-01-02", "2020-07-06"]))
    prices(write(days)).to_parquet(tmp_path / "bars.parquet")
    assert [row["session"] for row in read(lake, tmp_path)] == ["2020-01-02", "2020-07-06"], kind


def test_doubles_survive_exactly_and_nan_is_nothing(lake: Lake, tmp_path: Path):
    table = prices(["2020-01-02"] * 4, dividend=[float("nan"), 0.1, 0.2, 0.3])
    table.to_parquet(tmp_path / "bars.parquet")
    rows = read(lake, tmp_path)
    assert tuple(float(row["close"]) for row in rows) == CLOSES
    assert [row["volume"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[0]["dividend"] is None


def test_files_of_another_column_order_are_matched_by_name(lake: Lake, tmp_path: Path):
    write_csv(tmp_path / "a.csv", "A,2020-01-02,1,4,0.5,2,100")
    other = "volume,close,low,high,open,session,symbol"
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(f"{other}\n100,2,0.5,4,1,2020-01-02,B\n".encode()))
    one, two = read(lake, tmp_path)
    assert one | {"symbol": "B"} == two
    assert two["high"] == "4"


def test_other_columns_are_left_behind(lake: Lake, tmp_path: Path):
    path = write_csv(tmp_path / "b.csv", "A,2020-01-02,1,4,0.5,2,100,me@home", header=f"{HEADER},e-mail")
    assert set(read(lake, path)[0]) == set(BAR_COLUMNS)


def test_separators_mappings_and_date_patterns(lake: Lake, tmp_path: Path):
    header = "Ticker\tDay\topen\thigh\tlow\tPx\tvolume"
    path = write_csv(tmp_path / "b.tsv", "A\t31.01.2020\t1\t4\t0.5\t2\t100", header=header)
    mapping = {"ticker": "symbol", "Day": "session", "Px": "close"}
    row = read(lake, path, separator="\t", columns=mapping, date_formats=("dd.MM.yyyy",))[0]
    assert (row["symbol"], row["session"], row["close"]) == ("A", "2020-01-31", "2")


def test_sessions_select_and_unreadable_dates_always_come(lake: Lake, tmp_path: Path):
    lines = [f"A,{day},1,2,1,1,1" for day in ("2020-01-02", "2020-01-03", "2020-01-06", "soon", "")]
    path = write_csv(tmp_path / "b.csv", *lines)
    rows = read(lake, path, request_for(date(2020, 1, 3), date(2020, 1, 3)))
    assert {row["session"] for row in rows} == {"2020-01-03", "soon", None}


def test_rows_with_an_arrival_are_selected_by_it(lake: Lake, tmp_path: Path):
    lines = [
        "A,2019-03-01,1,2,1,1,1,2020-01-03T21:20:00Z",
        "B,2020-01-03,1,2,1,1,1,2020-01-04 02:20:00+05:00",
        "C,2020-01-03,1,2,1,1,1,2020-01-03 21:21:00",
        "D,2020-01-03,1,2,1,1,1,whenever",
        "E,2020-01-03,1,2,1,1,1,",
    ]
    path = write_csv(tmp_path / "b.csv", *lines, header=f"{HEADER},received_at")
    source = FilesSource("files", files_at(path), lake)
    assert source.delivers_received_at("bars")
    request = request_for(
        date(2020, 1, 3),
        date(2020, 1, 3),
        after=datetime(2020, 1, 2, 22, tzinfo=UTC),
        until=datetime(2020, 1, 3, 21, 20, tzinfo=UTC),
    )
    rows = {row["symbol"]: row["received_at"] for row in rows_of(source.read("bars", request))}
    assert rows == {
        "A": "2020-01-03T21:20:00.000000Z",
        "B": "2020-01-03T21:20:00.000000Z",
        "D": "whenever",
        "E": None,
    }


def test_arrivals_are_found_in_parquet(lake: Lake, tmp_path: Path):
    instants = pd.Series(pd.to_datetime(["2020-01-02 21:20:00.123456"])).dt.tz_localize("UTC")
    prices(["2020-01-02"], received_at=instants).to_parquet(tmp_path / "b.parquet")
    assert FilesSource("files", files_at(tmp_path), lake).delivers_received_at("bars")
    assert read(lake, tmp_path)[0]["received_at"] == "2020-01-02T21:20:00.123456Z"


def test_a_parquet_file_without_rows(lake: Lake, tmp_path: Path):
    prices([]).astype({"symbol": str, "date": str}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(ContractViolation, match=r"b\.parquet: has no rows"):
        read(lake, tmp_path)


def test_a_truncated_parquet_file(lake: Lake, tmp_path: Path):
    prices(["2020-01-02"]).to_parquet(tmp_path / "b.parquet")
    content = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(
        ContractViolation, match=r"b\.parquet: not readable as Parquet .*magic number.*fetch it again"
    ):
        read(lake, tmp_path)


def test_texts_between_two_closes(lake: Lake, tmp_path: Path):
    lines = [
        'A,2020-01-02T20:59:00Z,"before, the close",wire',
        'A,2020-01-02T21:00:01Z,"said ""after"" the close\nin two lines",wire',
        "A,2020-01-03 20:00:00-01:00,at the close,wire",
        "A,2020-01-03T21:00:01Z,too late,wire",
        "A,at noon,unreadable,wire",
    ]
    path = write_csv(tmp_path / "t.csv", *lines, header="symbol,published_at,text,source")
    source = FilesSource("files", files_at(texts=str(path)), lake)
    frame = source.read("texts", request_for(date(2020, 1, 3), date(2020, 1, 3)))
    assert frame is not None
    assert tuple(frame.columns) == TEXT_COLUMNS
    rows = {row["text"]: (row["published_at"], row["origin"]) for row in rows_of(frame)}
    assert rows == {
        'said "after" the close\nin two lines': ("2020-01-02T21:00:01.000000Z", "wire"),
        "at the close": ("2020-01-03T21:00:00.000000Z", "wire"),
        "unreadable": ("at noon", "wire"),
    }


def test_no_texts(lake: Lake):
    assert FilesSource("files", files_at(), lake).read("texts", ALWAYS) is None


def test_glob_signs_in_a_file_s_name_are_letters(lake: Lake, tmp_path: Path):
    write_csv(tmp_path / "bars [1].csv", "A,2020-01-02,1,2,1,1,1")
    assert len(read(lake, tmp_path)) == 1


def test_the_hadoop_store_answers_like_the_local_one(spark: SparkSession, tmp_path: Path):
    write_csv(tmp_path / "a.csv", "A,2020-01-02,1,4,0.5,2,100")
    (tmp_path / "_temporary").mkdir()
    write_csv(tmp_path / "_temporary" / "x.csv", "A,2020-01-02,1,4,0.5,2,100")
    whole = gzip.compress(f"{HEADER}\n".encode() + b"A,2020-01-02,1,4,0.5,2,100\n" * 5000)
    (tmp_path / "b.csv.gz").write_bytes(whole)
    (tmp_path / "cut.csv.gz").write_bytes(whole[:-50])
    pl.DataFrame({"symbol": ["A"]}).write_parquet(tmp_path / "c.parquet")
    near, far = LocalStore(), HadoopStore(spark)
    for place in (tmp_path, tmp_path / "*.gz", tmp_path / "a.csv"):
        assert [name.removeprefix("file:") for name in far.expand(str(place))] == near.expand(str(place))
    for name in ("a.csv", "b.csv.gz"):
        assert far.head(str(tmp_path / name), 2) == near.head(str(tmp_path / name), 2)
        assert far.size(str(tmp_path / name)) == near.size(str(tmp_path / name))
    for store in (near, far):
        assert store.check_gzip(str(tmp_path / "b.csv.gz")) is None
        assert store.check_gzip(str(tmp_path / "cut.csv.gz"))
        assert store.parquet_columns(str(tmp_path / "c.parquet")) == ["symbol"]
        assert store.is_file(str(tmp_path / "a.csv"))
        assert not store.is_file(str(tmp_path))
    assert isinstance(open_store("s3a://lake/bars", lambda: spark), HadoopStore)
