"""Feature rows in, forecasts out."""

from __future__ import annotations

from datetime import date

import msgspec
import polars as pl
import pytest

from serving.batch import answer_batch, batch_frame
from serving.messages import BatchMessage
from serving.parquet_rows import BatchLimits, ParquetRows
from serving.refusals import Refusal
from serving.served_model import ServedModel
from tests.serving.hostile import good_frame, good_row, parquet_of
from tests.serving.parts import NAMES, SESSION, manifest_of

LIMITS = BatchLimits(rows=10, bytes=100_000)


def request_of(*rows: dict) -> BatchMessage:
    return msgspec.convert({"rows": list(rows)}, BatchMessage)


def test_json_and_parquet_give_the_same_frame() -> None:
    features = {**dict.fromkeys(NAMES, 0.5), "mom_return_5d": None, "not_used": 1.0}
    from_json = batch_frame(request_of(good_row(features=features)), NAMES, LIMITS)
    table = good_frame(mom_return_5d=float("nan"), session=SESSION, not_used="text is ignored here")
    from_parquet = batch_frame(ParquetRows(parquet_of(table)), NAMES, LIMITS)
    assert from_json.equals(from_parquet)
    assert from_json.row(0) == ("AAA", date(2018, 2, 7), 0.5, 0.5, None, 0.5)


def test_a_gold_table_goes_in_as_it_is() -> None:
    table = good_frame(valid=True, known_at=1).with_columns(
        pl.col("session").str.to_date(), pl.col("symbol").cast(pl.Categorical)
    )
    assert batch_frame(ParquetRows(parquet_of(table)), NAMES, LIMITS).height == 1


@pytest.mark.parametrize(
    ("rows", "code", "message"),
    [
        (
            [good_row(symbol=f"S{k}") for k in range(11)],
            "batch_size",
            "the batch has 11 rows, allowed are 1 to 10",
        ),
        (
            [good_row(features={"mom_return_1d": 1.0})],
            "missing_features",
            r"rows.0.features lacks 3 of the model's",
        ),
        ([good_row(), good_row()], "repeated_rows", "2 rows share a symbol and session"),
    ],
)
def test_json_rows_that_do_not_fit_are_refused(rows: list[dict], code: str, message: str) -> None:
    with pytest.raises(Refusal, match=message) as refusal:
        batch_frame(request_of(*rows), NAMES, LIMITS)
    assert refusal.value.error == code


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PAR1", "cannot be read as Parquet"),
        (parquet_of(good_frame().drop("session")), "the Parquet file lacks 1 of"),
        (parquet_of(good_frame(mom_return_1d="x")), "columns of the wrong type"),
        (parquet_of(good_frame(mom_return_1d=float("inf"))), "features must be finite"),
        (parquet_of(good_frame(symbol="A" * 33)), "a symbol is missing, longer than 32 signs"),
        (parquet_of(pl.concat([good_frame()] * 11)), "the batch has 11 rows"),
        (parquet_of(good_frame(session="soon")), "cannot be read as Parquet"),
        (parquet_of(good_frame(session=pl.Series([None], dtype=pl.Date))), "a row has no session"),
    ],
)
def test_parquet_files_that_do_not_fit_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        batch_frame(ParquetRows(content), NAMES, LIMITS)


def test_a_parquet_file_is_measured_before_it_is_unpacked() -> None:
    """A million zeros pack into a few hundred bytes."""
    wide = good_frame().join(pl.DataFrame({"pad": ["x" * 200_000] * 10}), how="cross")
    content = parquet_of(wide.with_columns(pl.format("S{}", pl.int_range(pl.len())).alias("symbol")))
    assert len(content) < 20_000
    with pytest.raises(Refusal, match=r"unpacks to .* bytes, at most 100000 are allowed") as refusal:
        batch_frame(ParquetRows(content), NAMES, LIMITS)
    assert refusal.value.status == 413


def test_answers_keep_the_order_and_rank_within_the_session(champion: ServedModel) -> None:
    values = (("B", SESSION, 2.0), ("A", SESSION, -2.0), ("A", date(2018, 2, 6), 0.0), ("C", SESSION, 0.0))
    frame = pl.DataFrame(
        [
            {"symbol": name, "session": day, **dict.fromkeys(NAMES, 0.0), "mom_return_1d": value}
            for name, day, value in values
        ]
    )
    answers = answer_batch(frame, champion)
    assert [(answer.symbol, answer.session) for answer in answers] == [(name, day) for name, day, _ in values]
    assert [answer.rank for answer in answers] == [pytest.approx(5 / 6), pytest.approx(1 / 6), 0.5, 0.5]
    assert answers[0].value == champion.predict(frame.head(1))["value"][0]


def test_rows_without_enough_history_get_a_status(champion_folder) -> None:
    class Sequence(ServedModel):
        def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
            return rows.filter(pl.col("symbol") == "AAA").select(
                "symbol", "session", pl.lit(0.1).alias("value")
            )

    model = Sequence(manifest_of(family="tft", history_sessions=20), champion_folder)
    frame = batch_frame(request_of(good_row(), good_row(symbol="BBB")), NAMES, LIMITS)
    known, unknown = answer_batch(frame, model)
    assert (known.status, known.value) == ("ok", 0.1)
    assert (unknown.status, unknown.value) == ("no_history", None)
    assert "needs 20 sessions" in (unknown.reason or "")


def test_what_the_model_does_not_take_is_the_callers_mistake(champion: ServedModel) -> None:
    frame = batch_frame(request_of(good_row(features=dict.fromkeys(NAMES, 1e300))), NAMES, LIMITS)
    with pytest.raises(Refusal, match=r"the model refuses the rows: features .* hold infinite values"):
        answer_batch(frame, champion)
