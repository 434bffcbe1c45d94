"""Settings of the feature store that cannot work are refused."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from serving.online.params import FeatureStoreParams


@pytest.mark.parametrize("days", [0, 3, 31])
def test_ttl_must_reach_over_a_closure_and_no_further(days: int) -> None:
    with pytest.raises(ValueError, match=f"ttl_days={days} must lie in 4..30"):
        FeatureStoreParams(ttl_days=days, online="sqlite", connection=SecretStr(""))


def test_redis_needs_a_connection() -> None:
    with pytest.raises(ValueError, match="connection is empty but online=redis needs one"):
        FeatureStoreParams(ttl_days=5, online="redis", connection=SecretStr(""))


def test_the_connection_does_not_show() -> None:
    params = FeatureStoreParams(ttl_days=5, online="redis", connection=SecretStr("host:6379,password=hush"))
    assert "hush" not in repr(params)
