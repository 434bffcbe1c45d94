"""A real market's old forecasts are refused unless somebody has said otherwise."""

from __future__ import annotations

import pytest

from pipelines.app.settings import load_settings
from pipelines.stack.served_params import served_params

FILES = ("feeds.bars=files", "sources.files.bars=bars.csv")


@pytest.mark.parametrize(
    ("overrides", "allowed"),
    [
        ((), None),
        ((*FILES,), 0),
        ((*FILES, "serving.max_lag_sessions=3"), 3),
        (("serving.max_lag_sessions=2",), 2),
    ],
)
def test_how_old_a_publication_may_be(overrides: tuple[str, ...], allowed: int | None) -> None:
    settings, _ = load_settings(overrides=overrides)
    assert served_params(settings).max_lag_sessions == allowed
