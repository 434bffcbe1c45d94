"""Checks and conversions of the frames that forecasters take and give."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches
from typing import TypeVar

import numpy as np
import polars as pl

KEY = ("symbol", "session")
OUTCOMES = ("label", "target", "label_end")
INSTANTS = ("cutoff_at", "decision_at")
State = TypeVar("State")


def check_feature_names(names: Sequence[str]) -> tuple[str, ...]:
    """Refuse an empty, repeated or outcome-holding list of feature names.

    Raises
    ------
    ValueError
        Naming the offending columns.
    """
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    forbidden = sorted(set(names) & {*OUTCOMES, *KEY, *INSTANTS})
    if not names or repeated or forbidden:
        msg = (
            f"feature_names must be distinct feature columns; got {len(names)} names, repeated {repeated}, "
            f"keys or outcomes {forbidden}: an outcome among the features is a leak"
        )
        raise ValueError(msg)
    return tuple(names)


def check_known(chosen: Sequence[str], offered: Sequence[str], *, setting: str) -> None:
    """Refuse names in `chosen` that are not `offered`, with near matches.

    Raises
    ------
    ValueError
        Naming the setting, the unknown names and the nearest offered ones.
    """
    unknown = [name for name in chosen if name not in offered]
    if unknown:
        near = {name: get_close_matches(name, offered, n=3) for name in unknown}
        msg = (
            f"{setting} names unknown features {unknown}; near matches: {near}; offered: {len(offered)} names"
        )
        raise ValueError(msg)


def check_columns(frame: pl.DataFrame, required: Sequence[str]) -> None:
    """Refuse a frame that lacks a required column or holds a non-numeric feature.

    Raises
    ------
    ValueError
        Naming the missing columns, their near matches and the next step.
    """
    missing = [name for name in required if name not in frame.columns]
    if missing:
        near = {name: get_close_matches(name, frame.columns, n=2) for name in missing[:5]}
        msg = (
            f"frame lacks {len(missing)} of {len(required)} required columns: {missing[:5]} "
            f"(near matches {near}); "
            "build the frame with the feature service that the model names"
        )
        raise ValueError(msg)
    schema = frame.schema
    texts = [name for name in required if name not in KEY and not schema[name].is_numeric()]
    if texts:
        kinds = [str(schema[name]) for name in texts]
        msg = f"columns {texts} are {kinds}, but features and targets are numbers"
        raise ValueError(msg)


def check_unique(frame: pl.DataFrame) -> None:
    """Refuse a frame with two rows of one (symbol, session).

    Raises
    ------
    ValueError
        With the first repeated key.
    """
    repeated = frame.select(pl.struct(KEY).is_duplicated()).to_series()
    if repeated.any():
        first = frame.filter(repeated).select(KEY).row(0)
        msg = f"{repeated.sum()} rows share a (symbol, session), first {first}; keep one version of each"
        raise ValueError(msg)


def check_fit_frames(names: Sequence[str], **parts: pl.DataFrame) -> None:
    """Refuse parts that cannot be fitted on: columns, uniqueness, at least one row with a target.

    Raises
    ------
    ValueError
        Naming the part and what is wrong with it.
    """
    for part, frame in parts.items():
        check_columns(frame, [*KEY, "target", *names])
        check_unique(frame)
        if frame["target"].null_count() == frame.height:
            msg = f"the {part} part has {frame.height} rows and no target; it needs labelled sessions"
            raise ValueError(msg)


def check_fitted(state: State | None) -> State:
    """Return what a fit has left.

    Raises
    ------
    ValueError
        If nothing was fitted yet.
    """
    if state is None:
        msg = "this forecaster is not fitted; call fit or load one"
        raise ValueError(msg)
    return state


def feature_matrix(frame: pl.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Return the features as float32, shape (rows, features), nulls as NaN.

    Raises
    ------
    ValueError
        If a value is infinite (also after the cast to 32 bits).
    """
    matrix = np.empty((frame.height, len(names)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for column, name in enumerate(names):
            matrix[:, column] = frame[name].cast(pl.Float64).to_numpy()
    if np.isinf(matrix).any():
        bad = [name for column, name in enumerate(names) if np.isinf(matrix[:, column]).any()]
        msg = f"features {bad[:5]} hold infinite values; unknown values are nulls, divide with care"
        raise ValueError(msg)
    return matrix


def rows_to_forecast(frame: pl.DataFrame, first_session: date | None) -> pl.DataFrame:
    """Return the rows from `first_session` on, sorted by session and symbol."""
    kept = frame if first_session is None else frame.filter(pl.col("session") >= first_session)
    return kept.sort("session", "symbol")


def forecast_frame(rows: pl.DataFrame, value: np.ndarray) -> pl.DataFrame:
    """Put a column `value` (Float64) beside the key of `rows`."""
    return rows.select(KEY).with_columns(pl.Series("value", value.astype(np.float64)))
