"""Texts are told apart alike here and in the distributed engine."""

from __future__ import annotations

from datetime import date

import polars as pl
from pyspark.sql import SparkSession

from pipelines.tables import queries
from pipelines.tables.text_identity import canonical_text, first_spellings, identify_texts

SPELLED = [
    "  Profit  UP\t\n\r again ", "", " ", "\u00a0held\u00a0", "\u3000wide", "İSTANBUL", "ΟΔΟΣ ΣΑΣ", "Σ",
    "straße ẞ",
    "ǅ", "Ω K Å", "ﬁ ﬂ", "🚀 To The MOON", "e\u0301É", "a\x0bb\x0cc", "line\u2028two", "\tTab first", None,
]  # fmt: skip


def test_forms_and_identities_are_those_of_the_engine(spark: SparkSession) -> None:
    rows = [(date(2024, 7, 3) if place % 3 else None, text) for place, text in enumerate(SPELLED)]
    frame = spark.createDataFrame(rows, "session_date date, text string")
    there = frame.selectExpr(f"{queries.CANONICAL_TEXT} as canonical", queries.TEXT_ID).collect()
    records = pl.DataFrame(rows, schema={"session_date": pl.Date, "text": pl.String}, orient="row")
    here = identify_texts(records).select(canonical_text().alias("canonical"), "text_id").rows()
    assert here == [(row["canonical"], row["text_id"]) for row in there]


def test_a_text_is_scored_once_in_its_first_spelling() -> None:
    texts = pl.DataFrame(
        {"text_id": ["a", "a", "b"], "session": [date(2024, 7, 3)] * 3, "symbol": ["Z", "A", "A"],
         "text": ["  Up", "UP ", "down"]}
    )  # fmt: skip
    found = first_spellings(texts, pl.DataFrame({"text_id": ["b"]}))
    assert found.rows() == [("a", date(2024, 7, 3), "up")]
