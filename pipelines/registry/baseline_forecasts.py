"""The baselines on a challenger's rows: fitted on its own frame, splits and seed; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from models.base import Forecaster, build_forecaster
from models.families import baseline_families
from models.forecast_frames import KEY
from models.params import ModelsParams
from models.training import fit_final, forecast_part, walk_forward


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineForecasts:
    """Forecasts of all baselines, one under another: `forecaster`, `symbol`, `session`, `value`."""

    out_of_fold: pl.DataFrame
    holdout: pl.DataFrame


def forecast_baselines(
    frame: pl.DataFrame, params: ModelsParams, features: Sequence[str]
) -> BaselineForecasts:
    """Fit each baseline on the challenger's own folds and forecast the same rows.

    Parameters
    ----------
    frame : polars.DataFrame
        The challenger's training frame.
    params : ModelsParams
        With the challenger's splits and seed.
    """
    walked = [
        _named(family, walk_forward(frame, params.split, _builder(family, params, features)).forecasts)
        for family in baseline_families()
    ]
    return BaselineForecasts(
        out_of_fold=pl.concat(walked), holdout=forecast_baselines_on_holdout(frame, params, features)
    )


def forecast_baselines_on_holdout(
    frame: pl.DataFrame, params: ModelsParams, features: Sequence[str]
) -> pl.DataFrame:
    """Return what each baseline, fitted before the hold-out, says of it; see `BaselineForecasts`."""
    tested = []
    for family in baseline_families():
        final = fit_final(frame, params.split, _builder(family, params, features))
        tested.append(_named(family, forecast_part(final.forecaster, frame, final.fold.test)))
    return pl.concat(tested)


def _builder(family: str, params: ModelsParams, features: Sequence[str]) -> Callable[[str], Forecaster]:
    return lambda _name: build_forecaster(family, params, features)


def _named(family: str, forecasts: pl.DataFrame) -> pl.DataFrame:
    return forecasts.select(pl.lit(family).alias("forecaster"), *KEY, "value")
