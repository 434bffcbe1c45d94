"""Turns online rows into answers: which symbols get a number, and why the others get none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from serving.online.store import OnlineRows
from serving.schemas import Quantiles, Status, SymbolForecast
from serving.served_model import Manifest, ServedModel

CountSessions = Callable[[date, date], int]
Row = Mapping[str, Any]
QUANTILES = ("q10", "q50", "q90")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What "now" means to an answer: the published session, not the wall.

    Attributes
    ----------
    session : date
        Newest published session.
    count : callable
        Sessions between an earlier and a later session.
    max_staleness : int
        Sessions by which features may trail `session`.
    overdue : str or None
        Why everything is stale, where the publication itself is too old.
    """

    session: date
    count: CountSessions
    max_staleness: int
    overdue: str | None = None


def answer_symbols(
    symbols: Sequence[str], rows: OnlineRows, model: ServedModel, clock: Clock
) -> list[SymbolForecast]:
    """Answer every symbol, in the given order.

    Parameters
    ----------
    symbols : sequence of str
        Distinct.
    rows : OnlineRows
        What the store knows of them, in the views of the model.

    Returns
    -------
    list of SymbolForecast
        `ok` with a number, or a status with its reason and no number: `unknown_symbol` (no row),
        `other_session` (row later than the published session), `stale` (row too old), `invalid` (bar
        missing or retracted), `not_issued` (a sequence model's forecast is not there).
    """
    manifest = model.manifest
    known: dict[str, dict[str, Row]] = {}
    for view in manifest.views:
        told = rows.views[view.name].select("symbol", "session", "event_timestamp", "valid")
        known[view.name] = {row["symbol"]: row for row in told.iter_rows(named=True)}
    primary = known[manifest.primary_view]
    needed = [view.name for view in manifest.views[1:] if view.required]
    refused = {
        symbol: _refusal(primary.get(symbol), symbol, clock)
        or _refusal_beside(primary[symbol], {view: known[view].get(symbol) for view in needed})
        for symbol in symbols
    }
    numbers = _numbers([symbol for symbol in symbols if refused[symbol] is None], rows, model)
    answers = []
    for symbol in symbols:
        facts = _facts(primary.get(symbol), {view: known[view].get(symbol) for view in known}, clock)
        status, reason = refused[symbol] or ("ok", None)
        if status == "ok" and symbol not in numbers:
            status = "not_issued"
            reason = (
                f"{manifest.family} needs {manifest.history_sessions} sessions of history, so its issued "
                f"forecasts are served; version {manifest.model_version} issued none for {symbol} in this "
                "session"
            )
        given = numbers.get(symbol, {})
        answers.append(SymbolForecast(symbol=symbol, status=status, reason=reason, **facts, **given))
    return answers


def answer_unknown(symbol: str) -> SymbolForecast:
    """Answer a symbol of which nothing was ever published."""
    return SymbolForecast(symbol=symbol, status="unknown_symbol", reason=_unknown(symbol))


def _unknown(symbol: str) -> str:
    return f"{symbol} has no features in the online store; check its spelling"


def _refusal(row: Row | None, symbol: str, clock: Clock) -> tuple[Status, str] | None:
    if row is None:
        return "unknown_symbol", _unknown(symbol)
    session = row["session"]
    if session is None or session > clock.session:
        return "other_session", (
            f"the features are of session {session}, not of the published session {clock.session}; "
            "a publication may be under way, ask again"
        )
    if clock.overdue:
        return "stale", clock.overdue
    behind = clock.count(session, clock.session)
    if behind > clock.max_staleness:
        return "stale", (
            f"the newest features are of session {session}, {behind} sessions behind {clock.session}; "
            f"at most {clock.max_staleness} are allowed"
        )
    if not row["valid"]:
        return (
            "invalid",
            f"the bar of session {session} is missing or was retracted; there is nothing to forecast from",
        )
    return None


def _refusal_beside(row: Row, others: Mapping[str, Row | None]) -> tuple[Status, str] | None:
    """Refuse where a view that a model cannot do without has nothing valid of the primary row's session."""
    for view, other in others.items():
        session = None if other is None else other["session"]
        if other is None or session != row["session"]:
            return "other_session", (
                f"the features of {view} are of session {session}, not of {row['session']}; "
                "a publication may be under way, ask again"
            )
        if not other["valid"]:
            return "invalid", f"the features of {view} of session {session} were retracted"
    return None


def _facts(row: Row | None, by_view: Mapping[str, Row | None], clock: Clock) -> dict[str, Any]:
    if row is None or row["session"] is None:
        return {}
    session = row["session"]
    return {
        "session": session,
        "staleness_sessions": max(0, clock.count(session, clock.session)),
        "feature_timestamps": {
            view: other["event_timestamp"] if other is not None and other["session"] == session else None
            for view, other in by_view.items()
        },
    }


def _numbers(symbols: Sequence[str], rows: OnlineRows, model: ServedModel) -> dict[str, dict[str, Any]]:
    """Return value, rank, quantiles and origin of each symbol that has a number."""
    if not symbols:
        return {}
    issued = issued_by(model, rows)
    if not model.manifest.is_row_model:
        return {symbol: _shown(issued[symbol], "issued") for symbol in symbols if symbol in issued}
    frame = feature_frame(rows, model.manifest)
    forecasts = model.predict(frame.filter(pl.col("symbol").is_in(list(symbols))))
    return {
        row["symbol"]: {**_shown(row, "live"), "rank": _rank(row, issued.get(row["symbol"]))}
        for row in forecasts.iter_rows(named=True)
    }


def feature_frame(rows: OnlineRows, manifest: Manifest) -> pl.DataFrame:
    """Join the views to one feature row a symbol.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session` and the model's features in its order, one row for each row of the primary view.
        Features of another view are null unless they are valid and of the very session of the primary row:
        yesterday's headlines are not today's.

    Raises
    ------
    ValueError
        If a view lacks one of its features.
    """
    joined = rows.views[manifest.primary_view]
    for view in manifest.views:
        frame = rows.views[view.name]
        missing = [name for name in view.features if name not in frame.columns]
        if missing:
            msg = (
                f"the online store lacks features {missing[:5]} of {view.name}; "
                "run `bellwether materialize` with this version"
            )
            raise ValueError(msg)
        if view.name != manifest.primary_view:
            valid = frame.filter(pl.col("valid")).select("symbol", "session", *view.features)
            joined = joined.join(valid, on=["symbol", "session"], how="left")
    return joined.select("symbol", "session", *manifest.feature_names)


def issued_by(model: ServedModel, rows: OnlineRows) -> dict[str, Row]:
    """Return the forecasts that this very model issued for the session of each symbol's features.

    Those of the online store; until it holds the model's own, those that came with the model.
    """
    manifest = model.manifest
    current = rows.views[manifest.primary_view].select("symbol", "session")
    found: dict[str, Row] = {}
    for issued in (model.issued, rows.issued):
        if issued is not None:
            own = issued.filter(pl.col("model_key") == manifest.model_key)
            same = own.join(current, on=["symbol", "session"], how="inner")
            found |= {row["symbol"]: row for row in same.iter_rows(named=True)}
    return found


def _shown(row: Row, served_from: str) -> dict[str, Any]:
    return {
        "value": row["value"],
        "rank": row.get("rank"),
        "quantiles": quantiles_of(row),
        "served_from": served_from,
    }


def quantiles_of(row: Row) -> Quantiles | None:
    """Return the quantiles of a forecast, None where its family has none."""
    levels: dict[str, float] = {name: row[name] for name in QUANTILES if row.get(name) is not None}
    return Quantiles(**levels) if len(levels) == len(QUANTILES) else None


def _rank(live: Row, issued: Row | None) -> float | None:
    """Return the issued rank, if it was issued for this value: corrected features make it void."""
    if issued is None or abs(issued["value"] - live["value"]) > 1e-6:
        return None
    return issued["rank"]  # type: ignore[no-any-return]
