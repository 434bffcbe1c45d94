"""The rank IC above which a result is a suspected leak, and a person's word about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from models.evaluation import evaluate
from pipelines.base.context import Context
from pipelines.cli.main import main
from pipelines.io.sources.params import SourcesParams
from pipelines.registry.leak_stop import leak_bound
from simulation.feed import compute_oracle, compute_true_bars
from simulation.params import SimulatedParams

FIRST, LAST = date(2023, 3, 1), date(2023, 6, 30)


def market_of(context: Context) -> SimulatedParams:
    params = context.params(SourcesParams).sources["simulated"]
    assert isinstance(params, SimulatedParams)
    return params


def holdout_of(params: SimulatedParams) -> pl.DataFrame:
    """Return the true five-session returns from the next close, by plain joins of the market's own bars."""
    bars = compute_true_bars(params, FIRST, LAST).select("symbol", "session", "close", "split", "dividend")
    grown = bars.sort("symbol", "session").with_columns(
        ((pl.col("close") * pl.col("split").fill_null(1.0) + pl.col("dividend").fill_null(0.0))
         / pl.col("close").shift(1).over("symbol")).log().alias("step")
    )  # fmt: skip
    later = pl.sum_horizontal(pl.col("step").shift(-ahead).over("symbol") for ahead in range(2, 7))
    whole = pl.col("step").shift(-6).over("symbol").is_not_null()
    return grown.with_columns(later.exp().sub(1.0).alias("label")).filter(whole)


@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_the_simulated_markets_bound_is_what_its_oracle_reaches(
    strength: float, open_home: Callable[..., Context], tmp_path: Path
) -> None:
    context = open_home(
        tmp_path, "sources.simulated.symbols=40", "sources.simulated.start=2023-01-03",
        f"sources.simulated.alpha_rank_ic={strength}",
    )  # fmt: skip
    holdout = holdout_of(market_of(context))
    bound = leak_bound(context, holdout, 5)
    oracle = compute_oracle(market_of(context), FIRST, LAST).rename({"score": "value"})
    truth = holdout.select("symbol", "session", "label")
    reached = evaluate({"oracle": oracle}, truth, reference="oracle", horizon_sessions=5)
    assert bound == max(0.05, reached["rank_ic_high"].item())
    assert (bound > 0.2) == (strength > 0)
    assert (reached["rank_ic"].item() > 0.15) == (strength > 0)


def test_one_session_has_no_bound_but_the_markets(open_home: Callable[..., Context], tmp_path: Path) -> None:
    context = open_home(tmp_path, "sources.simulated.start=2023-01-03")
    holdout = holdout_of(market_of(context))
    assert leak_bound(context, holdout.filter(pl.col("session") == holdout["session"].max()), 5) == 0.05
    assert leak_bound(context, holdout.clear(), 5) == 0.05


def test_real_bars_have_no_oracle(open_home: Callable[..., Context], tmp_path: Path) -> None:
    context = open_home(tmp_path, "feeds.bars=files", "sources.files.bars=bars.csv")
    holdout = holdout_of(replace(market_of(context), symbols=12))
    assert leak_bound(context, holdout, 5) == 0.05


@pytest.mark.parametrize("words", [("--accept-suspect",), ("--why", "so good")])
def test_the_word_and_its_reason_belong_together(words: tuple[str, ...], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["promote", *words, "--home", str(tmp_path)])
    assert result.exit_code == 2
    assert "--accept-suspect and --why belong together" in result.output
