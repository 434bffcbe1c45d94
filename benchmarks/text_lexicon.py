"""How well the lexicon tells sentiment apart, beside two trivial answers, on two labelled sets.

Run from the project's root: ``.venv/bin/python -m benchmarks.text_lexicon``. The sets lie in the
folder named by ``BELLWETHER_DATA`` (default ``../shared/data``). The vocabulary was written from general
knowledge of finance; of the sets, only headlines that name a single entity are used.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.metrics import accuracy_score, f1_score

from pipelines.io.text_models import LexiconScorer
from pipelines.io.text_params import CLASSES

DATA = Path(os.environ.get("BELLWETHER_DATA", "../shared/data"))
TWEET_LABELS = {0: "negative", 1: "positive", 2: "neutral"}


def read_tweets() -> pl.DataFrame:
    """Return the finance tweets: `text`, `label`."""
    tweets = pl.read_csv(DATA / "text_twitter_financial" / "sent_train.csv.gz")
    return tweets.select("text", pl.col("label").cast(pl.Int64).replace_strict(TWEET_LABELS))


def read_headlines() -> pl.DataFrame:
    """Return the headlines that name one entity: `text`, `label`."""
    rows = pl.read_csv(DATA / "text_sentfin_headlines" / "entity_sentiment.csv.gz")
    single = rows.filter(pl.len().over("title") == 1)
    return single.select(pl.col("title").alias("text"), "label")


def measure(labelled: pl.DataFrame) -> pl.DataFrame:
    """Return macro-F1 and accuracy of the lexicon, of the majority class and of random labels."""
    truth = labelled["label"].to_numpy()
    names = np.array(CLASSES)
    majority = labelled["label"].mode().sort()[0]
    answers = {
        "lexicon": names[LexiconScorer().score(labelled["text"].to_list()).argmax(axis=1)],
        "majority class": np.full(len(truth), majority),
        "labels shuffled": np.random.default_rng(0).permutation(truth),
    }
    return pl.DataFrame(
        [
            {
                "answer": name,
                "macro_f1": round(f1_score(truth, given, average="macro", zero_division=0), 3),
                "accuracy": round(accuracy_score(truth, given), 3),
            }
            for name, given in answers.items()
        ]
    )


def main() -> None:
    """Print one table a set."""
    sets = {"finance tweets": read_tweets(), "headlines with one entity": read_headlines()}
    for name, labelled in sets.items():
        print(f"\n{name}: {labelled.height} texts, {LexiconScorer().version}")
        with pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
            print(measure(labelled))


if __name__ == "__main__":
    main()
