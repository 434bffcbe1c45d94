"""Parameters of splits, baselines and selection, and the section of the settings that nests them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from functools import cache
from typing import Any, cast

from models.families import FAMILIES, find_family, trainable_families
from models.family_params import NO_LIMIT, FamilyParams, check_ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitParams:
    """How a labelled history is cut into fit, validation, test and hold-out sessions.

    All lengths count sessions that the training frame holds.

    Attributes
    ----------
    horizon_sessions : int
        Sessions over which a label's return runs; the trade is done one session after the signal.
        Assumes that a position can be opened at the close of that next session.
    embargo_sessions : int
        Further sessions left out between a part and the part that judges it, beyond the purge by
        `label_end`. Larger assumes that information leaks longer through autocorrelation.
    n_folds : int
        Test blocks of the walk-forward, one directly after another, the last one ending just before
        the purged and embargoed hold-out.
    test_sessions, validation_sessions : int
        Length of one test block, and of the last part of a training window on which early stopping
        is decided.
    min_train_sessions : int
        Fewest sessions a fold may fit on (validation not counted).
    max_train_sessions : int
        Length of a rolling window of fit and validation; 0 lets the window expand.
    holdout_sessions : int
        Last labelled sessions, which enter no fit and no choice.
    min_holdout_sessions : int
        Fewest held-out sessions on which champion and challenger may be compared.
    """

    horizon_sessions: int
    embargo_sessions: int
    n_folds: int
    test_sessions: int
    validation_sessions: int
    min_train_sessions: int
    max_train_sessions: int = 0
    holdout_sessions: int
    min_holdout_sessions: int

    def __post_init__(self) -> None:
        check_ranges(
            self,
            horizon_sessions=(1, NO_LIMIT),
            n_folds=(1, NO_LIMIT),
            test_sessions=(1, NO_LIMIT),
            validation_sessions=(1, NO_LIMIT),
            min_train_sessions=(1, NO_LIMIT),
            holdout_sessions=(1, NO_LIMIT),
            min_holdout_sessions=(1, NO_LIMIT),
            embargo_sessions=(0, NO_LIMIT),
            max_train_sessions=(0, NO_LIMIT),
        )
        if self.min_holdout_sessions > self.holdout_sessions:
            msg = (
                f"min_holdout_sessions={self.min_holdout_sessions} must not exceed "
                f"holdout_sessions={self.holdout_sessions}"
            )
            raise ValueError(msg)
        shortest = self.min_train_sessions + self.validation_sessions + self.gap_sessions
        if 0 < self.max_train_sessions < shortest:
            msg = (
                f"max_train_sessions={self.max_train_sessions} must be 0 (expanding) or at least {shortest}: "
                "min_train_sessions + validation_sessions + the purged gap between them"
            )
            raise ValueError(msg)

    @property
    def gap_sessions(self) -> int:
        """Sessions lost at each boundary: the label's run and the embargo."""
        return self.horizon_sessions + self.embargo_sessions

    @property
    def required_sessions(self) -> int:
        """Labelled sessions that a history must hold for every fold and the hold-out."""
        train = self.min_train_sessions + self.gap_sessions + self.validation_sessions + self.gap_sessions
        return train + self.n_folds * self.test_sessions + self.gap_sessions + self.holdout_sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineParams:
    """The forecasts that stand beside every result.

    Attributes
    ----------
    reversal_feature : str
        Feature whose negative is the reversal forecast, of any view.
    momentum_feature : str
        Feature that is the 12-1 momentum forecast, of any view.
    ridge_shrinkage : float
        Penalty in units of the fitted rows; see `models.linear.fit_ridge`.
    """

    reversal_feature: str
    momentum_feature: str
    ridge_shrinkage: float = 1.0

    def __post_init__(self) -> None:
        check_ranges(self, ridge_shrinkage=(1e-9, NO_LIMIT))

    def read_beside(self, features: Sequence[str]) -> tuple[str, ...]:
        """Return what a training frame holds: a model's features, then those that only baselines read."""
        return tuple(dict.fromkeys([*features, self.reversal_feature, self.momentum_feature]))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionParams:
    """When a challenger takes over.

    Attributes
    ----------
    margin_rank_ic : float
        Least lead in mean rank IC over the champion and over each baseline on the same held-out rows.
        A larger margin assumes that a switch costs more (turnover, review) than it brings.
    min_paired_t : float
        Least Newey–West t of the paired difference against the champion.
    require_baselines : bool
        Whether the baselines must be beaten as well when a champion exists.
    """

    margin_rank_ic: float
    min_paired_t: float = 0.0
    require_baselines: bool = True

    def __post_init__(self) -> None:
        check_ranges(self, margin_rank_ic=(0.0, 1.0), min_paired_t=(-10.0, 10.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsParams:
    """Everything the models room takes from the settings (section ``models``), the families' own aside.

    What a family adds comes from its entry in `models.families`: see `models_params_type`.

    Attributes
    ----------
    family : str
        What ``train`` fits; one of `models.families.trainable_families`.
    feature_set : str
        Name in ``features.sets`` of the features that ``train`` reads.
    seed : int
        Of every random choice of a fit.
    """

    family: str
    feature_set: str
    seed: int
    split: SplitParams
    baselines: BaselineParams
    promotion: PromotionParams

    def __post_init__(self) -> None:
        check_ranges(self, seed=(0, 2**31 - 1))
        if self.family not in trainable_families():
            allowed = ", ".join(trainable_families())
            msg = f"family={self.family!r} is none that `train` fits; choose one of {allowed}"
            raise ValueError(msg)
        for name in [entry.name for entry in FAMILIES.values() if entry.params]:
            try:
                self.of(name).check_horizon(self.split.horizon_sessions)
            except ValueError as error:
                msg = f"{name}.{error}"
                raise ValueError(msg) from error

    def of(self, family: str) -> Any:
        """Return a family's own parameters, of the type that its entry names; None where it has none.

        Raises
        ------
        ValueError
            If the family is unknown.
        """
        return getattr(self, family) if find_family(family).params else None


def models_params_type() -> type[ModelsParams]:
    """Return `ModelsParams` with one more field for each registered family that has parameters.

    The field is named like the family, so ``models.<family>.<key>`` is typed, checked, printed and
    explained like every other setting, and a family that is registered brings its settings along.
    """
    return _add_families(tuple((one.name, one.params) for one in FAMILIES.values() if one.params))


@cache
def _add_families(own: tuple[tuple[str, type[FamilyParams]], ...]) -> type[ModelsParams]:
    added = [(name, kind, field(default_factory=kind)) for name, kind in own]
    made = make_dataclass("ModelsParams", added, bases=(ModelsParams,), frozen=True, slots=True, kw_only=True)
    return cast("type[ModelsParams]", made)
