"""Extremes and shape against pandas."""


def test_extremes(check, bars):
    window = bars.simple_return.rolling(20, min_periods=16)
    check("tail_max_return_20d", window.max())
    check("tail_min_return_20d", window.min())


def test_shape(check, bars):
    window = bars.log_return.rolling(60, min_periods=48)
    check("tail_skew_60d", window.skew())
    check("tail_kurtosis_60d", window.kurt())
