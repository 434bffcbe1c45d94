"""The rows of a check, by hand: versions as of their cut, bars with actions beside them and back."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from features.sessions import SessionCalendar
from features.views import primary_view
from pipelines.base.errors import SettingsError
from pipelines.cli.leakcheck_rows import bars_of, known_by_cut, read_bars_file, source_rows_of

DAY = date(2024, 1, 2)
CUT = datetime(2024, 1, 3, 3, tzinfo=UTC)
EARLY, LATE = datetime(2024, 1, 2, 22, tzinfo=UTC), datetime(2024, 1, 4, 3, tzinfo=UTC)
KEY = ("symbol", "session")


def bar(close: float, known_at: datetime, **more: object) -> dict[str, object]:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    kept = {"symbol": "A", "session": DAY, **prices, "volume": 100.0, "valid": True, "price_basis": "raw"}
    return kept | {"known_at": known_at, "cutoff_at": CUT} | more


def test_the_newest_version_known_at_the_cut_counts():
    rows = pl.DataFrame([bar(10.0, EARLY), bar(11.0, CUT), bar(12.0, LATE)])
    assert known_by_cut(rows, KEY)["close"].to_list() == [11.0]


def test_what_came_after_its_cut_alone_is_not_there():
    assert known_by_cut(pl.DataFrame([bar(12.0, LATE)]), KEY).is_empty()


def test_actions_go_beside_bars_and_back():
    bars = pl.DataFrame(
        [bar(10.0, EARLY, dividend=0.5, split=1.0), bar(5.0, EARLY, symbol="B", dividend=0.0, split=2.0)]
    )
    rows = source_rows_of(bars, primary_view())
    assert rows.select("symbol", "record", "value").rows() == [
        ("A", "bar", None), ("A", "dividend", 0.5), ("B", "bar", None), ("B", "split", 2.0),
    ]  # fmt: skip
    assert bars_of(rows).select(bars.columns).equals(bars)


def test_a_file_without_instants_counts_as_known_at_the_cut(tmp_path):
    needed = pl.DataFrame([bar(10.0, EARLY)]).drop("valid", "price_basis", "known_at", "cutoff_at")
    needed.with_columns(note=pl.lit("x")).write_parquet(tmp_path / "bars.parquet")
    bars = read_bars_file(tmp_path / "bars.parquet", SessionCalendar())
    assert bars.row(0, named=True) == bar(10.0, CUT)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: path.write_text("no parquet"), "cannot be read"),
        (lambda path: pl.DataFrame({"symbol": ["A"]}).write_parquet(path), "lacks the columns"),
        (lambda path: None, "cannot be read"),
    ],
)
def test_a_file_that_holds_no_bars_is_refused(write, said, tmp_path):
    write(tmp_path / "bars.parquet")
    with pytest.raises(SettingsError, match=said):
        read_bars_file(tmp_path / "bars.parquet", SessionCalendar())
