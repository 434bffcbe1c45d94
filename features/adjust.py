"""Splits, dividends and restatements as adjustment factors: one unit of the session before in units of this.

A factor belongs to the session on which the action takes effect and uses nothing later, so a later action
never changes an earlier value. Windows of prices divide older values by the factors in between.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

PRICE_BASES = ("raw", "split", "total_return")

ACTIONS = {
    "dividend": pl.Float64,
    "split": pl.Float64,
    "rebase": pl.Float64,
    "share_rebase": pl.Float64,
    "jump": pl.Boolean,
}
"""What may have happened to a symbol's units since the session before, null where nothing has.

Cash paid for each share; new shares for one old; old price units in one new, and new volume units for one
old, of a feed that restates its past; whether prices jumped as at a split that nobody has explained."""

Anchor = Literal["first", "last"]


def _split() -> pl.Expr:
    return pl.when(pl.col("price_basis") == "raw").then(pl.col("split")).otherwise(None).fill_null(1.0)


def _unexplained() -> pl.Expr:
    return pl.col("jump").fill_null(value=False)


def price_adjustment_factor() -> pl.Expr:
    """Return the factor from the units of t − 1 to those of t for prices.

    Returns
    -------
    polars.Expr
        Float64 over the columns of `ACTIONS`, `price_basis` and `close`. The units: `rebase` where the feed
        was seen to restate its past, else `split` for basis ``raw``, else 1. Times `1 + dividend / close` for
        the bases ``raw`` and ``split``: close_t · factor_t / close_{t−1} is the total return of one session,
        with the dividend (per share held after the split) reinvested at that close. A dividend on a session
        without a close has no price to be reinvested at: `features.panel.mask_bars` hands it on to the next
        session that has one. Null where prices jumped unexplained: in which units t is, nobody knows.
    """
    paid = pl.col("price_basis").is_in(["raw", "split"])
    reinvested = pl.when(paid).then(pl.col("dividend") / pl.col("close")).otherwise(None).fill_null(0.0)
    units = pl.coalesce("rebase", _split())
    return pl.when(~_unexplained()).then(units * (1.0 + reinvested))


def share_adjustment_factor() -> pl.Expr:
    """Return the factor from the units of t − 1 to those of t for volumes.

    Returns
    -------
    polars.Expr
        1 / `share_rebase` where the feed was seen to restate its past, else 1 / `split` for basis ``raw``,
        else 1; null where prices jumped unexplained.
    """
    return pl.when(~_unexplained()).then(1.0 / pl.coalesce("share_rebase", _split()))


def carry_dividends(known: pl.Expr) -> pl.Expr:
    """Return the dividends, those of sessions without a close added to the next one that has one.

    Parameters
    ----------
    known : polars.Expr
        Whether a session has a close.

    Returns
    -------
    polars.Expr
        Float64, currency a share, over rows sorted by symbol and session. What was paid after a symbol's last
        close waits on its own session, where it changes no return.
    """
    # Counted from the end: sessions without a close stand in one group with the next that has one.
    group = known.cast(pl.Int64).cum_sum(reverse=True)
    paid = pl.col("dividend").fill_null(0.0).sum().over("symbol", group)
    lost = (~known).any().over("symbol", group)
    return pl.when(known & lost).then(paid).otherwise(pl.col("dividend"))


def adjust_prices(bars: pl.DataFrame, *, anchor: Anchor) -> pl.DataFrame:
    """Put open, high, low and close of each symbol in the units of its first or last row.

    Parameters
    ----------
    bars : polars.DataFrame
        Sorted by symbol and session, with open, high, low, close, price_basis and what there is of `ACTIONS`.
    anchor : {"first", "last"}
        ``first`` scales later prices forward, so that a later action changes no earlier value;
        ``last`` is the usual view as of the last session and changes whenever an action follows.

    Returns
    -------
    polars.DataFrame
        The same rows; the four prices replaced, in currency of the anchor; nulls stay null, and what lies
        beyond an unexplained jump from the anchor is null.
    """
    paid = with_actions(bars).with_columns(dividend=carry_dividends(pl.col("close").is_not_null()))
    stepped = paid.with_columns(factor=price_adjustment_factor())
    # A product passes over nulls, so it is counted apart whether one lies between a row and the anchor.
    factor = pl.col("factor").cum_prod().over("symbol")
    passed = pl.col("factor").is_null().cum_sum().over("symbol")
    reached = passed == 0
    if anchor == "last":
        # At the jump itself the product is null: up to the next row the one before it counts.
        factor = factor.forward_fill().over("symbol")
        factor, reached = factor / factor.last().over("symbol"), passed == passed.last().over("symbol")
    prices = pl.when(reached).then(pl.col("open", "high", "low", "close") * factor)
    return stepped.with_columns(prices).select(bars.columns)


def with_actions(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with every column of `ACTIONS`, null where a column was not given."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in ACTIONS.items() if name not in bars.columns]
    given = [pl.col(name).cast(dtype) for name, dtype in ACTIONS.items() if name in bars.columns]
    return bars.with_columns(*given, *absent)
