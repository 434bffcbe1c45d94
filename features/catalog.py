"""The catalog: every feature, in the order of its columns."""

from __future__ import annotations

import hashlib

from features import (
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
from features.feature import MAX_LOOKBACK_SESSIONS, Feature
from features.source_digest import digest_sources

__all__ = [
    "FEATURES",
    "MAX_LOOKBACK_SESSIONS",
    "Feature",
    "catalog_digest",
    "daily_features",
    "find_feature",
    "max_lookback",
    "text_features",
]

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
_DAILY = (*_OWN, *cross_section.derive_features(_OWN))

FEATURES: tuple[Feature, ...] = (*_DAILY, *text.FEATURES)
"""All features; a name is unique."""


def daily_features() -> tuple[Feature, ...]:
    """Return the features computed from bars, in the order of their columns."""
    return _DAILY


def text_features() -> tuple[Feature, ...]:
    """Return the features computed from scored texts, in the order of their columns."""
    return text.FEATURES


def find_feature(name: str) -> Feature:
    """Return the feature called `name`.

    Raises
    ------
    KeyError
        If the catalog has none of that name.
    """
    for feature in FEATURES:
        if feature.name == name:
            return feature
    msg = f"no feature is called {name!r}; docs/features.md lists all {len(FEATURES)}"
    raise KeyError(msg)


def max_lookback() -> int:
    """Return the sessions that a block must reach back from its first wanted session, that one included."""
    return max(feature.lookback_sessions for feature in FEATURES)


def catalog_digest() -> str:
    """Return a digest of what the features are: their entries and the code that computes them.

    Returns
    -------
    str
        16 hexadecimal digits. Comments and docstrings do not enter; any other change of the package does.
    """
    entries = "\n".join(
        f"{feature.name}|{feature.unit}|{feature.lookback_sessions}|{feature.alignment}|{feature.level}"
        for feature in FEATURES
    )
    return hashlib.sha256(f"{entries}\n{digest_sources()}".encode()).hexdigest()[:16]
