"""A declared price basis is held against what prices do on the sessions of splits and dividends."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.io.sources.params import PriceBasis
from pipelines.stages.curate.basis import (
    DividendEvidence,
    dividend_returns,
    fit_dividends,
    judge_basis,
    split_votes,
)

START = date(2014, 1, 1)
SCHEMA = {"symbol": pl.String, "position": pl.Int64, "kind": pl.String, "value": pl.Float64}


def bars(**closes: list[float | None]) -> pl.DataFrame:
    """One bar a calendar day from position 0 on, a symbol a keyword; None is a missing bar."""
    rows = [
        {"symbol": symbol, "session": START + timedelta(days=place), "position": place, "close": close}
        for symbol, path in sorted(closes.items())
        for place, close in enumerate(path)
        if close is not None
    ]
    return pl.DataFrame(rows)


def actions(*rows: tuple[str, int, str, float]) -> pl.DataFrame:
    """(symbol, position, kind, value) of each."""
    session = pl.lit(START) + pl.duration(days=pl.col("position"))
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row").with_columns(session=session)


def votes(path: list[float | None], ratio: float, position: int = 1) -> list[str]:
    return split_votes(bars(A=path), actions(("A", position, "split", ratio)))["vote"].to_list()


@pytest.mark.parametrize(
    ("path", "ratio", "vote"),
    [
        ([645.57, 93.70], 7.0, "raw"),
        ([92.22, 93.70], 7.0, "adjusted"),
        # A quarter of log(2) is 0.173: a move of 0.17 on either side is clear, halfway is not.
        ([100.0, 50.0 * 1.18], 2.0, "raw"),
        ([100.0, 100.0 / 1.18], 2.0, "adjusted"),
        ([100.0, 70.0], 2.0, "unclear"),
        ([10.0, 49.0], 0.2, "raw"),
    ],
)
def test_a_split_votes_by_the_move_of_its_session(path: list[float | None], ratio: float, vote: str) -> None:
    assert votes(path, ratio) == [vote]


def test_small_splits_are_no_evidence() -> None:
    assert votes([100.0, 75.0], 1.3333) == []
    assert votes([100.0, 66.7], 1.499999) == ["raw"]


def test_a_split_of_a_symbol_that_moves_as_much_every_day_is_unclear() -> None:
    # Usual moves of 10 to 11 %: two of them are more than a quarter of log(2).
    wild: list[float | None] = [100.0, 110.0] * 15
    assert votes([*wild, 50.0], 2.0, position=30) == ["unclear"]
    quiet: list[float | None] = [100.0, 101.0] * 15
    assert votes([*quiet, 50.0], 2.0, position=30) == ["raw"]


def test_the_nearest_bars_around_a_split_count() -> None:
    assert votes([100.0, None, None, 50.0], 2.0, position=2) == ["raw"]
    assert votes([100.0, *[None] * 6, 50.0], 2.0, position=7) == []
    assert votes([100.0, 101.0], 2.0, position=0) == []


RAW = bars(A=[100.0, 50.0, 51.0], B=[90.0, 30.0, 31.0], C=[80.0, 81.0, 82.0])
SPLITS = actions(("A", 1, "split", 2.0), ("B", 1, "split", 3.0), ("C", 1, "split", 2.0))


@pytest.mark.parametrize(
    ("declared", "verdict"), [("raw", "confirmed"), ("split", "refuted"), ("total_return", "refuted")]
)
def test_the_majority_of_splits_decides(declared: PriceBasis, verdict: str) -> None:
    told = judge_basis(RAW, SPLITS, declared)
    assert (told.verdict, told.raw_votes, told.adjusted_votes, told.unclear_votes) == (verdict, 2, 1, 0)
    assert told.evidence == (
        "B 2014-01-02: split 3, close 90.00 → 30.00",
        "A 2014-01-02: split 2, close 100.00 → 50.00",
    )


def test_adjusted_splits_refute_raw_and_leave_two() -> None:
    told = judge_basis(bars(A=[50.0, 51.0]), actions(("A", 1, "split", 2.0)), "raw")
    assert (told.verdict, told.possible) == ("refuted", ("split", "total_return"))
    assert (
        judge_basis(bars(A=[50.0, 51.0]), actions(("A", 1, "split", 2.0)), "split").verdict
        == "cannot be told"
    )


@pytest.mark.parametrize("ratio", [None, 1.2])
def test_without_a_clear_vote_nothing_is_told(ratio: float | None) -> None:
    rows = [] if ratio is None else [("A", 1, "split", ratio)]
    told = judge_basis(bars(A=[50.0, 51.0]), actions(*rows), "split")
    assert (told.verdict, told.possible, told.evidence) == (
        "cannot be told", ("raw", "split", "total_return"), ()
    )  # fmt: skip
    assert told.dividends == DividendEvidence(count=0)


def test_a_tie_of_votes_tells_nothing() -> None:
    told = judge_basis(RAW, SPLITS.filter(pl.col("symbol") != "B"), "split")
    assert (told.raw_votes, told.adjusted_votes, told.verdict) == (1, 1, "cannot be told")


def test_a_dividend_return_is_taken_against_the_market() -> None:
    others: dict[str, list[float | None]] = {name: [100.0, 101.0] for name in "BCDE"}
    rows = dividend_returns(
        bars(A=[50.0, 49.0], F=[100.0, 90.0], **others), actions(("A", 1, "dividend", 1.5))
    )
    # Returns of the five others: four of +1 %, one of -10 %; the median is +1 %.
    assert rows["excess"].to_list() == pytest.approx([-0.02 - 0.01])
    assert rows["dividend_yield"].to_list() == pytest.approx([0.03])
    few = dividend_returns(bars(A=[50.0, 49.0], **others), actions(("A", 1, "dividend", 1.5)))
    assert few["excess"].to_list() == pytest.approx([-0.02])


def test_dividends_of_one_session_add_up_and_those_beside_a_split_are_left_out() -> None:
    paid = actions(
        ("A", 1, "dividend", 1.0), ("A", 1, "dividend", 0.5),
        ("B", 1, "dividend", 1.0), ("B", 1, "split", 2.0),
    )  # fmt: skip
    rows = dividend_returns(bars(A=[50.0, 49.0], B=[50.0, 24.0]), paid)
    assert rows.select("symbol", "value").rows() == [("A", 1.5)]


def ex_sessions(slope: float, *, noise: float, count: int = 400) -> pl.DataFrame:
    """Rows of `dividend_returns` with yields of 0.2 to 1 % and normal noise of a fixed seed."""
    draw = np.random.default_rng(11)
    yields = draw.uniform(0.002, 0.01, count)
    excess = slope * yields + noise * draw.standard_normal(count)
    return pl.DataFrame({"dividend_yield": yields, "excess": excess, "sigma": [0.015] * count})


@pytest.mark.parametrize(("slope", "says"), [(-1.0, "in prices"), (-0.78, "in prices"), (0.0, "adjusted")])
def test_the_slope_tells_whether_dividends_are_in_the_prices(slope: float, says: str) -> None:
    fitted = fit_dividends(ex_sessions(slope, noise=0.01))
    assert fitted.slope is not None
    assert fitted.standard_error is not None
    # Least squares would have noise / root of the sum of squared yields: 0.01 / (20 × 0.0064) = 0.078.
    assert fitted.standard_error == pytest.approx(0.08, abs=0.01)
    assert abs(fitted.slope - slope) < 3 * fitted.standard_error
    assert fitted.says == says


def test_outliers_do_not_carry_the_slope() -> None:
    rows = ex_sessions(-1.0, noise=0.005)
    crash = pl.DataFrame({"dividend_yield": [0.01] * 8, "excess": [0.6] * 8, "sigma": [0.015] * 8})
    lump = pl.DataFrame({"dividend_yield": [0.2] * 8, "excess": [0.0] * 8, "sigma": [0.015] * 8})
    assert fit_dividends(pl.concat([rows, crash, lump])).says == "in prices"


@pytest.mark.parametrize(
    ("slope", "error", "says"),
    [
        (-0.9, 0.1, "in prices"), (-0.9, 0.3, None), (0.1, 0.1, "adjusted"), (0.1, 0.3, None),
        (-0.42, 0.02, None), (2.5, 0.1, None),
    ],
)  # fmt: skip
def test_what_is_not_told_apart_is_said_to_be_unknown(slope: float, error: float, says: str | None) -> None:
    assert DividendEvidence(count=50, slope=slope, standard_error=error).says == says


def test_few_dividends_have_no_slope() -> None:
    assert fit_dividends(ex_sessions(-1.0, noise=0.0, count=9)) == DividendEvidence(count=9)


def market(*, in_prices: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Twelve symbols of 200 sessions that pay half a percent every 20 sessions, in the prices or adjusted."""
    draw = np.random.default_rng(5)
    paths: dict[str, list[float | None]] = {}
    paid: list[Any] = []
    for number in range(12):
        name, returns = f"S{number:02}", 0.004 * draw.standard_normal(200)
        places = range(30 + number, 200, 20)
        if in_prices:
            returns[list(places)] -= 0.005
        path = 100 * np.cumprod(1 + returns)
        paths[name] = path.tolist()
        paid += [(name, place, "dividend", 0.005 * path[place - 1]) for place in places]
    return bars(**paths), actions(*paid)


@pytest.mark.parametrize(
    ("in_prices", "declared", "verdict"),
    [
        (True, "total_return", "refuted"), (True, "split", "cannot be told"), (True, "raw", "cannot be told"),
        (False, "total_return", "confirmed"), (False, "split", "refuted"), (False, "raw", "refuted"),
    ],
)  # fmt: skip
def test_dividends_alone_tell_total_return_apart(in_prices: bool, declared: PriceBasis, verdict: str) -> None:
    told = judge_basis(*market(in_prices=in_prices), declared)
    assert told.verdict == verdict
    assert len(told.evidence) == 3
    assert "dividend" in told.evidence[0]


def test_splits_and_dividends_together_leave_one() -> None:
    prices, paid = market(in_prices=True)
    adjusted_split = actions(("S00", 100, "split", 2.0))
    told = judge_basis(prices, pl.concat([paid, adjusted_split]), "split")
    assert (told.verdict, told.possible) == ("confirmed", ("split",))
    assert told.evidence[0].startswith("S00 2014-04-11: split 2,")


def test_the_order_of_actions_does_not_matter() -> None:
    prices, paid = market(in_prices=True)
    assert judge_basis(prices, paid, "split") == judge_basis(prices, paid.reverse(), "split")
