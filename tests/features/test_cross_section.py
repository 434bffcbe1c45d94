"""Ranks and z-scores against scipy, and by hand with ties and missing symbols."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from features.cross_section import RANKED, STANDARDISED
from tests.panels import compute_daily, panel_of


@pytest.mark.parametrize("base", RANKED)
def test_rank_is_scipys_mean_rank_centred(computed, base):
    for _, session in computed.tail(30).group_by("session"):
        whole = computed.filter(pl.col("session") == session.item(0, "session"))
        known = whole.drop_nulls(base)
        expected = (stats.rankdata(known.get_column(base)) - 0.5) / known.height - 0.5
        np.testing.assert_allclose(known.get_column(f"xs_rank_{base}"), expected, atol=1e-12)


@pytest.mark.parametrize("base", STANDARDISED)
def test_zscore_is_scipys(computed, base):
    whole = computed.filter(pl.col("session") == computed.get_column("session").max()).drop_nulls(base)
    np.testing.assert_allclose(whole.get_column(f"xs_z_{base}"), stats.zscore(whole.get_column(base), ddof=1))


def test_ties_share_their_rank_and_the_missing_have_none():
    panel = panel_of({"A": [10, 11.0], "B": [10, 11.0], "C": [10, 10.5], "D": [10, 12.0], "E": [10, None]})
    last = compute_daily(panel).group_by("symbol", maintain_order=True).last()
    # C, then A and B together, then D: (1, 2.5, 2.5, 4) − ½ over 4, less ½
    assert last.get_column("xs_rank_mom_return_1d").to_list() == [0.0, 0.0, -0.375, 0.375, None]


def test_one_symbol_has_no_cross_section():
    features = compute_daily(panel_of({"A": [10.0, 11.0, 12.0]}))
    assert features.get_column("xs_rank_mom_return_1d").is_null().all()
    assert features.get_column("mkt_return_1d").is_null().all()
