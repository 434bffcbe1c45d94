"""What is accepted as which column, and what is refused before Spark reads anything."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import polars as pl
import pytest

from pipelines.base.errors import ContractViolation, SettingsError
from pipelines.io.sources.layout import (
    actions_layout,
    bars_layout,
    check_file,
    find_files,
    stem_of,
    texts_layout,
)
from pipelines.io.sources.stores import LocalStore

HEADER = "symbol,date,open,high,low,close,volume"
ROW = "A,2020-01-02,1,2,0.5,1.5,100"
NAMES = HEADER.split(",")


def find(place: object) -> list[str]:
    return [file.path for file in find_files(LocalStore(), str(place), bars_layout({}, "files"))]


def wrong_with(path: Path) -> str:
    return check_file(LocalStore(), str(path), path.stat().st_size, bars_layout({}, "files"), ",") or ""


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_names_match_whatever_their_case_order_and_blanks():
    found = bars_layout({}, "files").locate(
        ["Volume ", "\ufeffClose", "LOW", "high", "open", "Date", "Symbol"], "f"
    )
    assert found == {"volume": 0, "close": 1, "low": 2, "high": 3, "open": 4, "session": 5, "symbol": 6}


def test_a_mapped_name_wins_over_the_same_name_unmapped():
    names = [*NAMES, "adj"]
    found = bars_layout({"adj": "close"}, "files").locate(names, "f")
    assert found["close"] == 7


def test_texts_accept_source_for_origin():
    names = ["symbol", "published_at", "title", "source"]
    assert texts_layout({"title": "text"}, "files").locate(names, "f") == {
        "symbol": 0, "published_at": 1, "text": 2, "origin": 3,
    }  # fmt: skip


@pytest.mark.parametrize("day", ["session", "date", "Ex_Date", "ex-date"])
def test_the_day_of_an_action_has_several_names(day: str):
    found = actions_layout({"type": "kind"}, "files").locate(["symbol", day, "type", "value"], "f")
    assert found == {"symbol": 0, "session": 1, "kind": 2, "value": 3}


def test_what_an_action_lacks_is_named_with_its_setting():
    wrong = r"actions\.kind: a\.csv: missing kind, value; .*name .* in sources\.files\.action_columns"
    with pytest.raises(ContractViolation, match=wrong):
        actions_layout({}, "files").locate(["symbol", "ex_date"], "a.csv")


def test_missing_columns_are_named_with_what_was_found_and_the_next_step():
    with pytest.raises(
        ContractViolation,
        match=r"bars\.low: prices\.csv: missing low, volume; found the columns 'symbol', 'date'.*"
        r"needed are symbol, session.*sources\.files\.columns",
    ):
        bars_layout({}, "files").locate(["symbol", "date", "open", "high", "close"], "prices.csv")


def test_a_first_line_of_data_is_told_from_a_header():
    with pytest.raises(ContractViolation, match=r"first line looks like data.*write the header line first"):
        bars_layout({}, "files").locate(["A", "2020-01-02", "1.5", "2", "1", "1.5", "100"], "f")


def test_two_columns_for_one_of_ours_are_refused():
    with pytest.raises(ContractViolation, match=r"columns 'date' and 'session' both stand for it"):
        bars_layout({}, "files").locate([*NAMES, "session"], "f")


def test_a_mapping_to_an_unknown_name_is_refused():
    with pytest.raises(SettingsError, match=r"sources\.files\.columns maps to price; allowed .* symbol"):
        bars_layout({"px": "price"}, "files")


def test_a_file_a_folder_and_a_glob_are_found(tmp_path: Path):
    (tmp_path / "2020").mkdir()
    one = written(tmp_path / "2020" / "a.csv", HEADER, ROW)
    two = written(tmp_path / "b.csv", HEADER, ROW)
    written(tmp_path / "README.md", "prices")
    written(tmp_path / "_SUCCESS", "")
    assert find(one) == [str(one)]
    assert find(tmp_path) == [str(one), str(two)]
    assert find(tmp_path / "*.csv") == [str(two)]


def test_a_place_to_which_nothing_was_delivered_yet_has_no_files(tmp_path: Path):
    assert find(tmp_path / "*.csv") == []
    assert find(tmp_path) == []


def test_no_path_given():
    with pytest.raises(SettingsError, match=r"sources\.files\.bars is empty; give --bars PATH"):
        find("")


def test_an_unknown_kind_of_file(tmp_path: Path):
    with pytest.raises(ContractViolation, match=r"bars\.xlsx: unknown kind of file; allowed: "):
        find(written(tmp_path / "bars.xlsx", "x"))


def test_an_empty_file(tmp_path: Path):
    (tmp_path / "a.csv").touch()
    assert re.search(r"a\.csv: the file is empty \(0 bytes\)", wrong_with(tmp_path / "a.csv"))


def test_a_header_alone_is_a_delivery_of_nothing(tmp_path: Path):
    assert wrong_with(written(tmp_path / "a.csv", HEADER)) == ""


def test_a_file_without_a_header(tmp_path: Path):
    assert "first line looks like data" in wrong_with(written(tmp_path / "a.csv", ROW))


def test_a_truncated_gzip_file(tmp_path: Path):
    whole = gzip.compress(
        "\n".join([HEADER, *(f"A{n},2020-01-02,1,2,0.5,1.5,{n}" for n in range(5000))]).encode()
    )
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert re.search("not a complete gzip file .* fetch it again", wrong_with(tmp_path / "a.csv.gz"))


def test_a_truncated_parquet_file(tmp_path: Path):
    path = tmp_path / "b.parquet"
    pl.DataFrame({name: ["1"] for name in NAMES}).write_parquet(path)
    assert wrong_with(path) == ""
    path.write_bytes(path.read_bytes()[:100])
    assert re.search(r"b\.parquet: not readable as Parquet .*magic bytes.*fetch it again", wrong_with(path))


def test_a_parquet_file_that_lacks_a_column(tmp_path: Path):
    pl.DataFrame({name: ["1"] for name in NAMES[:-1]}).write_parquet(tmp_path / "b.parquet")
    assert "missing volume" in wrong_with(tmp_path / "b.parquet")


def test_a_name_without_its_ending():
    names = ["/a/b.c.csv.gz", "s3a://x/y.parquet", "z.TSV", "q"]
    assert [stem_of(name) for name in names] == ["b.c", "y", "z", "q"]


def test_a_folder_of_both_kinds(tmp_path: Path):
    written(tmp_path / "a.csv", HEADER, ROW)
    pl.DataFrame({"symbol": ["A"]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(
        ContractViolation, match=r"holds Parquet .* and CSV .* give a glob such as .*/\*\.parquet"
    ):
        find(tmp_path)
