"""What is particular to the sequence family: history, resuming, the time limit, quantiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from models import network_training
from models.tft_forecaster import TFTForecaster
from tests.models.settings import MODELS
from tests.models.test_xgboost_forecaster import cut, make_curved, mean_ic

PARAMS = replace(MODELS.tft, features=("a",))
NAMES = ("a", "b")


def make_lagged() -> pl.DataFrame:
    """A target that is the feature of two sessions ago."""
    frame = make_curved(sessions=70, symbols=20).sort("symbol", "session")
    past = pl.col("a").shift(2).over("symbol").fill_null(0.0)
    return frame.with_columns((2.0 * past).alias("target")).sort("session", "symbol")


FRAME = make_lagged()


def build(workspace: Path | None = None, **changes: object) -> TFTForecaster:
    return TFTForecaster(replace(PARAMS, **changes), NAMES, seed=3, workspace=workspace)  # type: ignore[arg-type]


def test_that_it_learns_from_a_past_that_a_row_does_not_hold() -> None:
    forecaster = build(hidden_size=8, learning_rate=0.01, batches_per_epoch=14, max_epochs=6, dropout=0.0)
    forecaster.fit(cut(FRAME, 0, 45), cut(FRAME, 45, 55))
    tested = forecaster.predict(cut(FRAME, 50, 70), first_session=cut(FRAME, 55, 70)["session"].min())
    assert mean_ic(tested, cut(FRAME, 55, 70)) > 0.8
    assert forecaster.importance() == {"a": pytest.approx(1.0), "b": 0.0}
    assert 0.6 < (tested["q90"] >= cut(FRAME, 55, 70)["target"]).mean() <= 1.0


class _Killed(BaseException):
    pass


def test_that_an_interrupted_fit_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = cut(FRAME, 0, 40), cut(FRAME, 40, 55)
    whole = build(max_epochs=3, patience=5).fit(*parts)
    made = network_training._Epochs.on_validation_epoch_end

    def die_in_the_last_epoch(self: Any, trainer: Any, module: Any) -> None:
        if trainer.current_epoch == 2:
            raise _Killed
        made(self, trainer, module)

    with monkeypatch.context() as patch:
        patch.setattr(network_training._Epochs, "on_validation_epoch_end", die_in_the_last_epoch)
        with pytest.raises(_Killed):
            build(tmp_path, max_epochs=3, patience=5).fit(*parts)
    assert (tmp_path / "last.ckpt").is_file()
    seen: list[int] = []
    monkeypatch.setattr(
        network_training._Epochs,
        "on_validation_epoch_end",
        lambda _, trainer, __: seen.append(trainer.current_epoch),
    )
    resumed = build(tmp_path, max_epochs=3, patience=5).fit(*parts)
    assert seen == [2]
    assert resumed.predict(FRAME).equals(whole.predict(FRAME))


def test_that_checkpoints_of_another_fit_are_not_resumed(tmp_path: Path) -> None:
    parts = cut(FRAME, 0, 40), cut(FRAME, 40, 55)
    build(tmp_path, max_epochs=1).fit(*parts)
    other = build(tmp_path, learning_rate=0.01).fit(*parts)
    assert other.predict(FRAME).equals(build(learning_rate=0.01).fit(*parts).predict(FRAME))


def test_that_a_time_limit_cuts_a_fit_short_and_says_so() -> None:
    forecaster = build(max_minutes=0.01, max_epochs=500, patience=500, batches_per_epoch=2)
    forecaster.fit(cut(FRAME, 0, 40), cut(FRAME, 40, 55))
    assert forecaster.outcome["cut_short"]
    assert 0 < forecaster.outcome["epochs"] < 500
    assert "max_minutes=0.01 ended the fit" in forecaster.caveats[0]
    assert build().fit(cut(FRAME, 0, 40), cut(FRAME, 40, 55)).caveats == ()


def test_that_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build(max_epochs=1).fit(cut(FRAME, 0, 40), cut(FRAME, 40, 55))
    assert torch.equal(torch.rand(3), expected)


def test_that_missing_sessions_of_history_count_as_unknown() -> None:
    forecaster = build().fit(cut(FRAME, 0, 40), cut(FRAME, 40, 55))
    day = cut(FRAME, 60, 61)["session"][0]
    blank = cut(FRAME, 57, 61).with_columns(
        pl.when(pl.col("session") == day).then(pl.col("a")).alias("a"), pl.col("b")
    )
    short = forecaster.predict(cut(FRAME, 60, 61))
    longer = forecaster.predict(blank, first_session=day)
    np.testing.assert_allclose(short["value"], longer["value"], atol=1e-6)
