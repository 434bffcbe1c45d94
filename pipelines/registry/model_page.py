"""The card of a registered model: made by train, made again with its rivals by evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from models.card import ModelCard
from pipelines.registry.lineage import Ancestry

CARD_FILE = "card.md"
IMPORTANCE_FILE = "importance.json"


def describe_model(
    ancestry: Ancestry,
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
    final = ancestry.splits["final"]
    first, last = (
        date.fromisoformat(final[part][end]) for part, end in (("fit", "first"), ("validation", "last"))
    )
    seen = frame.filter(pl.col("session").is_between(first, last) & pl.col("target").is_not_null())
    return ModelCard(
        name=f"{ancestry.family} as of {ancestry.as_of}",
        family=ancestry.family,
        model_key=ancestry.model_key,
        horizon_sessions=ancestry.horizon,
        first_session=first,
        last_session=last,
        rows=seen.height,
        symbols=seen["symbol"].n_unique(),
        ancestry=ancestry.as_tags(),
        settings=ancestry.model_settings.get(ancestry.family, {}),
        splits=ancestry.splits,
        table=table,
        judged_on=f"out-of-fold rows of {len(ancestry.splits['folds'])} folds",
        importance=importance,
        warnings=warnings,
    )
