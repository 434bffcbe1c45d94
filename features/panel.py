"""The prepared panel: a checked dense block of bars with the columns that expressions build on."""

from __future__ import annotations

import numpy as np
import polars as pl

from features import windows
from features.adjust import (
    ACTIONS,
    PRICE_BASES,
    carry_dividends,
    price_adjustment_factor,
    share_adjustment_factor,
    with_actions,
)

BARS = ("open", "high", "low", "close", "volume")
PANEL_COLUMNS = ("symbol", "session", *BARS, "price_basis", "valid")
"""What a panel must hold; columns of `features.adjust.ACTIONS` that it lacks count as null."""
SOURCE_COLUMNS = ("record", *BARS, "price_basis", "valid", "value", "share_value")
"""What is read of the rows of bars and actions; a row is of one ``record``: "bar", or a kind of action."""
BAR_RECORD = "bar"


def symbol_grid(rows: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return `symbol` and `session`, sorted: every symbol of `rows` in every one of `sessions`."""
    return rows.select("symbol").unique().sort("symbol").join(sessions.select("session"), how="cross")


def dense_panel(rows: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the panel of bars and of what happened to their units, as known at one instant.

    Parameters
    ----------
    rows : polars.DataFrame
        symbol, session and `SOURCE_COLUMNS`: one row a bar and one a kind of action. An action that is not
        `valid` was withdrawn, or explained. Rows of other sessions are left out.
    sessions : polars.DataFrame
        `session`: consecutive and ascending.

    Returns
    -------
    polars.DataFrame, shape (n_symbols × n_sessions, 14)
        `PANEL_COLUMNS` and `features.adjust.ACTIONS` for every symbol that has a bar, nulls without one;
        `price_basis` on every row.
    """
    bars = rows.filter(pl.col("record") == BAR_RECORD)
    grid = symbol_grid(bars, sessions)
    panel = _place(grid, bars.select(PANEL_COLUMNS), sessions)
    actions = _action_columns(rows)
    if actions.height:
        panel = panel.join(actions, on=["symbol", "session"], how="left", maintain_order="left")
    basis = pl.col("price_basis")
    return (
        panel.with_columns(
            pl.col("valid").fill_null(value=False),
            pl.coalesce(basis, basis.drop_nulls().first().over("symbol")).alias("price_basis"),
        )
        .pipe(with_actions)
        .select(*PANEL_COLUMNS, *ACTIONS)
    )


def _place(grid: pl.DataFrame, bars: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the grid with each bar at its place, nulls without one: what a join gives, in half its time."""
    days = sessions.get_column("session")
    if not days.is_sorted():
        msg = "the sessions of a panel must be ascending; sort them"
        raise ValueError(msg)
    symbols = grid.get_column("symbol").unique(maintain_order=True)
    inside = bars.filter(pl.col("session").is_in(days.implode()))
    number = inside.get_column("symbol").cast(pl.Enum(symbols)).to_physical().cast(pl.Int64)
    places = (number * days.len() + days.search_sorted(inside.get_column("session"))).to_numpy()
    taken = np.full(grid.height, -1)
    taken[places] = np.arange(inside.height)
    if np.count_nonzero(taken >= 0) < inside.height:
        msg = "the bars hold a symbol's session more than once; give one row a bar, as known at one instant"
        raise ValueError(msg)
    rows = pl.Series(taken).replace(-1, None)
    return grid.with_columns(inside.drop("symbol", "session").select(pl.all().gather(rows)))


def _action_columns(rows: pl.DataFrame) -> pl.DataFrame:
    """Return symbol, session and `features.adjust.ACTIONS`, one row where any is known."""
    there = rows.filter((pl.col("record") != BAR_RECORD) & pl.col("valid"))

    def of(kind: str, column: str = "value") -> pl.Expr:
        return pl.col(column).filter(pl.col("record") == kind).first()

    return there.group_by("symbol", "session").agg(
        of("dividend").alias("dividend"),
        of("split").alias("split"),
        of("rebase").alias("rebase"),
        of("rebase", "share_value").alias("share_rebase"),
        (pl.col("record") == "jump").any().alias("jump"),
    )


def check_columns(frame: pl.DataFrame, columns: tuple[str, ...], what: str) -> None:
    """Refuse a frame that lacks one of `columns`.

    Raises
    ------
    ValueError
        Naming the missing columns.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        msg = f"{what} lacks the columns {missing}; it needs {list(columns)}"
        raise ValueError(msg)


def check_dense(panel: pl.DataFrame) -> int:
    """Check that every symbol has the same ascending sessions; return their number.

    Raises
    ------
    ValueError
        If rows are missing, doubled or out of order.
    """
    sessions = panel.get_column("session").n_unique()
    symbols = panel.get_column("symbol").n_unique()
    names = panel.get_column("symbol").rank("dense").to_numpy().astype(np.int64)
    days = panel.get_column("session").to_numpy().astype("datetime64[D]").astype(np.int64)
    if panel.height == symbols * sessions:
        by_symbol = days.reshape(symbols, sessions)
        dense = (by_symbol == by_symbol[:1]).all() and (np.diff(by_symbol[0]) > 0).all()
        if dense and (names == np.repeat(np.arange(1, symbols + 1), sessions)).all():
            return sessions
    msg = (
        f"the panel is not dense: {panel.height} rows for {symbols} symbols and {sessions} sessions; give "
        "every symbol a row for every session (nulls and valid=false without a bar), sorted by both"
    )
    raise ValueError(msg)


def with_position(panel: pl.DataFrame) -> pl.DataFrame:
    """Add `position`, the row's index within its symbol, to a dense panel."""
    sessions = check_dense(panel) if panel.height else 1
    position = np.tile(np.arange(sessions), panel.height // sessions)
    return panel.with_columns(pl.Series("position", position, dtype=pl.Int64))


def mask_bars(panel: pl.DataFrame) -> pl.DataFrame:
    """Null the bar of every row that is not valid; add position and both adjustment factors.

    Raises
    ------
    ValueError
        If columns are missing, the panel is not dense or a price basis (null without a bar) is unknown.
    """
    check_columns(panel, PANEL_COLUMNS, "the panel")
    unknown = set(panel.get_column("price_basis").drop_nulls().unique()) - set(PRICE_BASES)
    if unknown:
        msg = f"price_basis holds {sorted(unknown)}; allowed are {list(PRICE_BASES)}: correct the source"
        raise ValueError(msg)
    known = pl.col("valid").fill_null(value=False) & pl.col("close").is_not_null()
    values = [pl.col(name).cast(pl.Float64) for name in BARS]
    given = with_actions(panel).select(*PANEL_COLUMNS, *ACTIONS)
    masked = with_position(given).with_columns(
        pl.when(known & value.is_finite()).then(value).alias(name)
        for name, value in zip(BARS, values, strict=True)
    )
    # Actions are not masked: one that falls on a session without a bar still scales what lies before it.
    if masked.get_column("dividend").null_count() < masked.height:  # else there is nothing to carry
        masked = masked.with_columns(dividend=carry_dividends(pl.col("close").is_not_null()))
    return masked.with_columns(
        price_adjustment_factor=price_adjustment_factor(),
        share_adjustment_factor=share_adjustment_factor(),
        valid=known,
    )


def prepare_panel(panel: pl.DataFrame) -> pl.DataFrame:
    """Check a dense panel and add the base columns of the daily features.

    Parameters
    ----------
    panel : polars.DataFrame, shape (n_symbols × n_sessions, 9 to 14)
        `PANEL_COLUMNS` and what there is of `features.adjust.ACTIONS`, sorted by symbol and session, one row
        for every pair. Give `price_basis` on rows without a bar too where an action may fall on them.

    Returns
    -------
    polars.DataFrame
        The same rows with bars nulled where not valid, plus position, price_adjustment_factor,
        share_adjustment_factor and the base columns: fractions of one session (returns and their parts),
        currency traded, and prices of one session in its own units. Row t is known at the close of t and uses
        t − 1 and t only.

    Raises
    ------
    ValueError
        If columns are missing, the panel is not dense or a price basis is unknown.
    """
    bars = mask_bars(panel)
    # lag gives the close as it stood at t − 1; divided by the factor of t it is in the units of t.
    bars = bars.with_columns(previous_close=windows.lag("close") / pl.col("price_adjustment_factor"))
    open_, high, low, close = (pl.col(name) for name in ("open", "high", "low", "close"))
    previous, traded = pl.col("previous_close"), close * pl.col("volume")
    reach = pl.max_horizontal(high, previous) - pl.min_horizontal(low, previous)
    moved = close - previous
    return bars.with_columns(
        simple_return=close / previous - 1.0,
        log_return=(close / previous).log(),
        overnight_log_return=(open_ / previous).log(),
        intraday_log_return=(close / open_).log(),
        money_flow=traded,
        # Null where price levels hold later dividends.
        dollar_volume=pl.when(pl.col("price_basis") != "total_return").then(traded),
        typical_price=(high + low + close) / 3.0,
        true_range=pl.when(previous.is_not_null() & high.is_not_null()).then(reach),
        # max_horizontal skips nulls: a plain 0.0 would turn an unknown move into no gain and no loss.
        gain=pl.max_horizontal(moved, 0.0 * moved),
        loss=pl.max_horizontal(-moved, 0.0 * moved),
    ).with_columns(market_return=windows.session_mean("simple_return"))
