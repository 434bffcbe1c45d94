"""The daily default: boosted trees on the residual of a strongly shrunken linear score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import xgboost

from models.boosting import BoostedScore, LinearStart, Rows, fit_boosted_score, labelled_rows, stack_rows
from models.device import resolve_device
from models.forecast_frames import (
    KEY,
    check_columns,
    check_feature_names,
    check_fitted,
    feature_matrix,
    forecast_frame,
    rows_to_forecast,
)
from models.forecaster_record import read_record, write_record
from models.linear import LinearScorer
from models.params import ModelsParams
from models.xgboost_params import XGBoostParams

BOOSTER_FILE = "booster.ubj"


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoostTrees:
    """Fitted trees of XGBoost; they answer on the CPU, wherever they were fitted."""

    booster: xgboost.Booster
    rounds: int

    def add_to(self, margin: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """Return `margin` plus all of the trees' work; see `models.boosting.Trees`."""
        scores: np.ndarray = self.booster.inplace_predict(visible, base_margin=margin, missing=np.nan)
        return scores.astype(np.float64)

    def contributions(self, visible: np.ndarray) -> np.ndarray:
        """Return the mean absolute TreeSHAP value of each visible feature."""
        seen = xgboost.DMatrix(visible, feature_names=self.booster.feature_names)
        shares: np.ndarray = np.abs(self.booster.predict(seen, pred_contribs=True)[:, :-1]).mean(axis=0)
        return shares


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoostBooster:
    """XGBoost as the booster of `models.boosting`.

    Attributes
    ----------
    params : XGBoostParams
    feature_names : sequence of str
        Of all columns, visible or not.
    seed : int
    """

    params: XGBoostParams
    feature_names: Sequence[str]
    seed: int

    def fit(
        self, rows: Rows, start: LinearStart, *, max_rounds: int, validation: Rows | None
    ) -> XGBoostTrees:
        """Fit trees with squared error from the linear start; see `models.boosting.ResidualBooster`."""
        train = self._dmatrix(rows, start)
        watched = []
        if validation is not None:
            watched = [(self._dmatrix(validation, start, reference=train), "validation")]
        booster = xgboost.train(
            self._options(len(rows.target), start),
            train,
            num_boost_round=max_rounds,
            evals=watched,
            early_stopping_rounds=self.params.early_stopping_rounds if watched else None,
            verbose_eval=False,
        )
        rounds = int(booster.best_iteration) + 1 if watched else max_rounds
        kept = booster[:rounds]
        kept.set_param({"device": "cpu"})
        return XGBoostTrees(booster=kept, rounds=rounds)

    def _options(self, rows: int, start: LinearStart) -> Mapping[str, Any]:
        chosen = self.params
        options = {
            "objective": "reg:squarederror",
            "base_score": 0.0,
            "tree_method": "hist",
            "device": resolve_device(chosen.device),
            "nthread": chosen.threads,
            "seed": self.seed,
            "learning_rate": chosen.learning_rate,
            "max_depth": chosen.max_depth,
            "max_bin": chosen.max_bin,
            "min_child_weight": chosen.min_leaf_share * rows,
            "subsample": chosen.subsample,
            "colsample_bytree": chosen.colsample,
            "reg_lambda": chosen.reg_lambda,
        }
        if start.weights is not None:
            options["monotone_constraints"] = tuple(np.sign(start.weights).astype(int).tolist())
        return options

    def _dmatrix(
        self, rows: Rows, start: LinearStart, *, reference: xgboost.DMatrix | None = None
    ) -> xgboost.DMatrix:
        return xgboost.QuantileDMatrix(
            start.visible(rows.matrix),
            label=rows.target,
            base_margin=start.margin(rows.matrix),
            feature_names=[self.feature_names[column] for column in start.columns],
            feature_weights=None if start.weights is None else np.abs(start.weights),
            max_bin=self.params.max_bin,
            nthread=self.params.threads,
            ref=reference,
        )


class XGBoostForecaster:
    """Histogram trees with squared error, started from a linear score.

    A weak signal drowns in what trees can fit by chance, so most of the ordering is left to the
    strongly shrunken linear part of `models.payoffs`. The trees, shallow, slow, column-sampled and
    by default bound to the direction in which a feature has paid, add what the validation rows confirm:
    their work is taken with the weight of `models.payoffs.weigh_addition`, and where that is 0 the
    forecast is the linear part alone. All but the trees is `models.boosting`'s.

    Parameters
    ----------
    params : XGBoostParams
    feature_names : tuple of str
        Feature columns; nulls are XGBoost's missing values.
    seed : int
        Seed of row and column sampling. Equal frames, seed, device and library give equal bits.

    Notes
    -----
    Chen and Guestrin, *XGBoost: A Scalable Tree Boosting System* (KDD 2016), with the linear score
    as ``base_margin``. Each row is scored by itself, so a live answer equals the batch's.
    """

    family = "xgboost"
    history_sessions = 1
    caveats: tuple[str, ...] = ()

    def __init__(self, params: XGBoostParams, feature_names: tuple[str, ...], *, seed: int) -> None:
        self.params = params
        self.feature_names = check_feature_names(feature_names)
        self.seed = seed
        self._boosted: BoostedScore | None = None
        self._importance: dict[str, float] = {}

    @property
    def boosted(self) -> BoostedScore:
        """What the last fit has left: the linear score, the trees, and the share of them that is taken."""
        return check_fitted(self._boosted)

    @classmethod
    def from_params(
        cls, params: ModelsParams, feature_names: tuple[str, ...], *, seed: int, workspace: Path | None = None
    ) -> Self:
        """Build from the settings' section; fits are short, so `workspace` is not used."""
        del workspace
        return cls(params.of(cls.family), feature_names, seed=seed)

    def fit(self, train: pl.DataFrame, validation: pl.DataFrame) -> Self:
        """Fit on `train`, choose the rounds on `validation`, then refit on both if so configured.

        Parameters
        ----------
        train, validation : polars.DataFrame
            Purged parts of one training window; rows without a target are left out.

        Raises
        ------
        ValueError
            If a part lacks columns, repeats a key or holds no target, or no GPU answers for ``cuda``.
        """
        resolve_device(self.params.device)
        fitted = labelled_rows(train, self.feature_names, part="fit")
        later = labelled_rows(validation, self.feature_names, part="validation")
        booster = XGBoostBooster(params=self.params, feature_names=self.feature_names, seed=self.seed)
        self._boosted = fit_boosted_score(booster, fitted, later, self.params)
        seen = stack_rows(fitted, later) if self.params.refit else fitted
        shares = self._boosted.importance(seen.matrix)
        self._importance = dict(zip(self.feature_names, shares.tolist(), strict=True))
        return self

    def predict(self, frame: pl.DataFrame, *, first_session: date | None = None) -> pl.DataFrame:
        """Forecast each row from `first_session` on; see `Forecaster.predict`."""
        check_columns(frame, [*KEY, *self.feature_names])
        rows = rows_to_forecast(frame, first_session)
        return forecast_frame(rows, self.boosted.score(feature_matrix(rows, self.feature_names)))

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the mean absolute contribution (linear part and TreeSHAP)."""
        return dict(self._importance)

    def save(self, folder: Path) -> None:
        """Write ``forecaster.json`` and, when there are trees, ``booster.ubj``."""
        boosted = self.boosted
        linear, trees = boosted.start.linear, boosted.trees
        content = {
            "params": asdict(self.params),
            "feature_names": list(self.feature_names),
            "seed": self.seed,
            "rounds": boosted.rounds,
            "tree_weight": boosted.tree_weight,
            "tree_columns": boosted.start.columns.tolist(),
            "linear": linear.as_record() if linear else None,
            "importance": self._importance,
        }
        write_record(folder, self.family, content)
        if isinstance(trees, XGBoostTrees):
            trees.booster.save_model(folder / BOOSTER_FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        record = read_record(folder)
        made = cls(XGBoostParams(**record["params"]), tuple(record["feature_names"]), seed=record["seed"])
        rounds, weight, trees = record["rounds"], record["tree_weight"], None
        if weight:
            options = {"nthread": made.params.threads}
            booster = xgboost.Booster(options, model_file=folder / BOOSTER_FILE)
            trees = XGBoostTrees(booster=booster, rounds=rounds)
        linear = LinearScorer.from_record(record["linear"]) if record["linear"] else None
        start = LinearStart(linear=linear, columns=np.array(record["tree_columns"], dtype=np.int64))
        made._boosted = BoostedScore(start=start, trees=trees, rounds=rounds, tree_weight=weight)
        made._importance = record["importance"]
        return made
