"""The entry of one feature in the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import polars as pl

MAX_LOOKBACK_SESSIONS = 273
"""Longest look-back that a feature may declare: a trading year and a month."""

Level = Literal["symbol", "session"]
Alignment = Literal["close", "calendar", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature: its definition in words and the expression that computes it.

    Parameters
    ----------
    name : str
        `family_measure_window`; equals the column, the Feast field and the key in the catalog.
    family : str
        First part of the name.
    unit : str
        Unit of the value, such as ``fraction`` or ``fraction per year``.
    definition : str
        The formula in one line.
    lookback_sessions : int
        Sessions that the value may read, t included: rows (t − lookback, t], never one outside.
    alignment : {"close", "calendar", "text"}
        When row t is known: at the close of t, before t (the exchange's calendar), or at the last moment
        at which a text still counts for t.
    source : str
        Paper, book, or library whose behaviour is matched.
    expression : polars.Expr
        Over a prepared panel; null or not finite means unknown.
    level : {"symbol", "session"}
        ``symbol`` reads its own rows only, ``session`` the rows of all symbols.
    inputs : tuple of str
        Other features that the expression reads, computed before it.

    Raises
    ------
    ValueError
        If the name does not start with the family or a field is out of range.
    """

    name: str
    family: str
    unit: str
    definition: str
    lookback_sessions: int
    source: str
    expression: pl.Expr
    alignment: Alignment = "close"
    level: Level = "symbol"
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields that a reader relies on."""
        if not self.name.startswith(f"{self.family}_"):
            msg = f"name={self.name!r} must start with its family: {self.family}_…"
            raise ValueError(msg)
        sessions = self.lookback_sessions
        if not 1 <= sessions <= MAX_LOOKBACK_SESSIONS:
            msg = f"{self.name}: lookback_sessions={sessions} must be in 1..{MAX_LOOKBACK_SESSIONS}"
            raise ValueError(msg)
        for value, allowed in ((self.alignment, Alignment), (self.level, Level)):
            if value not in get_args(allowed):
                msg = f"{self.name}: {value!r} is not one of {list(get_args(allowed))}"
                raise ValueError(msg)
        if not (self.unit and self.definition and self.source):
            msg = f"{self.name}: unit, definition and source must say something"
            raise ValueError(msg)
