"""The catalog: the features of each view, in the order of their columns."""

from __future__ import annotations

from features import (
    alpha158,
    cross_section,
    liquidity,
    market,
    momentum,
    oscillator,
    reversal,
    session_calendar,
    tails,
    text,
    trend,
    volatility,
    volume,
)
from features.feature import Feature

_FAMILIES = (
    momentum,
    reversal,
    volatility,
    tails,
    volume,
    liquidity,
    trend,
    oscillator,
    market,
    session_calendar,
)
_OWN = tuple(feature for family in _FAMILIES for feature in family.FEATURES)

BAR_FEATURES: tuple[Feature, ...] = (*_OWN, *cross_section.derive_features(_OWN))
"""Computed from bars."""

ALPHA158_FEATURES: tuple[Feature, ...] = alpha158.FEATURES
"""Qlib's factors, computed from bars."""

TEXT_FEATURES: tuple[Feature, ...] = text.FEATURES
"""Computed from scored texts."""
