"""Whether a source's declared price basis is what its prices show on the sessions of splits and dividends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.io.sources.params import PriceBasis

Floats = npt.NDArray[np.float64]

LEAST_RATIO = 1.5
"""Splits of a smaller ratio, either way, are no evidence: a day's move can hide them."""
CLEAR_SHARE = 0.25
"""A vote is clear where the move is so near to what a basis would show, as a share of the log ratio ..."""
CLEAR_SIGMAS = 2.0
"""... and that distance is so many of the symbol's usual daily moves: a wrong vote needs three times it."""
MOST_AWAY = 5
"""Sessions by which the bars around a split may be away from it, as where trading was halted."""
LEAST_DIVIDENDS = 10
LEAST_SYMBOLS = 5
"""Fewer symbols without an action in a session give no return of the market."""
USUAL_SESSIONS, LEAST_SESSIONS = 60, 20
LEAST_SIGMA = 0.002
IN_PRICES, ADJUSTED = (-1.25, -0.6), (-0.25, 0.4)
"""Slopes of the ex-session's return on the dividend yield. Prices fall by rather less than the dividend (0.78
of it: Elton and Gruber, Review of Economics and Statistics 52, 1970), so neither band is centred."""
DOUBT = 3.0
"""Standard errors by which a slope must miss a band to refute it."""
CLIP, LEVERAGE = 1.345, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DividendEvidence:
    """Slope of ex-session returns on dividend yields; without enough dividends both are None.

    Attributes
    ----------
    count : int
        Dividends with a bar on the ex-session and on the session before.
    slope, standard_error : float or None
        Return (fraction) by yield (fraction): about -1 where dividends are in the prices, 0 where adjusted.
    says : {"in prices", "adjusted"} or None
        None where both or neither are compatible with the slope.
    """

    count: int
    slope: float | None = None
    standard_error: float | None = None

    @property
    def says(self) -> Literal["in prices", "adjusted"] | None:
        """Tell which of the two the slope leaves, if it refutes the other."""
        if self.slope is None or self.standard_error is None:
            return None
        reach = DOUBT * self.standard_error
        in_prices, adjusted = (
            low - reach <= self.slope <= high + reach for low, high in (IN_PRICES, ADJUSTED)
        )
        if in_prices == adjusted:
            return None
        return "in prices" if in_prices else "adjusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisVerdict:
    """What splits and dividends say of a declared price basis.

    Attributes
    ----------
    declared : {"raw", "split", "total_return"}
    verdict : {"confirmed", "refuted", "cannot be told"}
        Confirmed where no other basis remains possible, refuted where the declared one does not.
    possible : tuple
        The bases that remain.
    raw_votes, adjusted_votes, unclear_votes : int
        Splits whose session moved like raw prices, like adjusted ones, like neither.
    dividends : DividendEvidence
    evidence : tuple of str
        At most three rows that decide, the strongest first; empty where nothing is told.
    """

    declared: PriceBasis
    verdict: Literal["confirmed", "refuted", "cannot be told"]
    possible: tuple[PriceBasis, ...]
    raw_votes: int
    adjusted_votes: int
    unclear_votes: int
    dividends: DividendEvidence
    evidence: tuple[str, ...]


def judge_basis(bars: pl.DataFrame, actions: pl.DataFrame, declared: PriceBasis) -> BasisVerdict:
    """Compare a declared price basis with the closes around the actions.

    Parameters
    ----------
    bars : polars.DataFrame
        `symbol`, `session`, `position` (consecutive integers of the calendar) and `close` (positive, without
        nulls), sorted by symbol and position, one row a key. The closes around an action are as the source
        delivers them, in one and the same state.
    actions : polars.DataFrame
        `symbol`, `session`, `position`, `kind` (``split`` or ``dividend``; others are left out) and `value`:
        new shares for one old, or the amount per share in the unit of the close before. Amounts as announced
        beside closes that later splits have divided would make yields too large and slopes too small.
    declared : {"raw", "split", "total_return"}

    Returns
    -------
    BasisVerdict
        The majority of the clear votes of splits decides between raw and adjusted prices. Where it says raw
        nothing else is asked; otherwise the dividends decide whether they are in the prices. What neither
        tells stays possible, so a basis is confirmed only if the others are refuted.
    """
    return judge_evidence(split_votes(bars, actions), dividend_returns(bars, actions), declared)


def judge_evidence(votes: pl.DataFrame, rows: pl.DataFrame, declared: PriceBasis) -> BasisVerdict:
    """Return the verdict of what was gathered, in one go or part by part.

    Parameters
    ----------
    votes, rows : polars.DataFrame
        From `split_votes` and `dividend_returns`.
    """
    raw, adjusted, unclear = (
        votes.filter(pl.col("vote") == vote).height for vote in ("raw", "adjusted", "unclear")
    )
    dividends = fit_dividends(rows)
    possible = _possible(raw - adjusted, dividends)
    verdict: Literal["confirmed", "refuted", "cannot be told"] = "cannot be told"
    if declared not in possible:
        verdict = "refuted"
    elif possible == (declared,):
        verdict = "confirmed"
    return BasisVerdict(
        declared=declared,
        verdict=verdict,
        possible=possible,
        raw_votes=raw,
        adjusted_votes=adjusted,
        unclear_votes=unclear,
        dividends=dividends,
        evidence=_evidence(votes, raw - adjusted, rows, dividends),
    )


def _possible(lead: int, dividends: DividendEvidence) -> tuple[PriceBasis, ...]:
    """Return the bases that remain; `lead` is by how many votes raw leads."""
    if lead > 0:
        return ("raw",)
    left: tuple[PriceBasis, ...] = (
        ("raw", "split", "total_return") if lead == 0 else ("split", "total_return")
    )
    if dividends.says is None:
        return left
    told = {"total_return"} if dividends.says == "adjusted" else {"raw", "split"}
    return tuple(basis for basis in left if basis in told)


def split_votes(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Return, for each unambiguous split, whether its session moved like raw or like adjusted prices.

    Parameters
    ----------
    bars, actions : polars.DataFrame
        As for `judge_basis`.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session`, `value`, `before` and `close` (the last close before the split and the first from
        its session on, at most `MOST_AWAY` sessions away), `move` (log) and `vote` (``raw``, ``adjusted``,
        ``unclear``), sorted by symbol and session. Splits of a ratio below `LEAST_RATIO` and those without
        both bars are left out.
    """
    ratio = pl.col("value").log()
    splits = actions.filter((pl.col("kind") == "split") & (ratio.abs() >= np.log(LEAST_RATIO) - 1e-4))
    kept = splits.select("symbol", "session", "position", pl.col("value").cast(pl.Float64)).sort("position")
    usual = usual_moves(bars).sort("position")
    around = kept.join_asof(
        usual.select("symbol", "position", pl.col("close").alias("before"), "sigma"),
        on="position",
        by="symbol",
        strategy="backward",
        tolerance=MOST_AWAY,
        allow_exact_matches=False,
        check_sortedness=False,
    ).join_asof(
        usual.select("symbol", "position", "close"),
        on="position",
        by="symbol",
        strategy="forward",
        tolerance=MOST_AWAY,
        check_sortedness=False,
    )
    near = CLEAR_SHARE * ratio.abs()
    quiet = near >= CLEAR_SIGMAS * pl.col("sigma")
    vote = (
        pl.when(quiet & (pl.col("move").abs() <= near))
        .then(pl.lit("adjusted"))
        .when(quiet & ((pl.col("move") + ratio).abs() <= near))
        .then(pl.lit("raw"))
        .otherwise(pl.lit("unclear"))
    )
    moved = around.drop_nulls(["before", "close"]).with_columns(
        move=(pl.col("close") / pl.col("before")).log(), sigma=pl.col("sigma").fill_null(LEAST_SIGMA)
    )
    columns = ("symbol", "session", "value", "before", "close", "move", "vote")
    return moved.with_columns(vote=vote).select(columns).sort("symbol", "session")


def usual_moves(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the bars with `before` (close of the session before, null after a gap), `ret` and `sigma`.

    `sigma` is a symbol's usual daily move (fraction) up to a bar: 1.4826 times the median absolute return of
    the last `USUAL_SESSIONS` bars, null before `LEAST_SESSIONS`. A few splits or ticks do not touch it.
    """
    before = pl.when(pl.col("position").diff().over("symbol") == 1).then(
        pl.col("close").shift(1).over("symbol")
    )
    moved = bars.with_columns(before=before).with_columns(ret=pl.col("close") / pl.col("before") - 1)
    usual = pl.col("ret").abs().rolling_median(USUAL_SESSIONS, min_samples=LEAST_SESSIONS).over("symbol")
    return moved.with_columns(sigma=(1.4826 * usual).clip(lower_bound=LEAST_SIGMA))


def dividend_returns(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Return the ex-sessions with their dividend yield and return.

    Parameters
    ----------
    bars, actions : polars.DataFrame
        As for `judge_basis`.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session`, `value` (sum of the session's dividends), `before`, `close`, `dividend_yield`
        (fraction of the close before), `excess` (return less the median return of the symbols without an
        action that session, if there are `LEAST_SYMBOLS`) and `sigma` (the symbol's usual daily move before
        it). Sessions with a split as well are left out, and those without a bar on the session before.
    """
    moved = usual_moves(bars).with_columns(pl.col("sigma").shift(1).over("symbol"))
    key = ["symbol", "position"]
    quiet = moved.join(actions, on=key, how="anti")
    market = quiet.group_by("position").agg(
        pl.when(pl.col("ret").count() >= LEAST_SYMBOLS).then(pl.col("ret").median()).alias("market")
    )
    paid = actions.filter((pl.col("kind") == "dividend") & (pl.col("value") > 0))
    sums = paid.group_by(key).agg(pl.col("value").sum().cast(pl.Float64))
    alone = sums.join(actions.filter(pl.col("kind") == "split"), on=key, how="anti")
    rows = moved.join(alone, on=key, how="inner").join(market, on="position", how="left")
    return (
        rows.drop_nulls(["before", "ret"])
        .with_columns(
            dividend_yield=pl.col("value") / pl.col("before"),
            excess=pl.col("ret") - pl.col("market").fill_null(0.0),
            # A symbol of which little is known yet counts as one of usual volatility.
            sigma=pl.col("sigma").fill_null(pl.col("sigma").median()).fill_null(0.02),
        )
        .select("symbol", "session", "value", "before", "close", "dividend_yield", "excess", "sigma")
        .sort("symbol", "session")
    )


def fit_dividends(rows: pl.DataFrame) -> DividendEvidence:
    """Fit the slope of ex-session returns on dividend yields, through the origin.

    A one-step M-estimate with bounded influence: from the weighted median of the single slopes, one step of
    Huber's estimator, in units of each symbol's usual move; rows of outlying yield count no more than three
    usual ones (Hampel et al., Robust Statistics, 1986, section 6.3).

    Parameters
    ----------
    rows : polars.DataFrame
        From `dividend_returns`.
    """
    if rows.height < LEAST_DIVIDENDS:
        return DividendEvidence(count=rows.height)
    sigma = rows["sigma"].to_numpy()
    yields, returns = rows["dividend_yield"].to_numpy() / sigma, rows["excess"].to_numpy() / sigma
    weight = np.minimum(1.0, LEVERAGE * np.median(yields) / yields)
    start = _weighted_median(returns / yields, weight * yields)
    residual = returns - start * yields
    scale = max(1.4826 * float(np.median(np.abs(residual))), 1e-9)
    clipped = np.clip(residual / scale, -CLIP, CLIP)
    inside = float(np.sum(weight * yields**2 * (np.abs(residual) < CLIP * scale)))
    slope = start + scale * float(np.sum(weight * yields * clipped)) / inside
    error = scale * float(np.sqrt(np.sum((weight * yields * clipped) ** 2))) / inside
    return DividendEvidence(count=rows.height, slope=slope, standard_error=error)


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(mass, mass[-1] / 2)])


def _evidence(
    votes: pl.DataFrame, lead: int, rows: pl.DataFrame, dividends: DividendEvidence
) -> tuple[str, ...]:
    """Return the strongest rows of what decided: the largest splits, then what dividends add to them."""
    side = "raw" if lead > 0 else "adjusted"
    winning = votes.filter(pl.col("vote") == side) if lead else votes.clear()
    splits = winning.sort(pl.col("value").log().abs(), "symbol", "session", descending=[True, False, False])
    said = dividends.says
    agree = said is not None and (lead <= 0 or said == "in prices")
    # By how much a row alone is likelier with dividends in the prices than without (log likelihood, × 2).
    odds = (pl.col("excess") ** 2 - (pl.col("excess") + pl.col("dividend_yield")) ** 2) / pl.col("sigma") ** 2
    strength = odds if said == "in prices" else -odds
    paid = (
        rows.sort(strength, "symbol", "session", descending=[True, False, False]) if agree else rows.clear()
    )
    texts = [_describe("split", row) for row in splits.head(3).iter_rows(named=True)]
    texts += [_describe("dividend", row) for row in paid.head(3).iter_rows(named=True)]
    return tuple(texts[:3])


def _describe(kind: str, row: dict[str, object]) -> str:
    closes = f"close {row['before']:.2f} → {row['close']:.2f}"
    market = f", {row['excess']:+.2%} against the market" if kind == "dividend" else ""
    return f"{row['symbol']} {row['session']}: {kind} {row['value']:.5g}, {closes}{market}"
