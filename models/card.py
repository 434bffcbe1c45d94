"""The page that goes with a model: what it is, what it was made from, and how it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

_TABLE_COLUMNS = (
    "forecaster", "sessions", "rows", "rank_ic", "rank_ic_low", "rank_ic_high", "t_newey_west", "icir",
    "hit_rate", "decile_spread", "turnover", "lead", "lead_low", "lead_high",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Content of a model card.

    Attributes
    ----------
    name, family, model_key : str
    horizon_sessions : int
    first_session, last_session : date
        Of the fitted rows, validation included.
    rows, symbols : int
        Fitted rows and the symbols among them.
    lineage : mapping
        Table versions, feature service, code revision, settings hash, universe rule, seed.
    settings : mapping
        The family's parameters.
    splits : mapping
        ``WalkForwardPlan.as_record()``.
    table : polars.DataFrame
        From `models.evaluation.evaluate`.
    judged_on : str
        What the table's rows are, such as ``out-of-fold rows of 4 folds``.
    importance : mapping of feature to share
    warnings : sequence of str
        Suspected leaks, a fit cut short by its time limit, comparisons lost.
    """

    name: str
    family: str
    model_key: str
    horizon_sessions: int
    first_session: date
    last_session: date
    rows: int
    symbols: int
    lineage: Mapping[str, Any]
    settings: Mapping[str, Any]
    splits: Mapping[str, Any]
    table: pl.DataFrame
    judged_on: str
    importance: Mapping[str, float]
    warnings: Sequence[str] = field(default_factory=tuple)


def render_card(card: ModelCard) -> str:
    """Return the card as Markdown text, ending with a newline."""
    sections = [
        f"# Model card: {card.name}",
        f"Family `{card.family}`, key `{card.model_key}`. Ranks the symbols of a session by their return "
        f"over {card.horizon_sessions} sessions, traded one session after the signal. Fitted on "
        f"{card.rows:,} rows of {card.symbols} symbols, {card.first_session} to {card.last_session}.",
        "## Warnings\n\n" + "\n".join(f"- {line}" for line in card.warnings or ("none",)),
        f"## Results\n\nOn {card.judged_on}; intervals are 95 %, Newey–West. `lead` is the reference's "
        "mean rank IC less the row's own.\n\n" + render_table(card.table),
        "## Made from\n\n" + _pairs(card.lineage),
        "## Splits\n\n" + _splits(card.splits),
        "## Settings\n\n" + _pairs(card.settings),
        "## Importance\n\n" + _importance(card.importance),
        _LIMITS,
    ]
    return "\n\n".join(sections) + "\n"


def render_table(table: pl.DataFrame) -> str:
    """Return an evaluation table as Markdown, losers included; numbers with four decimals."""
    columns = [name for name in _TABLE_COLUMNS if name in table.columns]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    rows = table.select(columns).iter_rows()
    lines += ["| " + " | ".join(_text(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


_LIMITS = (
    "## Limits\n\nForecasts order the symbols of one session; their size is a normal score, not a return. "
    "Costs, capacity and borrow are not part of them. Past levels need not last: see the drift reports."
)


def _pairs(content: Mapping[str, Any]) -> str:
    lines = ["| key | value |", "|---|---|"]
    lines += [f"| {key} | `{_text(value)}` |" for key, value in sorted(content.items())]
    return "\n".join(lines)


def _splits(record: Mapping[str, Any]) -> str:
    lines = ["| part | fit | validation | test |", "|---|---|---|---|"]
    named = [(f"fold-{k}", fold) for k, fold in enumerate(record["folds"], start=1)]
    for name, fold in [*named, ("final, test = hold-out", record["final"])]:
        spans = [f"{fold[part]['first']} … {fold[part]['last']}" for part in ("fit", "validation", "test")]
        lines.append(f"| {name} | " + " | ".join(spans) + " |")
    return "\n".join(lines)


def _importance(shares: Mapping[str, float], top: int = 20) -> str:
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:top]
    return "\n".join(["| feature | share |", "|---|---|", *(f"| {k} | {v:.4f} |" for k, v in ranked)])


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
