"""The prepared panel: a checked dense block of bars with the columns that expressions build on."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
    symbols = _runs(rows.get_column("symbol"))[0].unique().sort()
    return symbols.to_frame().join(sessions.select("session"), how="cross")


def _runs(column: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """Return the values of the runs of equal ones, and their lengths: rows mostly come symbol by symbol."""
    runs = column.rle()
    lengths = runs.struct.field("len").to_numpy().astype(np.int64)
    return runs.struct.field("value").alias(column.name), lengths


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
    panel = _place(bars.select(PANEL_COLUMNS), sessions)
    actions = _action_columns(rows)
    if actions.height:
        panel = panel.join(actions, on=["symbol", "session"], how="left", maintain_order="left")
    return panel.pipe(with_actions).select(*PANEL_COLUMNS, *ACTIONS)


def _place(bars: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return every symbol in every session, each bar at its place: what a join gives, in a third of its time.

    Without a bar `valid` is false, `price_basis` the first that its symbol has, and the rest null.
    """
    days = sessions.get_column("session")
    if not days.is_sorted():
        msg = "the sessions of a panel must be ascending; sort them"
        raise ValueError(msg)
    grid = symbol_grid(bars, sessions)
    inside = bars.filter(pl.col("session").is_in(days.implode()))
    taken = np.full(grid.height, -1)
    taken[_grid_rows(inside, grid.get_column("symbol")[:: max(days.len(), 1)], days)] = np.arange(
        inside.height
    )
    if np.count_nonzero(taken >= 0) < inside.height:
        msg = "the bars hold a symbol's session more than once; give one row a bar, as known at one instant"
        raise ValueError(msg)
    basis = inside.get_column("price_basis")
    return grid.with_columns(
        *inside.select(pl.col(BARS).gather(_indices(taken))),
        basis.gather(_indices(_with_first(taken, basis, days.len()))),
        inside.get_column("valid").gather(_indices(taken)).fill_null(value=False),
    )


def _indices(taken: NDArray[np.int64]) -> pl.Series:
    return pl.Series(taken).replace(-1, None).cast(pl.get_index_type())


def _grid_rows(bars: pl.DataFrame, symbols: pl.Series, days: pl.Series) -> NDArray[np.int64]:
    """Return the row of the grid to which each bar belongs."""
    if not bars.height:
        return np.empty(0, dtype=np.int64)
    named, lengths = _runs(bars.get_column("symbol"))
    numbers = named.cast(pl.Enum(symbols)).to_physical().to_numpy().astype(np.int64)
    dates, session = (
        one.cast(pl.Date).to_physical().to_numpy() for one in (days, bars.get_column("session"))
    )
    place = np.zeros(dates[-1] - dates[0] + 1, dtype=np.int64)  # by calendar day: quicker than a search
    place[dates - dates[0]] = np.arange(dates.size)
    rows: NDArray[np.int64] = np.repeat(numbers * dates.size, lengths) + place[session - dates[0]]
    return rows


def _with_first(taken: NDArray[np.int64], basis: pl.Series, sessions: int) -> NDArray[np.int64]:
    """Return from which bar each row has its basis: its own, else the first of its symbol that tells one."""
    told = taken >= 0
    if basis.has_nulls():
        told[told] = basis.is_not_null().to_numpy()[taken[told]]
    by_symbol = told.reshape(-1, max(sessions, 1))
    first = np.take_along_axis(taken.reshape(by_symbol.shape), by_symbol.argmax(axis=1)[:, None], axis=1)
    # Where nothing is told the first row is as good as any: its basis is null, or it has no bar.
    return np.where(by_symbol, taken.reshape(by_symbol.shape), first).ravel()


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
    names, lengths = _runs(panel.get_column("symbol"))
    days = panel.get_column("session").to_numpy().astype("datetime64[D]").view(np.int64)
    named = not names.has_nulls() and names.is_sorted() and names.n_unique() == names.len()
    if named and (lengths == lengths[0]).all():
        by_symbol = days.reshape(names.len(), lengths[0])
        if (by_symbol == by_symbol[:1]).all() and (np.diff(by_symbol[0]) > 0).all():
            return int(lengths[0])
    sessions, symbols = panel.get_column("session").n_unique(), panel.get_column("symbol").n_unique()
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
    unknown = set(_runs(panel.get_column("price_basis"))[0].drop_nulls()) - set(PRICE_BASES)
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
    happened = [name for name in ACTIONS if masked.get_column(name).null_count() < masked.height]
    if not happened:
        one = pl.lit(1.0)
        return masked.with_columns(price_adjustment_factor=one, share_adjustment_factor=one, valid=known)
    if "dividend" in happened:  # else there is nothing to carry
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
