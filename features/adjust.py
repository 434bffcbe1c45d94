"""Splits and dividends as adjustment factors: one unit of the session before in units of this session.

A factor belongs to the session on which the action takes effect and uses nothing later, so a later action
never changes an earlier value. Windows of prices divide older values by the factors in between.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

PRICE_BASES = ("raw", "split", "total_return")

Anchor = Literal["first", "last"]


def _split() -> pl.Expr:
    return pl.when(pl.col("price_basis") == "raw").then(pl.col("split")).otherwise(None).fill_null(1.0)


def price_adjustment_factor() -> pl.Expr:
    """Return the factor from the units of t − 1 to those of t for prices.

    Returns
    -------
    polars.Expr
        `split · (1 + dividend / close)` for basis ``raw``, `1 + dividend / close` for ``split``, 1 for
        ``total_return`` and where the basis is unknown: close_t · factor_t / close_{t−1} is the total return
        of one session, with the dividend (per share held after the split) reinvested at that close. A
        dividend on a session without a close has no price to be reinvested at and is left out.
    """
    paid = pl.col("price_basis").is_in(["raw", "split"])
    reinvested = pl.when(paid).then(pl.col("dividend") / pl.col("close")).otherwise(None).fill_null(0.0)
    return _split() * (1.0 + reinvested)


def share_adjustment_factor() -> pl.Expr:
    """Return the factor from the units of t − 1 to those of t for volumes: 1 / split for basis ``raw``."""
    return 1.0 / _split()


def adjust_prices(bars: pl.DataFrame, *, anchor: Anchor) -> pl.DataFrame:
    """Put open, high, low and close of each symbol in the units of its first or last row.

    Parameters
    ----------
    bars : polars.DataFrame
        Sorted by symbol and session, with open, high, low, close, dividend, split and price_basis.
    anchor : {"first", "last"}
        ``first`` scales later prices forward, so that a later action changes no earlier value;
        ``last`` is the usual view as of the last session and changes whenever an action follows.

    Returns
    -------
    polars.DataFrame
        The same rows; the four prices replaced, in currency of the anchor; nulls stay null.
    """
    factor = price_adjustment_factor().cum_prod().over("symbol")
    if anchor == "last":
        factor = factor / factor.last().over("symbol")
    return bars.with_columns(pl.col("open", "high", "low", "close") * factor)
