"""Ranges of the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipelines.registry.installation_params import InstallParams
from tests.serving.parts import PARAMS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_symbols": 0}, "max_symbols=0 must be at least 1"),
        ({"max_body_bytes": 0}, "max_body_bytes=0 must be at least 1"),
        ({"max_staleness_sessions": -1}, "max_staleness_sessions=-1 must not be negative"),
        ({"max_lag_sessions": -1}, "max_lag_sessions=-1 must not be negative"),
        ({"min_universe_share": 1.5}, r"min_universe_share=1.5 must lie in 0..1"),
        ({"poll_seconds": 0.0}, r"poll_seconds=0.0 must lie in 0..60"),
    ],
)
def test_values_out_of_range_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PARAMS, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parity_symbols": 0}, "parity_symbols=0 must be at least 1"),
        ({"parity_tolerance": 0.1}, r"parity_tolerance=0.1 must lie in 0..0.001"),
        ({"acknowledge_seconds": 0.0}, r"acknowledge_seconds=0.0 must lie in 0..3600"),
    ],
)
def test_neither_parity_nor_acknowledgement_is_waived(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(InstallParams(parity_symbols=100, parity_tolerance=1e-6, acknowledge_seconds=1.0), **change)
