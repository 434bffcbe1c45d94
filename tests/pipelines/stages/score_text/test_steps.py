"""The pure step: one row a text, probabilities in the contract's columns."""

from __future__ import annotations

from datetime import date

import polars as pl

from pipelines.io.text_models import LexiconScorer
from pipelines.io.text_params import TextParams
from pipelines.stages.score_text.steps import score_batch, score_texts
from pipelines.tables.contracts import SILVER_TEXT_SCORES

TEXTS = pl.DataFrame(
    {
        "text_id": ["a", "b", "c"],
        "session": [date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 1)],
        "text": ["profits surge", None, "shares plunge"],
    }
)


def test_scores_are_rows_of_the_contract_and_nothing_said_has_none():
    scores = score_texts(TEXTS, LexiconScorer())
    assert scores.schema == dict(SILVER_TEXT_SCORES.schema)
    assert scores["text_id"].to_list() == ["a", "c"]
    assert scores["month"].to_list() == ["2024-02", "2024-03"]
    assert scores["positive"][0] > 0.8
    assert scores["negative"][1] > 0.5
    assert scores["model_version"].unique().to_list() == [LexiconScorer().version]


def test_an_empty_batch_has_the_same_columns():
    assert score_batch(TEXTS.clear(), params=TextParams()).schema == dict(SILVER_TEXT_SCORES.schema)
