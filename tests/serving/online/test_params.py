"""Settings of the feature store that cannot work are refused."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from serving.online.params import FeatureStoreParams


def test_redis_needs_a_connection() -> None:
    with pytest.raises(ValueError, match="connection is empty but online=redis needs one"):
        FeatureStoreParams(online="redis", connection=SecretStr(""))


def test_the_connection_does_not_show() -> None:
    params = FeatureStoreParams(online="redis", connection=SecretStr("host:6379,password=hush"))
    assert "hush" not in repr(params)
