"""Rows to compare revisions on, in the form that views of bars read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from features.views import VIEWS
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError
from pipelines.registry.source_sample import SampleSize, has_bars, read_file, simulate, to_source_rows

SIZE = SampleSize(sessions=2, symbols=2)
PRICES = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 1e6}


def bars_of(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([{**PRICES, **row} for row in rows])


def test_actions_on_a_bar_become_rows_of_their_own() -> None:
    day = date(2024, 1, 3)
    rows = to_source_rows(
        bars_of(
            {"symbol": "A", "session": day, "dividend": 0.5, "split": 1.0},
            {"symbol": "B", "session": day, "dividend": 0.0, "split": 2.0},
        )
    )
    assert rows.columns[:3] == ["symbol", "session", "known_at"]
    assert set(rows.columns) == set(VIEWS["features_daily"].source_columns)
    assert rows.select("symbol", "record", "value", "close", "price_basis", "valid").rows() == [
        ("A", "bar", None, 10.5, "raw", True),
        ("B", "bar", None, 10.5, "raw", True),
        ("B", "split", 2.0, None, None, True),
        ("A", "dividend", 0.5, None, None, True),
    ]


def test_what_a_file_says_of_itself_is_kept() -> None:
    known = datetime(2024, 1, 4, tzinfo=UTC)
    said = {"price_basis": "split", "valid": False, "received_at": known}
    rows = to_source_rows(bars_of({"symbol": "A", "session": "2024-01-03", **said}))
    assert rows.select("price_basis", "valid", "known_at").row(0) == ("split", False, known)


def test_bars_that_lack_a_column_are_refused() -> None:
    with pytest.raises(
        BadDataError, match="bars lack volume; they have open, high, low, close, symbol, session"
    ):
        to_source_rows(bars_of({"symbol": "A", "session": date(2024, 1, 3)}).drop("volume"))


def test_a_file_is_cut_to_its_newest_sessions_and_first_symbols(
    open_home: Callable[..., Context], tmp_path: Path
) -> None:
    context, days = open_home(tmp_path / "home"), [date(2024, 1, day) for day in (2, 3, 4)]
    file = tmp_path / "bars.parquet"
    bars_of(*({"symbol": name, "session": day} for name in "CBA" for day in days)).write_parquet(file)
    rows = read_file(file, context, SIZE)
    assert rows.by_source["bars"]["symbol"].unique().sort().to_list() == ["A", "B"]
    assert (rows.sessions[-1], rows.wanted, len(rows.sessions)) == (days[-1], 2, 2 + 273)
    assert rows.described == str(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no parquet", "cannot be read as a Parquet file of bars"),
        (None, "none of its 1 rows is of a session"),
    ],
)
def test_a_file_without_usable_bars_is_named(
    content: bytes | None, said: str, open_home: Callable[..., Context], tmp_path: Path
) -> None:
    file = tmp_path / "bars.parquet"
    if content:
        file.write_bytes(content)
    else:
        bars_of({"symbol": "A", "session": date(2024, 1, 6)}).write_parquet(file)
    with pytest.raises(BadDataError, match=said):
        read_file(file, open_home(tmp_path / "home"), SIZE)


def test_a_simulated_market_reaches_back_far_enough() -> None:
    settings, _ = load_settings()
    params = replace(settings.sources["simulated"], symbols=5)  # type: ignore[type-var]
    rows = simulate(params, settings.calendar, SIZE)  # type: ignore[arg-type]
    bars = rows.by_source["bars"]
    assert len(rows.sessions) == 275 == bars["session"].n_unique()
    assert bars["symbol"].n_unique() == 2
    assert rows.calendar["name"] == "XNYS"


def test_a_home_without_tables_has_no_bars(open_home: Callable[..., Context], tmp_path: Path) -> None:
    assert not has_bars(open_home(tmp_path))
