"""Pure steps of score_text."""

from __future__ import annotations

import polars as pl

from pipelines.io.text_models import TextScorer, load_scorer
from pipelines.io.text_params import CLASSES, TextParams
from pipelines.tables.contracts import SILVER_TEXT_SCORES
from pipelines.tables.version_chains import month_of_session


def score_texts(texts: pl.DataFrame, scorer: TextScorer) -> pl.DataFrame:
    """Return the scores of texts.

    Parameters
    ----------
    texts : polars.DataFrame, shape (n_texts, 3)
        `text_id`, `session` and `text`; a null text is left out: nothing was said.

    Returns
    -------
    polars.DataFrame
        Rows of `silver.text_scores`: probabilities of the three classes, in 0..1, summing to one.
    """
    said = texts.filter(pl.col("text").is_not_null())
    scores = scorer.score(said["text"].to_list())
    return said.with_columns(
        pl.lit(scorer.version).alias("model_version"),
        month_of_session(),
        *(pl.Series(name, scores[:, place], dtype=pl.Float64) for place, name in enumerate(CLASSES)),
    ).select(SILVER_TEXT_SCORES.columns)


def score_batch(texts: pl.DataFrame, *, params: TextParams) -> pl.DataFrame:
    """Score a batch, here or in a Spark worker; a process loads the model at its first batch and keeps it.

    Parameters
    ----------
    texts : polars.DataFrame
        As `score_texts` takes them. A text's scores do not depend on the batch that it is in.
    """
    return score_texts(texts, load_scorer(params))
