"""Which rows of the latency page are held to which limit."""

import pytest

from benchmarks.serving_latency import OF_ALPHA158, OF_ALPHA158_UNCACHED, UNCACHED, render, verdict

HOSTILE = {"case": "1,000 hostile bodies", "codes": {422: 1_000}, "server_errors": 0}


def row_of(case, p95, failures=0):
    return {
        "case": case, "requests": 9, "failures": failures, "p50_ms": 1.0, "p95_ms": p95, "p99_ms": p95,
        "max_ms": p95,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([row_of("steady", 14.9), row_of(UNCACHED, 49.9), row_of("ten promotions", 900.0)], 0),
        ([row_of("steady", 15.0)], 1),
        ([row_of(f"{UNCACHED}, Redis", 50.0)], 1),
        ([row_of(OF_ALPHA158, 14.9), row_of(OF_ALPHA158_UNCACHED, 59.9)], 0),
        ([row_of(OF_ALPHA158, 15.0)], 1),
        ([row_of(OF_ALPHA158_UNCACHED, 60.0)], 1),
        ([row_of("ten promotions", 1.0, failures=1)], 1),
        ([HOSTILE | {"server_errors": 1}], 1),
    ],
)
def test_steady_rows_have_limits_and_nothing_may_fail(rows, status):
    assert verdict(rows) == status


def test_the_page_names_every_row_and_the_limits():
    page = render([row_of("steady", 7.0), row_of(OF_ALPHA158, 8.0), HOSTILE], met=True)
    assert f"| {OF_ALPHA158} | 9 | 0 | 1 | 8 | 8 | 8 |  |" in page
    assert "60 ms for alpha158" in page
    assert page.rstrip().endswith("no server error: met.")
