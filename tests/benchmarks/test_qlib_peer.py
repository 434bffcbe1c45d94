"""The store that Qlib reads, byte by byte; its environment is made by the benchmark alone."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from benchmarks.qlib_peer import NAMED, PeerRun, render, with_peer_fields, write_store

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5)]


def bars_of(*rows):
    symbols, places, prices = zip(*rows, strict=True)
    fields = {name: list(prices) for name in ("open", "high", "low", "close", "volume")}
    return pl.DataFrame({"symbol": symbols, "session": [DAYS[place] for place in places], **fields})


def stored(folder, symbol, field):
    return np.fromfile(folder / "features" / symbol / f"{field}.day.bin", dtype="<f4").tolist()


def test_store_holds_start_values_and_gaps(tmp_path):
    bars = bars_of(("A", 0, 1.0), ("A", 1, 2.0), ("A", 3, 3.0), ("CON", 1, 5.0), ("CON", 2, 6.5))
    write_store(bars, tmp_path / "store")
    folder = tmp_path / "store"
    assert (
        folder / "calendars" / "day.txt"
    ).read_text() == "2024-01-02\n2024-01-03\n2024-01-04\n2024-01-05\n"
    spans = "A\t2024-01-02\t2024-01-05\nCON\t2024-01-03\t2024-01-04\n"
    assert (folder / "instruments" / "all.txt").read_text() == spans
    assert stored(folder, "a", "close") == [0, 1, 2, pytest.approx(np.nan, nan_ok=True), 3]
    assert stored(folder, "_qlib_con", "volume") == [1, 5, 6.5]
    assert stored(folder, "_qlib_con", "factor") == [1, 1, 1]


def test_vwap_is_the_typical_price_where_there_is_none():
    bars = bars_of(("A", 0, 3.0)).with_columns(high=pl.lit(6.0), low=pl.lit(0.0))
    assert with_peer_fields(bars)["vwap"].to_list() == [3.0]
    assert with_peer_fields(bars.with_columns(vwap=pl.lit(4.0)))["vwap"].to_list() == [4.0]


def test_null_cells_are_not_a_number(tmp_path):
    bars = bars_of(("A", 0, 1.0), ("A", 1, 2.0)).with_columns(high=pl.Series([None, 2.0], dtype=pl.Float64))
    write_store(bars, tmp_path)
    missing = pytest.approx(np.nan, nan_ok=True)
    assert stored(tmp_path, "a", "high") == [0, missing, 2]
    assert stored(tmp_path, "a", "vwap") == [0, missing, 2]


def test_a_store_is_replaced(tmp_path):
    write_store(bars_of(("OLD", 0, 1.0)), tmp_path)
    write_store(bars_of(("NEW", 0, 1.0)), tmp_path)
    assert [path.name for path in (tmp_path / "features").iterdir()] == ["new"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("NA", 0, 1.0)], r"Qlib reads the symbols \['NA'\] as missing"),
        ([("a", 0, 1.0), ("A", 0, 1.0)], "two of these differ by case alone"),
        ([("A", 0, 1.0), ("A", 0, 2.0)], "two rows of one symbol and session"),
    ],
)
def test_bars_that_qlib_would_misread_are_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        write_store(bars_of(*rows), tmp_path)


def test_page_names_versions_and_every_repetition():
    start = {"import": {"wall": 1.5, "cpu": 1.25}, "init": {"wall": 0.5, "cpu": 0.25}}
    run = PeerRun(
        cores=2, wall=(20.5, 19.0), cpu=(40.0, 38.5), start=start, rows=1000, columns=158,
        versions={name: f"1.{place}" for place, name in enumerate(NAMED)}, load=0.25,
    )  # fmt: skip
    page = render([run], 10)
    assert "| 2 | 0.2 | 1 | 20.50 | 40.00 |\n| 2 | 0.2 | 2 | 19.00 | 38.50 |" in page
    assert "| 2 | import | 1.50 | 1.25 |" in page
    assert "pyqlib 1.0, numpy 1.1, pandas 1.2" in page
