"""Everything that features stumble over happens, and every row is known by its cut."""

from __future__ import annotations

import polars as pl

from simulation.eventful_bars import eventful_bars, eventful_texts

BARS = eventful_bars(30, 250, 0)
OWN = pl.col("close") / pl.col("close").shift(1).over("symbol") - 1.0


def test_every_event_happens():
    days = BARS["session"].unique().sort().to_list()
    spans = BARS.group_by("symbol").agg(first=pl.col("session").min(), last=pl.col("session").max())
    gaps = BARS.select((pl.col("session") - pl.col("session").shift(1).over("symbol")).dt.total_days())
    counts = {
        "splits": BARS.filter(pl.col("split") != 1.0).height,
        "dividends": BARS.filter(pl.col("dividend") > 0.0).height,
        "silences": BARS.filter(pl.col("volume") == 0.0).height,
        "ties": BARS.filter(OWN == 0.0).height,
        "voids": BARS.filter(~pl.col("valid")).height,
        "halts": gaps.filter(pl.first() > 7).height,
        "listings": spans.filter(pl.col("first") > days[0]).height,
        "delistings": spans.filter(pl.col("last") < days[-1]).height,
    }
    assert {name: count for name, count in counts.items() if count < 2} == {}


def test_rows_are_unique_sorted_and_known_in_time():
    assert BARS.select("symbol", "session").is_unique().all()
    assert BARS.equals(BARS.sort("symbol", "session"))
    assert (BARS["known_at"] <= BARS["cutoff_at"]).all()


def test_a_split_explains_its_jump():
    split = BARS.with_columns(move=OWN).filter(pl.col("split") >= 2.0)["move"].drop_nulls()
    assert split.len() > 5
    assert (split < -0.3).all()


def test_equal_seeds_give_equal_rows():
    assert eventful_bars(30, 250, 0).equals(BARS)
    assert eventful_texts(BARS, 4).equals(eventful_texts(BARS, 4))


def test_texts_are_scored_and_silent_days_exist():
    texts = eventful_texts(BARS, 4)
    assert texts["text_id"].is_unique().all()
    total = texts.select(pl.sum_horizontal("negative", "neutral", "positive")).to_series()
    assert ((total - 1.0).abs() < 1e-12).all()
    assert texts.select("symbol", "session").unique().height < BARS.height
