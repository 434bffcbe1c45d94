"""Digests that see every value and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from models.identity import digest_frame, make_model_key
from tests.models.settings import MODELS

FRAME = pl.DataFrame(
    {
        "symbol": ["A", "B", "A"],
        "session": [date(2020, 1, 2), date(2020, 1, 2), date(2020, 1, 3)],
        "decision_at": [datetime(2020, 1, 3, 13, tzinfo=UTC)] * 3,
        "x": [0.1, None, float("nan")],
        "n": [1, 2, 3],
        "valid": [True, None, False],
    }
)


def changed(row: int, column: str, value: object) -> pl.DataFrame:
    values = FRAME[column].to_list()
    values[row] = value
    return FRAME.with_columns(pl.Series(column, values, dtype=FRAME.schema[column]))


def test_that_the_digest_is_this_one_for_ever() -> None:
    assert digest_frame(FRAME) == "f1aa8d0b2451fc874b6c858a1657f7f9708a237ae9de2f8f289dce06e58033cc"


def test_that_order_chunks_and_widths_do_not_matter() -> None:
    shuffled = pl.concat([FRAME[2:], FRAME[:1], FRAME[1:2]], rechunk=False).select(reversed(FRAME.columns))
    assert digest_frame(shuffled) == digest_frame(FRAME)
    assert digest_frame(FRAME.with_columns(pl.col("n").cast(pl.Int16))) == digest_frame(FRAME)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (0, "x", 0.1 + 2**-56),
        (1, "x", 0.0),
        (1, "x", float("nan")),
        (2, "x", None),
        (0, "n", 9),
        (1, "valid", False),
        (0, "symbol", "C"),
        (0, "decision_at", datetime(2020, 1, 3, 13, 0, 0, 1, tzinfo=UTC)),
    ],
)
def test_that_every_value_matters(row: int, column: str, value: object) -> None:
    assert digest_frame(changed(row, column, value)) != digest_frame(FRAME)


def test_that_names_rows_and_the_sign_of_zero_matter() -> None:
    zero, negative = changed(0, "x", 0.0), changed(0, "x", -0.0)
    digests = [FRAME, FRAME.rename({"x": "y"}), FRAME.drop("x"), FRAME[:2], zero, negative]
    assert len({digest_frame(frame) for frame in digests}) == 6


def test_that_only_named_columns_count() -> None:
    assert digest_frame(FRAME, ["x"]) == digest_frame(FRAME.drop("n", "valid", "decision_at"))


def test_that_repeats_and_odd_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="keep one version of each"):
        digest_frame(pl.concat([FRAME, FRAME]))
    with pytest.raises(ValueError, match="column 'x' of kind List"):
        digest_frame(FRAME.with_columns(pl.concat_list("x").alias("x")))


def test_that_a_model_key_sees_settings_through_dataclasses() -> None:
    key = make_model_key({"seed": 1, "settings": MODELS, "features": ("a", "b")})
    assert key == make_model_key({"features": ["a", "b"], "settings": MODELS, "seed": 1})
    assert key != make_model_key({"seed": 2, "settings": MODELS, "features": ("a", "b")})
    assert len(key) == 64


def test_that_a_model_key_refuses_what_has_no_canonical_form() -> None:
    with pytest.raises(TypeError, match="has no canonical form; pass text or numbers"):
        make_model_key({"at": datetime(2020, 1, 1, tzinfo=UTC)})
    with pytest.raises(ValueError, match="Out of range float"):
        make_model_key({"x": float("nan")})
