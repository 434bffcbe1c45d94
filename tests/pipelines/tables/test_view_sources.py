"""What is built rests on the primary feed of bars, whatever stands beside it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from features.views import find_view, primary_view
from pipelines.io.lake import Lake
from pipelines.tables.contracts import SILVER_BARS, SILVER_TEXT, SILVER_TEXT_SCORES
from pipelines.tables.view_sources import source_query, tables_of
from tests.pipelines.table_rows import append

DAY, KNOWN = date(2024, 1, 2), datetime(2024, 1, 2, 21, 30, tzinfo=UTC)


@pytest.mark.parametrize(("bars", "close"), [("vendor", 10.0), ("other", 20.0), ("nobody", None)])
def test_bars_of_another_feed_are_left_out(lake: Lake, bars: str, close: float | None) -> None:
    append(
        lake,
        SILVER_BARS,
        {
            "source": ["vendor", "other"],
            "symbol": ["A", "A"],
            "session": [DAY, DAY],
            "known_at": [KNOWN, KNOWN],
            "close": [10.0, 20.0],
            "valid": [True, True],
            "month": ["2024-01", "2024-01"],
        },
    )
    query = source_query(primary_view(), bars=bars, texts=None, scorer="none")
    rows = lake.collect_query(query, *tables_of(primary_view()))
    assert rows["close"].to_list() == ([] if close is None else [close])


@pytest.mark.parametrize(("texts", "known"), [("wire", 1), ("other", 1), (None, 0)])
def test_texts_of_another_feed_are_left_out(lake: Lake, texts: str | None, known: int) -> None:
    text = {
        "text_id": ["x", "x"],
        "symbol": ["A", "A"],
        "session": [DAY, DAY],
        "month": ["2024-01", "2024-01"],
    }
    append(lake, SILVER_TEXT, text | {"source": ["wire", "other"], "known_at": [KNOWN, KNOWN]})
    score = {"text_id": ["x"], "model_version": ["s"], "session": [DAY], "month": ["2024-01"]}
    append(lake, SILVER_TEXT_SCORES, score)
    view = find_view("features_text")
    query = source_query(view, bars="vendor", texts=texts, scorer="s")
    assert lake.collect_query(query, *tables_of(view)).height == known
