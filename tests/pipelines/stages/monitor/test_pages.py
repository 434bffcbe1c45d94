"""The index lists every report, newest first."""

from __future__ import annotations

from typing import Any

from pipelines.stages.monitor.pages import render_index


def record(as_of: str, **changes: Any) -> dict[str, Any]:
    return {
        "as_of": as_of, "verdict": "ok", "reasons": [], "retrain": False, "shares": {"features": 0.25},
        "rank_ic": 0.0123, **changes,
    }  # fmt: skip


def test_index_lists_reports_by_date_with_their_verdict() -> None:
    drift = record("2024-01-03", verdict="drift", reasons=["range is 1.5 times"], retrain=True)
    page = render_index([record("2024-01-02"), drift, record("2024-01-01")])
    places = [page.index(f'href="2024-01-0{day}.html"') for day in (3, 2, 1)]
    assert places == sorted(places)
    assert '<td class="verdict drift">drift</td><td>range is 1.5 times</td>' in page
    assert "3 sessions, 1 with drift" in page
    assert page.count("asked for") == 1
    assert "+0.012" in page
    assert "25%" in page


def test_index_needs_nothing_from_elsewhere() -> None:
    page = render_index([record("2024-01-02")])
    assert "http" not in page
    assert "<script" not in page


def test_index_shows_what_is_unknown_as_a_dash_and_escapes() -> None:
    page = render_index([record("2024-01-02", shares={}, rank_ic=None, reasons=["<b> & more"])])
    assert page.count("–</span>") == 3
    assert "&lt;b&gt; &amp; more" in page
