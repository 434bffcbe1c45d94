"""The sequence family: a small Temporal Fusion Transformer over each symbol's own past."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file, save_file

from models.device import resolve_device
from models.forecast_frames import (
    KEY,
    check_columns,
    check_feature_names,
    check_fit_frames,
    check_fitted,
    check_known,
    check_unique,
    feature_matrix,
    forecast_frame,
    rows_to_forecast,
)
from models.forecaster_record import read_record, write_record
from models.identity import digest_frame, make_model_key
from models.linear import RobustScaler
from models.network_training import fit_network, torch_scope
from models.params import ModelsParams
from models.payoffs import compute_payoffs, weigh_payoffs
from models.sequence_windows import Panel, build_panel, choose_features
from models.tft_network import QUANTILES, Network
from models.tft_params import TFTParams
from models.window_batches import Examples, WindowsDataModule

WEIGHTS_FILE = "network.safetensors"
PREDICT_ROWS = 2048
IMPORTANCE_ROWS = 2048
NAMES = ("q10", "q50", "q90")


class TFTForecaster:
    """Quantiles of the target from the last `history_sessions` sessions of a symbol's features.

    `value` is the median. Quantiles that cross are sorted (Chernozhukov, Fernández-Val and Galichon
    2010). Sessions of history that a frame lacks count as unknown, each feature at its middle.

    Parameters
    ----------
    params : TFTParams
    feature_names : tuple of str
        Columns a frame must hold; ``params.features`` or the fit's own choice says which are used.
    seed : int
        Of initial weights, batches and dropout. On one CPU equal frames, seed, threads and libraries give
        equal bits; a GPU's kernels do not promise that.
    payoff_lag : int
        Sessions over which payoffs are correlated, where the fit chooses features itself.
    workspace : Path, optional
        Folder of the checkpoints from which an interrupted fit resumes.
    """

    family = "tft"

    def __init__(
        self,
        params: TFTParams,
        feature_names: tuple[str, ...],
        *,
        seed: int,
        payoff_lag: int = 5,
        workspace: Path | None = None,
    ) -> None:
        self.params = params
        self.feature_names = check_feature_names(feature_names)
        check_known(params.features, self.feature_names, setting="models.tft.features")
        self.history_sessions = params.history_sessions
        self.seed, self.payoff_lag, self.workspace = seed, payoff_lag, workspace
        self.used: tuple[str, ...] = params.features
        self.outcome: dict[str, Any] = {}
        self._scaler: RobustScaler | None = None
        self._network: Network | None = None
        self._importance: dict[str, float] = {}

    @classmethod
    def from_params(
        cls, params: ModelsParams, feature_names: tuple[str, ...], *, seed: int, workspace: Path | None = None
    ) -> Self:
        """Build from the settings' section."""
        lag = params.split.horizon_sessions
        return cls(params.of(cls.family), feature_names, seed=seed, payoff_lag=lag, workspace=workspace)

    def fit(self, train: pl.DataFrame, validation: pl.DataFrame) -> Self:
        """Fit on `train`, stop and choose the epoch on `validation`.

        Windows of validation rows reach back into `train`: features only, never its targets. Rows without
        a target serve as history.

        Raises
        ------
        ValueError
            If a part lacks columns, repeats a key or holds no target.
        """
        check_fit_frames(self.feature_names, fit=train, validation=validation)
        columns = [*KEY, "target", *self.feature_names]
        fitted = train.select(columns).sort("session", "symbol")
        later = validation.select(columns).sort("session", "symbol")
        self.used = self.params.features or self._choose(fitted)
        self._scaler = RobustScaler.fit(feature_matrix(fitted, self.used))
        both = pl.concat([fitted, later])
        panel, places = build_panel(both, self.used, self._scaler, history=self.history_sessions)
        cut = fitted.height
        target = both["target"].to_numpy()
        fit_on = Examples.of(panel, places[:cut], target[:cut])
        stop_on = Examples.of(panel, places[cut:], target[cut:])
        self._network = self._build()
        outcome = fit_network(
            self._network,
            WindowsDataModule(fit_on, stop_on, self.params, self.seed),
            self.params,
            seed=self.seed,
            workspace=self.workspace,
            identity=self._identify(both, cut),
        )
        self.outcome = asdict(outcome)
        self._importance = self._measure_importance(stop_on)
        return self

    def predict(self, frame: pl.DataFrame, *, first_session: date | None = None) -> pl.DataFrame:
        """Forecast each row from `first_session` on, with the rows before it as history."""
        check_columns(frame, [*KEY, *self.feature_names])
        check_unique(frame)
        network, scaler = check_fitted(self._network), check_fitted(self._scaler)
        ordered = frame.sort("session", "symbol")
        rows = rows_to_forecast(ordered, first_session)
        panel, places = build_panel(ordered, self.used, scaler, history=self.history_sessions)
        wanted = places[ordered.height - rows.height :]
        quantiles = np.sort(self._run(network, panel, wanted), axis=1)
        answer = forecast_frame(rows, quantiles[:, QUANTILES.index(0.5)])
        return answer.with_columns(pl.Series(name, quantiles[:, k]) for k, name in enumerate(NAMES))

    @property
    def caveats(self) -> tuple[str, ...]:
        """Tell whether the time limit ended the fit."""
        if not self.outcome.get("cut_short"):
            return ()
        limit, epochs = self.params.max_minutes, self.outcome["epochs"]
        return (f"max_minutes={limit:g} ended the fit after {epochs} epochs; it cannot be reproduced",)

    def importance(self) -> dict[str, float]:
        """Return each feature's mean weight in the variable selection, encoder and decoder alike."""
        return dict(self._importance)

    def save(self, folder: Path) -> None:
        """Write ``forecaster.json`` and ``network.safetensors``."""
        network, scaler = check_fitted(self._network), check_fitted(self._scaler)
        content = {
            "params": asdict(self.params),
            "feature_names": list(self.feature_names),
            "used": list(self.used),
            "seed": self.seed,
            "payoff_lag": self.payoff_lag,
            "scaler": scaler.as_record(),
            "quantiles": list(QUANTILES),
            "importance": self._importance,
            "outcome": self.outcome,
        }
        write_record(folder, self.family, content)
        # A tensor shared by two modules is copied, as safetensors wants.
        weights = {name: value.detach().clone() for name, value in network.tft.state_dict().items()}
        save_file({name: value.contiguous() for name, value in weights.items()}, folder / WEIGHTS_FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; JSON and safetensors, so nothing in it is run."""
        record = read_record(folder)
        params = TFTParams(**{**record["params"], "features": tuple(record["params"]["features"])})
        made = cls(
            params, tuple(record["feature_names"]), seed=record["seed"], payoff_lag=record["payoff_lag"]
        )
        made.used = tuple(record["used"])
        made.outcome, made._importance = record["outcome"], record["importance"]
        made._scaler = RobustScaler.from_record(record["scaler"])
        made._network = made._build()
        made._network.tft.load_state_dict(load_file(folder / WEIGHTS_FILE))
        return made

    def _choose(self, fitted: pl.DataFrame) -> tuple[str, ...]:
        rows = fitted.filter(pl.col("target").is_not_null())
        matrix = feature_matrix(rows, self.feature_names)
        scaler = RobustScaler.fit(matrix)
        sessions = rows["session"].cast(pl.Int32).to_numpy()
        payoffs = compute_payoffs(matrix, rows["target"].to_numpy(), sessions, scaler)
        steadiness = np.abs(weigh_payoffs(payoffs, lag=self.payoff_lag))
        count = min(self.params.max_features, len(self.feature_names))
        return choose_features(scaler.transform(matrix), steadiness, self.feature_names, count=count)

    def _identify(self, both: pl.DataFrame, cut: int) -> str:
        """Digest of all that decides the fit; the time limit only decides how much of it is done."""
        settings = asdict(replace(self.params, max_minutes=1.0))
        frame = digest_frame(both, [*KEY, "target", *self.used])
        return make_model_key(
            {"frame": frame, "cut": cut, "params": settings, "seed": self.seed, "used": self.used}
        )

    def _build(self) -> Network:
        with torch_scope(self.params.threads, self.seed):
            network = Network(len(self.used), self.params)
        network.eval()
        return network

    def _run(self, network: Network, panel: Panel, places: np.ndarray) -> np.ndarray:
        """Quantiles of the windows that end at `places`, float64, shape (rows, 3)."""
        device = resolve_device(self.params.device)
        network.to(device)
        parts = [np.zeros((0, len(QUANTILES)))]
        with torch.inference_mode(), torch_scope(self.params.threads, self.seed):
            for start in range(0, len(places), PREDICT_ROWS):
                windows = torch.from_numpy(panel.windows(places[start : start + PREDICT_ROWS])).to(device)
                parts.append(network(windows)["prediction"][:, 0].double().cpu().numpy())
        network.to("cpu")
        return np.concatenate(parts)

    def _measure_importance(self, examples: Examples) -> dict[str, float]:
        step = max(1, len(examples.places) // IMPORTANCE_ROWS)
        windows = torch.from_numpy(examples.panel.windows(examples.places[::step]))
        with torch.inference_mode(), torch_scope(self.params.threads, self.seed):
            output = check_fitted(self._network)(windows)
        weights = sum(
            output[side].double().flatten(0, -2).mean(dim=0)
            for side in ("encoder_variables", "decoder_variables")
        )
        share = (weights / weights.sum()).tolist()
        return dict.fromkeys(self.feature_names, 0.0) | dict(zip(self.used, share, strict=True))
