"""The market model against statsmodels, and the market itself against pandas."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.features.conftest import SYMBOL


@pytest.fixture(scope="module")
def fitted(returns, market):
    """Ordinary least squares on the last 60 sessions."""
    both = pd.DataFrame({"own": returns[SYMBOL], "market": market}).iloc[-60:].dropna()
    return sm.OLS(both.own, sm.add_constant(both.market)).fit()


def _last(computed, name):
    return computed.filter(symbol=SYMBOL).get_column(name)[-1]


def test_market_model_is_ordinary_least_squares(computed, fitted):
    assert _last(computed, "mkt_beta_60d") == pytest.approx(fitted.params["market"])
    assert _last(computed, "mkt_alpha_60d") == pytest.approx(fitted.params["const"])
    assert _last(computed, "mkt_idio_vol_60d") == pytest.approx(sqrt(252 * fitted.mse_resid))
    assert _last(computed, "mkt_correlation_60d") == pytest.approx(sqrt(fitted.rsquared))


def test_betas_at_every_session(check, returns, market, bars):
    own = returns[SYMBOL]
    both = market.where(own.notna())
    for window in (60, 120):
        covariance = own.rolling(window, min_periods=int(0.8 * window)).cov(both)
        variance = both.rolling(window, min_periods=int(0.8 * window)).var()
        check(f"mkt_beta_{window}d", (covariance / variance))


def test_market_series(check, returns, market, bars):
    log_market = np.log1p(market)
    check("mkt_return_1d", market)
    check("mkt_return_20d", log_market.rolling(20, min_periods=16).sum())
    check("mkt_vol_20d", (log_market.rolling(20, min_periods=16).std() * sqrt(252)))
    check("mkt_dispersion_1d", returns.std(axis=1))
