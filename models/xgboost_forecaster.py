"""The daily default: boosted trees on the residual of a strongly shrunken linear score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import xgboost

from models.device import resolve_device
from models.forecaster_record import read_record, write_record
from models.frames import (
    KEY,
    check_columns,
    check_feature_names,
    check_fit_frame,
    feature_matrix,
    forecast_frame,
    rows_to_forecast,
)
from models.linear import LinearScorer
from models.params import ModelsParams
from models.payoffs import fit_payoff_scorer, weigh_addition
from models.xgboost_params import XGBoostParams

BOOSTER_FILE = "booster.ubj"
IMPORTANCE_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows to fit on, by session: features (float32, NaN unknown), target and session number."""

    matrix: np.ndarray
    target: np.ndarray
    sessions: np.ndarray


class XGBoostForecaster:
    """Histogram trees with squared error, started from a linear score.

    A weak signal drowns in what trees can fit by chance, so most of the ordering is left to the
    strongly shrunken linear part of `models.payoffs`. The trees, shallow, slow, column-sampled and
    by default bound to the direction in which a feature has paid, add what the validation rows confirm:
    their work is taken with the weight of `models.payoffs.weigh_addition`, and where that is 0 the
    forecast is the linear part alone.

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
        self.rounds, self.tree_weight = 0, 0.0
        self._linear: LinearScorer | None = None
        self._columns = np.arange(len(feature_names))
        self._booster: xgboost.Booster | None = None
        self._importance: dict[str, float] = {}

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
        fitted, held = self._prepare(train, "fit"), self._prepare(validation, "validation")
        self._boost(fitted, self.params.max_rounds, held)
        self.tree_weight = self._weigh_trees(held)
        if self.params.refit:
            fitted = _stack(fitted, held)
            self._boost(fitted, self.rounds if self.tree_weight else 0, None)
        if not self.tree_weight:
            self._booster = None
        self._importance = self._measure_importance(fitted.matrix)
        return self

    def predict(self, frame: pl.DataFrame, *, first_session: date | None = None) -> pl.DataFrame:
        """Forecast each row from `first_session` on; see `Forecaster.predict`."""
        check_columns(frame, [*KEY, *self.feature_names])
        rows = rows_to_forecast(frame, first_session)
        return forecast_frame(rows, self._score(feature_matrix(rows, self.feature_names)))

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the mean absolute contribution (linear part and TreeSHAP)."""
        return dict(self._importance)

    def save(self, folder: Path) -> None:
        """Write ``forecaster.json`` and, when there are trees, ``booster.ubj``."""
        content = {
            "params": asdict(self.params),
            "feature_names": list(self.feature_names),
            "seed": self.seed,
            "rounds": self.rounds,
            "tree_weight": self.tree_weight,
            "tree_columns": self._columns.tolist(),
            "linear": self._linear.as_record() if self._linear else None,
            "importance": self._importance,
        }
        write_record(folder, self.family, content)
        if self._booster is not None:
            self._booster.save_model(folder / BOOSTER_FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        record = read_record(folder)
        made = cls(XGBoostParams(**record["params"]), tuple(record["feature_names"]), seed=record["seed"])
        made.rounds, made.tree_weight = record["rounds"], record["tree_weight"]
        made._linear = LinearScorer.from_record(record["linear"]) if record["linear"] else None
        made._columns = np.array(record["tree_columns"], dtype=np.int64)
        made._importance = record["importance"]
        if made.tree_weight:
            made._booster = xgboost.Booster(
                {"nthread": made.params.threads}, model_file=folder / BOOSTER_FILE
            )
        return made

    def _prepare(self, frame: pl.DataFrame, part: str) -> Rows:
        check_fit_frame(frame, self.feature_names, part=part)
        rows = frame.filter(pl.col("target").is_not_null()).sort("session", "symbol")
        return Rows(
            matrix=feature_matrix(rows, self.feature_names),
            target=rows["target"].to_numpy(),
            sessions=rows["session"].cast(pl.Int32).to_numpy(),
        )

    def _boost(self, fitted: Rows, rounds: int, held: Rows | None) -> None:
        """Fit the linear part, then up to `rounds` trees on top of it, as many as `held` bears out."""
        lag = self.params.payoff_lag_sessions
        scorer = fit_payoff_scorer(fitted.matrix, fitted.target, fitted.sessions, lag=lag)
        self._linear = scorer if self.params.linear_part else None
        steady = self.params.tree_inputs == "steady"
        self._columns = np.flatnonzero(scorer.coefficients) if steady else np.arange(len(self.feature_names))
        self._booster = None
        if not rounds or not len(self._columns):
            return
        weights = scorer.coefficients[self._columns] if steady else None
        train = self._dmatrix(fitted, weights)
        watched = [] if held is None else [(self._dmatrix(held, weights, reference=train), "validation")]
        booster = xgboost.train(
            self._options(len(fitted.target), weights),
            train,
            num_boost_round=rounds,
            evals=watched,
            early_stopping_rounds=self.params.early_stopping_rounds if watched else None,
            verbose_eval=False,
        )
        self.rounds = int(booster.best_iteration) + 1 if watched else rounds
        self._booster = booster[: self.rounds]
        self._booster.set_param({"device": "cpu"})

    def _weigh_trees(self, held: Rows) -> float:
        """Share of the trees' work that the validation rows confirm; all of it without a linear part."""
        if self._booster is None or self._linear is None:
            return 0.0 if self._booster is None else 1.0
        margin = _margin(held.matrix, self._linear)
        addition = self._add_trees(held.matrix, margin) - margin
        return weigh_addition(
            addition,
            held.target - margin,
            held.sessions,
            lag=self.params.payoff_lag_sessions,
            doubt=self.params.tree_doubt,
        )

    def _add_trees(self, matrix: np.ndarray, margin: np.ndarray) -> np.ndarray:
        """Linear score plus all of the trees' work, float64."""
        if self._booster is None or not len(matrix):
            return margin
        seen = np.ascontiguousarray(matrix[:, self._columns])
        raw = self._booster.inplace_predict(seen, base_margin=margin, missing=np.nan)
        scores: np.ndarray = raw.astype(np.float64)
        return scores

    def _options(self, rows: int, weights: np.ndarray | None) -> Mapping[str, Any]:
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
        if weights is not None:
            options["monotone_constraints"] = tuple(np.sign(weights).astype(int).tolist())
        return options

    def _dmatrix(
        self, rows: Rows, weights: np.ndarray | None, *, reference: xgboost.DMatrix | None = None
    ) -> xgboost.DMatrix:
        return xgboost.QuantileDMatrix(
            np.ascontiguousarray(rows.matrix[:, self._columns]),
            label=rows.target,
            base_margin=_margin(rows.matrix, self._linear),
            feature_names=[self.feature_names[column] for column in self._columns],
            feature_weights=None if weights is None else np.abs(weights),
            max_bin=self.params.max_bin,
            nthread=self.params.threads,
            ref=reference,
        )

    def _score(self, matrix: np.ndarray) -> np.ndarray:
        if self._linear is None and self._booster is None and not self._importance:
            msg = "this forecaster is not fitted; call fit or load one"
            raise ValueError(msg)
        margin = _margin(matrix, self._linear)
        scores: np.ndarray = margin + self.tree_weight * (self._add_trees(matrix, margin) - margin)
        return scores

    def _measure_importance(self, matrix: np.ndarray) -> dict[str, float]:
        sample = matrix[:: max(1, len(matrix) // IMPORTANCE_ROWS)]
        total = np.zeros(len(self.feature_names))
        if self._linear is not None:
            total += self._linear.contributions(sample)
        if self._booster is not None:
            names = [self.feature_names[column] for column in self._columns]
            seen = xgboost.DMatrix(np.ascontiguousarray(sample[:, self._columns]), feature_names=names)
            contributions = self._booster.predict(seen, pred_contribs=True)[:, :-1]
            total[self._columns] += self.tree_weight * np.abs(contributions).mean(axis=0)
        share = total / total.sum() if total.sum() > 0 else total
        return dict(zip(self.feature_names, share.tolist(), strict=True))


def _margin(matrix: np.ndarray, linear: LinearScorer | None) -> np.ndarray:
    """Linear score of each row, 0 without a linear part, rounded to float32 as XGBoost keeps it."""
    scores = np.zeros(len(matrix)) if linear is None else linear.score(matrix)
    return scores.astype(np.float32).astype(np.float64)


def _stack(first: Rows, second: Rows) -> Rows:
    return Rows(
        matrix=np.concatenate([first.matrix, second.matrix]),
        target=np.concatenate([first.target, second.target]),
        sessions=np.concatenate([first.sessions, second.sessions]),
    )
