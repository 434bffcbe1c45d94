"""The card of a registered model: made by train, made again with its baselines by evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from models.card import ModelCard
from pipelines.registry.lineage import Lineage

CARD_FILE = "card.md"
IMPORTANCE_FILE = "importance.json"


def describe_model(
    lineage: Lineage,
    frame: pl.DataFrame,
    table: pl.DataFrame,
    *,
    importance: Mapping[str, float],
    warnings: Sequence[str],
) -> ModelCard:
    """Return the card's content.

    Parameters
    ----------
    frame : polars.DataFrame
        Training frame; `symbol`, `session` and `target` are enough.
    table : polars.DataFrame
        From `models.evaluation.evaluate` on the out-of-fold rows.
    """
    final = lineage.splits["final"]
    first, last = (
        date.fromisoformat(final[part][end]) for part, end in (("fit", "first"), ("validation", "last"))
    )
    seen = frame.filter(pl.col("session").is_between(first, last) & pl.col("target").is_not_null())
    return ModelCard(
        name=f"{lineage.family} as of {lineage.as_of}",
        family=lineage.family,
        model_key=lineage.model_key,
        horizon_sessions=lineage.horizon_sessions,
        first_session=first,
        last_session=last,
        rows=seen.height,
        symbols=seen["symbol"].n_unique(),
        lineage=lineage.as_tags(),
        settings=lineage.model_settings.get(lineage.family, {}),
        splits=lineage.splits,
        table=table,
        judged_on=f"out-of-fold rows of {len(lineage.splits['folds'])} folds",
        importance=importance,
        warnings=warnings,
    )
