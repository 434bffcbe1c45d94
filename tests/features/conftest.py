"""One random panel with its features, and the same bars as adjusted pandas frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.panels import compute_daily, random_panel

SYMBOL = "S03"


@pytest.fixture(scope="session")
def panel() -> pl.DataFrame:
    """Six symbols over 300 sessions with gaps, splits and dividends."""
    return random_panel(6, 300, seed=11)


@pytest.fixture(scope="session")
def computed(panel: pl.DataFrame) -> pl.DataFrame:
    """All daily features of the panel."""
    return compute_daily(panel)


@pytest.fixture(scope="session")
def bars(panel: pl.DataFrame) -> pd.DataFrame:
    """One symbol's bars, all in units of the last session, adjusted by pandas."""
    return adjusted(panel, SYMBOL)


@pytest.fixture(scope="session")
def market(panel: pl.DataFrame) -> pd.Series:
    """The mean of the symbols' returns."""
    return returns_of(panel).mean(axis=1)


@pytest.fixture(scope="session")
def returns(panel: pl.DataFrame) -> pd.DataFrame:
    """Total returns of all symbols, one column each."""
    return returns_of(panel)


@pytest.fixture
def check(computed: pl.DataFrame, bars: pd.DataFrame) -> Callable[[str, pd.Series], None]:
    """Compare a feature of the symbol with expected values; null wherever the session has no bar."""
    traded = bars["close"].notna()

    def compare(name: str, expected: pd.Series) -> None:
        mine = computed.filter(pl.col("symbol") == SYMBOL).get_column(name)
        actual = mine.fill_null(np.nan).to_numpy()
        assert np.isfinite(actual[-40:]).sum() > 30, f"{name} is hardly ever known"
        wanted = expected.where(traded).to_numpy(float)
        np.testing.assert_allclose(actual, wanted, rtol=1e-7, atol=1e-11, err_msg=name)

    return compare


def adjusted(panel: pl.DataFrame, symbol: str) -> pd.DataFrame:
    """Scale the bars before each action back to the units of the last session."""
    own = panel.filter(pl.col("symbol") == symbol).drop("symbol").to_pandas().set_index("session")
    factors = own["split"] * (1 + (own["dividend"] / own["close"]).fillna(0.0))
    later = factors[::-1].cumprod()[::-1].shift(-1, fill_value=1.0)
    splits = own["split"][::-1].cumprod()[::-1].shift(-1, fill_value=1.0)
    scaled = own[["open", "high", "low", "close"]].div(later, axis=0)
    return scaled.assign(
        volume=own["volume"] * splits,
        dollars=own["close"] * own["volume"],
        log_return=np.log(scaled["close"]).diff(),
        simple_return=scaled["close"] / scaled["close"].shift() - 1,
    )


def returns_of(panel: pl.DataFrame) -> pd.DataFrame:
    """Return the total returns of every symbol."""
    names = panel.get_column("symbol").unique(maintain_order=True)
    return pd.DataFrame({name: adjusted(panel, name)["simple_return"] for name in names})
