"""What is read in this process is, sign by sign, what Spark reads; what would differ is left to Spark."""

from __future__ import annotations

import gzip
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.io.lake import Lake
from pipelines.io.sources import NotPlain
from pipelines.io.sources.layout import bars_layout, texts_layout
from pipelines.io.sources.plain_files import SMALL_BYTES, are_small, read_here
from tests.pipelines.io.sources.requests import (
    files_at,
    files_source,
    records_of,
    through_spark,
    without_spark,
)

BARS = "symbol,date,open,high,low,close,volume,received_at"
TEXTS = "symbol,published_at,text,source"
PLAIN_BARS = {
    "blanks": "A, 2020-01-02 ,1.50,\t2,1 , ,100,\n B B ,2020-01-03,,2,1,abc,1e3,2020-01-03\n",
    "ragged": "A,2020-01-02,1,2\nB,2020-01-02,1,2,1,1,1,,more,and more\n\n   \nC,2020-01-02,1,2,1,1,1,",
    "quoted": '"A","2020-01-02","1","2","1","","1",""\n"B ""x"", y",2020-01-02,1,2,1,1,1,\n',
    "windows": "A,2020-01-02,1,2,1,1,1,\r\nB,2020-01-03,1,2,1,1,1,\r\n",
    "dates": "A,20200102,1,2,1,1,1,\nB,2020-01-03T10:00:00Z,1,2,1,1,1,\nC,,1,2,1,1,1,\n",
    "instants": "".join(
        f"A,2020-01-02,1,2,1,1,1,{instant}\n"
        for instant in (
            "2020-01-03", "2020-01-03 21:21", "2020-01-03T21:21:09", "2020-01-03T21:21:09.5Z",
            "2020-01-04 02:20:00+05:30", "2020-01-04 02:20:00.123456-11:00", "2020-07-03T21:21:09",
            "2020-11-01 01:30:00", "2020-11-01T01:30:00-05:00",
        )
    ),
    "letters": "Ä\u00a0,2020-01-02,1,2,1,1,1,\n\u2028,2020-01-02,1,2,1,1,1,\n\u00a0,2020-01-02,1,2,1,1,1,\n",
    "a mark": "\ufeffA,2020-01-02,1,2,1,1,1,\n",
    "no rows": "",
}  # fmt: skip
PLAIN_TEXTS = {
    "quotes": 'A,2020-01-02T20:59:00Z,"said ""so"", twice",wire\nB,2020-01-02T20:59:00Z,"""x""",wire\n',
    "lines": 'A,2020-01-02T20:59:00Z,"one\ntwo\n\n three",wire\nB,2020-01-02T20:59:00Z,x,wire\n',
    "blanks": 'A,2020-01-02T20:59:00Z, padded\t,wire\nB,2020-01-02T20:59:00Z,\t,\n   \n\nC,,  ," "\n',
    "ragged": "A,2020-01-02T20:59:00Z\nB,2020-01-02T20:59:00Z,x,y,z\n",
    "windows": "A,2020-01-02T20:59:00Z,one,wire\r\nB,2020-01-02T20:59:00Z,two,wire\r\n",
    "long": f"A,2020-01-02T20:59:00Z,{'x' * 5000},wire\n",
}
ACTIONS = "symbol,ex-date,kind,value,received_at"
PLAIN_ACTIONS = {
    "blanks": "A , 2020-01-02,\tSplit , 2 : 1,\n B B ,2020-01-03, dividend,,2020-01-03\n",
    "ragged": "A,2020-01-02,split,2\nB,2020-01-02,dividend,0.25,,more\n\n   \nC,2020-01-02\n",
    "quoted": '"A","2020-01-02","split","2:1",""\n"B ""x"", y",20200102,dividend,1,\n',
    "windows": "A,2020-01-02,split,2,\r\nB,2020-01-03,split,1,\r\n",
    "days": "A,2020-01-04,split,2,\nB,2031-05-01,dividend,0.5,2020-01-02T16:00:00\nC,,split,2,\n",
    "no rows": "",
}
ODD_BARS = {
    "a quote inside": 'A"B,2020-01-02,1,2,1,1,1,\n',
    "a quoted blank": '" A",2020-01-02,1,2,1,1,1,\n',
    "a quote after a blank": 'A, "2020-01-02",1,2,1,1,1,\n',
    "a quoted line end": '"A\nB",2020-01-02,1,2,1,1,1,\n',
    "an open quote": '"A,2020-01-02,1,2,1,1,1,\nB,2020-01-02,1,2,1,1,1,\n',
    "an unreadable date": "A,soon,1,2,1,1,1,\n",
    "a date that is none": "A,2020-02-30,1,2,1,1,1,\nB,2020-02-30T10:00,1,2,1,1,1,\n",
    "an hour that is none": "A,2020-01-02,1,2,1,1,1,2020-03-08 02:30:00\n",
    "an unreadable instant": "A,2020-01-02,1,2,1,1,1,whenever\nB,2020-01-02,1,2,1,1,1,2020-01-02 5pm\n",
    "a named zone": "A,2020-01-02,1,2,1,1,1,2020-01-02 10:00:00 Asia/Tokyo\n",
    "nanoseconds": "A,2020-01-02,1,2,1,1,1,2020-01-02 10:00:00.123456789Z\n",
    "one old Mac's line ends": "A,2020-01-02,1,2,1,1,1,\rB,2020-01-02,1,2,1,1,1,\r",
}  # fmt: skip


def both_ways(lake: Lake, **params: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    (kind,) = params.keys() & {"bars", "actions", "texts"}
    quick, slow = files_source(lake, **params), files_source(through_spark(lake), **params)
    return records_of(quick, lake, kind), records_of(slow, lake, kind)


@pytest.mark.parametrize("case", [*PLAIN_BARS, *ODD_BARS])
def test_bars_are_read_alike(case: str, lake: Lake, tmp_path: Path) -> None:
    lines = PLAIN_BARS.get(case, ODD_BARS.get(case, ""))
    mark = "\ufeff" if lines.startswith("\ufeff") else ""
    content = f"{mark}{BARS}\n{lines.removeprefix(mark)}"
    if "\r\n" in lines:
        content = content.replace("\n", "\r\n", 1)
    (tmp_path / "bars.csv").write_bytes(content.encode())
    here, spark = both_ways(lake, bars=tmp_path / "bars.csv")
    assert here.rows() == spark.rows()
    assert here.height == 0 if case == "no rows" else here.height > 0


@pytest.mark.parametrize("case", PLAIN_ACTIONS)
def test_actions_are_read_alike_and_here(case: str, lake: Lake, tmp_path: Path) -> None:
    end = "\r\n" if case == "windows" else "\n"
    path = tmp_path / "actions.csv"
    path.write_bytes(f"{ACTIONS}{end}{PLAIN_ACTIONS[case]}".encode())
    here, spark = both_ways(lake, actions=str(path))
    assert here.rows() == spark.rows()
    quick = without_spark(tmp_path)
    alone = records_of(files_source(quick, actions=str(path)), quick, "actions")
    assert alone.drop("delivery").equals(here.drop("delivery"))
    assert alone.height == (0 if case == "no rows" else 3 if case in {"ragged", "days"} else 2)


@pytest.mark.parametrize("value", [[2, 1], [0.5, 1e-7], ["2:1", None]], ids=["whole", "real", "text"])
def test_actions_in_parquet_are_read_alike(value: list[Any], lake: Lake, tmp_path: Path) -> None:
    days = [date(2020, 1, 2), date(2020, 7, 6)]
    sent = pd.DataFrame(
        {"symbol": ["A", "B"], "Ex_Date": days, "kind": ["split", "Dividend"], "value": value}
    )
    sent.to_parquet(tmp_path / "actions.parquet")
    here, spark = both_ways(lake, actions=str(tmp_path / "actions.parquet"))
    assert here.rows() == spark.rows()
    assert here["session"].to_list() == ["2020-01-02", "2020-07-06"]


@pytest.mark.parametrize("case", PLAIN_TEXTS)
def test_texts_are_read_alike(case: str, lake: Lake, tmp_path: Path) -> None:
    lines = PLAIN_TEXTS[case]
    end = "\r\n" if "\r\n" in lines else "\n"
    (tmp_path / "texts.csv").write_bytes(f"{TEXTS}{end}{lines}".encode())
    here, spark = both_ways(lake, texts=str(tmp_path / "texts.csv"))
    assert here.rows() == spark.rows()
    assert here.height > 0


@pytest.mark.parametrize("case", [*PLAIN_BARS, *ODD_BARS])
def test_only_what_is_plain_is_read_here(case: str, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress(f"{BARS}\n{PLAIN_BARS.get(case, ODD_BARS.get(case, ''))}".encode()))
    layout = bars_layout({}, "files")
    if case in ODD_BARS:
        with pytest.raises(NotPlain):
            read_here(str(path), layout, files_at(path), "d", None)
    elif case not in {"windows", "a mark"}:
        assert set(read_here(str(path), layout, files_at(path), "d", None)["delivery"]) <= {"d"}


@pytest.mark.parametrize("content", [b"", gzip.compress(b"symbol,date\n")[:-9], b"\x1f\x8b\x08 torn"])
def test_a_file_that_is_being_written_is_not_plain(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / ("bars.csv.gz" if content else "bars.csv")
    path.write_bytes(content)
    with pytest.raises(NotPlain):
        read_here(str(path), bars_layout({}, "files"), files_at(path), "d", None)


def test_plain_texts_need_no_session(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text(f"{TEXTS}\n{PLAIN_TEXTS['lines']}", encoding="utf-8")
    texts = str(tmp_path / "texts.csv")
    read = read_here(texts, texts_layout({}, "files"), files_at(texts=texts), "d", None)
    assert read["text"].to_list() == ["one\ntwo\n\n three", "x"]
    lake = without_spark(tmp_path)
    assert records_of(files_source(lake, texts=texts), lake, "texts").height == 2


def test_tabs_and_other_patterns(lake: Lake, tmp_path: Path) -> None:
    header = BARS.replace(",", "\t")
    lines = "A\t31.01.2020\t1\t2\t\t1\t1\t\n \tB\t2020-01-31\t1\t2\t1\t1\t1\n"
    (tmp_path / "b.tsv").write_text(f"{header}\n{lines}", encoding="utf-8")
    formats = ("dd.MM.yyyy", "yyyy-MM-dd")
    here, spark = both_ways(lake, bars=tmp_path / "b.tsv", separator="\t", date_formats=formats)
    assert here.rows() == spark.rows()
    (tmp_path / "b.tsv").write_text(f"{header}\nA\t1.Jan.2020\t1\t2\t1\t1\t1\t\n", encoding="utf-8")
    here, spark = both_ways(lake, bars=tmp_path / "b.tsv", separator="\t", date_formats=("d.MMM.yyyy",))
    assert here.rows() == spark.rows()
    assert here["session"].to_list() == ["2020-01-01"]


AFTERNOON = datetime(2020, 1, 2, 16)  # noqa: DTZ001 - an instant without a zone
DAYS = pd.to_datetime(["2020-01-02 00:00", "2020-07-06 16:00"])
PARQUET_DATES = {
    "date": [date(2020, 1, 2), date(2020, 7, 6)],
    "text": ["2020-01-02", " "],
    "compact": ["20200102", None],
    "whole numbers": [20200102, 20200706],
    "nanoseconds": DAYS.astype("datetime64[ns]"),
    "microseconds": DAYS.astype("datetime64[us]"),
    "milliseconds": DAYS.astype("datetime64[ms]"),
    "in New York": DAYS.tz_localize("America/New_York").astype("datetime64[ns, America/New_York]"),
    "in UTC": DAYS.tz_localize("UTC").astype("datetime64[us, UTC]"),
    "categories": pd.Categorical(["2020-01-02", "2020-07-06"]),
    "unreadable": ["soon", "2020-07-06"],
}


@pytest.mark.parametrize("case", PARQUET_DATES)
def test_parquet_is_read_alike(case: str, lake: Lake, tmp_path: Path) -> None:
    sent = pd.DataFrame(
        {
            "Symbol": ["A ", " "],
            "date": PARQUET_DATES[case],
            "open": [1.5, float("nan")],
            "high": [12345678.125, 0.0],
            "low": [1 / 3, -0.001],
            "close": [0.1 + 0.2, 1e7],
            "volume": np.array([1, 2**40]),
            "received_at": PARQUET_DATES[case],
            "dividend": [None, 123456789012345.0],
        }
    )
    sent.to_parquet(tmp_path / "bars.parquet")
    here, spark = both_ways(lake, bars=tmp_path)
    assert here.rows() == spark.rows()
    quick = without_spark(tmp_path)
    if case not in {"compact", "whole numbers", "unreadable"}:
        assert records_of(files_source(quick, tmp_path), quick).height == 2


@pytest.mark.parametrize(
    "odd",
    [
        pa.array([5e-324]), pa.array([1e300]), pa.array([1.5], pa.float32()), pa.array([1], pa.uint64()),
        pa.array([b"1"]), pa.array([True]), pa.array(["1.0"]).cast(pa.decimal128(9, 2)),
        pa.array([date(2020, 1, 2)]),
    ],
    ids=lambda odd: f"{odd.type} {odd[0]}",
)  # fmt: skip
def test_what_parquet_holds_otherwise_is_left_to_spark(odd: pa.Array, lake: Lake, tmp_path: Path) -> None:
    plain = {name: ["1"] for name in ("symbol", "open", "high", "low", "volume")}
    table = pa.table({**plain, "session": ["2020-01-02"], "close": odd})
    pq.write_table(table, tmp_path / "b.parquet")
    with pytest.raises(NotPlain):
        read_here(str(tmp_path / "b.parquet"), bars_layout({}, "files"), files_at(tmp_path), "d", None)
    here, spark = both_ways(lake, bars=tmp_path)
    assert here.rows() == spark.rows()


def test_instants_in_nanoseconds_keep_their_zone_or_take_the_source_s(lake: Lake, tmp_path: Path) -> None:
    instants = pd.to_datetime(["2020-01-02 21:20:00.123456789"]).astype("datetime64[ns]")
    sent = pd.DataFrame({"symbol": ["A"], "text": ["x"], "published_at": instants})
    sent["received_at"] = instants.tz_localize("UTC")
    sent.to_parquet(tmp_path / "texts.parquet")
    here, spark = both_ways(lake, texts=str(tmp_path / "texts.parquet"))
    assert here.rows() == spark.rows()
    assert here.select("published_at", "received_at").rows() == [
        ("2020-01-03T02:20:00.123456Z", "2020-01-02T21:20:00.123456Z")
    ]


def test_instants_as_spark_once_stored_them_are_left_to_spark(lake: Lake, tmp_path: Path) -> None:
    plain = {name: ["1"] for name in ("symbol", "open", "high", "low", "close", "volume")}
    table = pa.table({**plain, "session": pa.array([AFTERNOON])})
    pq.write_table(table, tmp_path / "b.parquet", use_deprecated_int96_timestamps=True)
    here, spark = both_ways(lake, bars=tmp_path)
    assert here.rows() == spark.rows()
    assert here["session"].to_list() == ["2020-01-02"]


def test_few_and_small_is_a_matter_of_bytes() -> None:
    assert are_small({"a.csv": SMALL_BYTES - 1, "b.csv": 1})
    assert not are_small({"a.csv": SMALL_BYTES, "b.csv": 1})
    assert not are_small({"a.csv.gz": SMALL_BYTES // 9})
