"""What a model card says."""

from __future__ import annotations

from datetime import date

import polars as pl

from models.card import ModelCard, render_card, render_table

PART = {"first": "2020-01-02", "last": "2020-03-31", "known_by": None}
FOLD = {"fit": PART, "validation": PART, "test": PART}
TABLE = pl.DataFrame({"forecaster": ["xgboost", "zero"], "rank_ic": [0.01234567, 0.0], "other": [1, 2]})
CARD = ModelCard(
    name="bellwether 3",
    family="xgboost",
    model_key="abc",
    horizon_sessions=5,
    first_session=date(2020, 1, 2),
    last_session=date(2020, 6, 30),
    rows=12345,
    symbols=50,
    lineage={"seed": 7, "code_revision": "f00"},
    settings={"max_depth": 3, "learning_rate": 0.03},
    splits={"folds": [FOLD], "final": FOLD},
    table=TABLE,
    judged_on="out-of-fold rows of 1 fold",
    importance={"a": 0.25, "b": 0.75},
    warnings=["lost to: ridge"],
)


def test_that_a_table_keeps_losers_and_known_columns() -> None:
    lines = render_table(TABLE).splitlines()
    assert lines == ["| forecaster | rank_ic |", "|---|---|", "| xgboost | 0.0123 |", "| zero | 0.0000 |"]


def test_that_a_card_names_purpose_warnings_ancestry_splits_and_importance() -> None:
    text = render_card(CARD)
    assert text.startswith("# Model card: bellwether 3\n")
    assert "Fitted on 12,345 rows of 50 symbols, 2020-01-02 to 2020-06-30." in text
    assert "- lost to: ridge" in text
    assert "| code_revision | `f00` |" in text
    assert "| learning_rate | `0.0300` |" in text
    assert "| final, test = hold-out | 2020-01-02 … 2020-03-31 |" in text
    assert text.index("| b | 0.7500 |") < text.index("| a | 0.2500 |")
