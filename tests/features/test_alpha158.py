"""Alpha158 against a plain reading of Qlib's formulas, in pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from features.alpha158 import FACTORS, FEATURES, compute_alpha158, compute_factors
from features.compute import evaluate
from features.panel import mask_bars
from features.sessions import SessionCalendar
from tests.panels import panel_of, random_panel, sessions_of, source_rows

WINDOWS = (5, 10, 20, 30, 60)
SYMBOL = "S02"


def _plain(bars: pd.DataFrame) -> pd.DataFrame:
    """Return the 158 factors of one symbol: float32 by the session, float64 in windows, as Qlib has them."""
    one = bars.astype(np.float32)
    o, h, lo, c, v = (one[name] for name in ("open", "high", "low", "close", "volume"))
    tiny, reach = np.float32(1e-12), h - lo + np.float32(1e-12)
    top, bottom = np.maximum(o, c), np.minimum(o, c)
    vwap = ((bars.high + bars.low + bars.close) / 3).astype(np.float32)
    shift = np.float32(2) * c - h - lo
    columns = {
        "KMID": (c - o) / o,
        "KLEN": (h - lo) / o,
        "KMID2": (c - o) / reach,
        "KUP": (h - top) / o,
        "KUP2": (h - top) / reach,
        "KLOW": (bottom - lo) / o,
        "KLOW2": (bottom - lo) / reach,
        "KSFT": shift / o,
        "KSFT2": shift / reach,
        "OPEN0": o / c,
        "HIGH0": h / c,
        "LOW0": lo / c,
        "VWAP0": vwap / c,
    }
    c1, v1 = c.shift(), v.shift()
    log_volume, log_change = np.log(v + np.float32(1)), np.log(v / v1 + np.float32(1))
    moved, traded = c - c1, v - v1
    weighted = (c / c1 - np.float32(1)).abs() * v
    for n in WINDOWS:

        def rolling(series: pd.Series, n: int = n) -> pd.core.window.Rolling:
            return series.astype(np.float64).rolling(n, min_periods=1)

        line = rolling(c).apply(_slope, raw=True)
        highest, lowest = rolling(h), rolling(lo)
        columns |= {
            f"ROC{n}": c.shift(n).astype(float) / c,
            f"MA{n}": rolling(c).mean() / c,
            f"STD{n}": rolling(c).apply(_std, raw=True) / c,
            f"BETA{n}": line / c,
            f"RSQR{n}": rolling(c).apply(_r_squared, raw=True),
            f"RESI{n}": rolling(c).apply(_residual, raw=True) / c,
            f"MAX{n}": highest.max() / c,
            f"MIN{n}": lowest.min() / c,
            f"QTLU{n}": rolling(c).quantile(0.8) / c,
            f"QTLD{n}": rolling(c).quantile(0.2) / c,
            f"RANK{n}": rolling(c).rank(pct=True),
            f"RSV{n}": (c.astype(float) - lowest.min()) / (highest.max() - lowest.min() + 1e-12),
            f"IMAX{n}": highest.apply(_place, raw=True) / n,
            f"IMIN{n}": lowest.apply(lambda x: _place(-x), raw=True) / n,
            f"CORR{n}": _correlation(c, log_volume, n),
            f"CORD{n}": _correlation(c / c1, log_change, n),
            f"CNTP{n}": rolling(c > c1).mean(),
            f"CNTN{n}": rolling(c < c1).mean(),
            f"VMA{n}": rolling(v).mean() / (v + tiny),
            f"VSTD{n}": rolling(v).apply(_std, raw=True) / (v + tiny),
            f"WVMA{n}": rolling(weighted).apply(_std, raw=True) / (rolling(weighted).mean() + 1e-12),
        }
        for prefix, change in (("", moved), ("V", traded)):
            up, down = rolling(change.clip(lower=0)).sum(), rolling((-change).clip(lower=0)).sum()
            columns |= {
                f"{prefix}SUMP{n}": up / (up + down + 1e-12),
                f"{prefix}SUMN{n}": down / (up + down + 1e-12),
                f"{prefix}SUMD{n}": (up - down) / (up + down + 1e-12),
            }
        columns[f"IMXD{n}"] = columns[f"IMAX{n}"] - columns[f"IMIN{n}"]
        columns[f"CNTD{n}"] = columns[f"CNTP{n}"] - columns[f"CNTN{n}"]
    found = pd.DataFrame(columns)[list(FACTORS)]
    found.loc[bars.close.isna()] = np.nan
    return found


def _place(values: np.ndarray) -> float:
    """Return the place of the largest value from 1, counted from the window's first bar."""
    first = int(np.flatnonzero(~np.isnan(values))[0])
    return float(np.nanargmax(values) - first + 1)


def _std(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else np.nan


def _fit(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(values)
    return np.flatnonzero(known).astype(float), values[known]


def _slope(values: np.ndarray) -> float:
    x, y = _fit(values)
    x = x - x.mean()
    return float((x * (y - y.mean())).sum() / (x * x).sum()) if len(x) > 1 else np.nan


def _residual(values: np.ndarray) -> float:
    x, y = _fit(values)
    return float(values[-1] - (y.mean() + _slope(values) * (len(values) - 1 - x.mean())))


def _r_squared(values: np.ndarray) -> float:
    x, y = _fit(values)
    if len(x) < 2 or y.std(ddof=1) <= 2e-5:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def _correlation(left: pd.Series, right: pd.Series, n: int) -> pd.Series:
    pairs = pd.DataFrame({"y": left.astype(float), "x": right.astype(float)}).replace(
        [np.inf, -np.inf], np.nan
    )
    pairs.loc[pairs.isna().any(axis=1)] = np.nan
    found = []
    for end in range(len(pairs)):
        known = pairs.iloc[max(end - n + 1, 0) : end + 1].dropna()
        flat = len(known) < 2 or (known.std(ddof=1) <= 2e-5).any()
        found.append(np.nan if flat else np.corrcoef(known.y, known.x)[0, 1])
    return pd.Series(found, index=left.index)


def _listed(panel: pl.DataFrame, symbol: str) -> pd.DataFrame:
    """Return one symbol's bars from its first, as a source without rows before the listing has them."""
    own = panel.filter(pl.col("symbol") == symbol).to_pandas().set_index("session")
    return own.loc[own.close.first_valid_index() :, ["open", "high", "low", "close", "volume"]]


def _ours(panel: pl.DataFrame, symbol: str, rows: int) -> pd.DataFrame:
    values = pd.DataFrame(compute_factors(mask_bars(panel)).T.astype(float), columns=list(FACTORS))
    return values[(panel["symbol"] == symbol).to_numpy()].tail(rows)


def _without_actions(panel: pl.DataFrame) -> pl.DataFrame:
    return panel.with_columns(dividend=pl.lit(0.0), split=pl.lit(1.0))


def _check(ours: pd.DataFrame, plain: pd.DataFrame, rtol: float = 2e-6) -> None:
    for name in FACTORS:
        wanted = plain[name].to_numpy(float)
        scale = np.nanstd(wanted)
        np.testing.assert_allclose(ours[name], wanted, rtol=rtol, atol=1e-6 * scale, err_msg=name)


@pytest.mark.parametrize(("seed", "symbol"), [(3, "S02"), (4, "S00")])
def test_all_factors_of_whole_histories_are_qlibs(seed, symbol):
    # S00 is listed half-way: its first windows are short.
    panel = _without_actions(random_panel(3, 200, seed=seed, gap_share=0.0))
    bars = _listed(panel, symbol)
    _check(_ours(panel, symbol, len(bars)), _plain(bars))


def test_all_factors_with_gaps_flat_stretches_and_no_volume():
    panel = _without_actions(random_panel(3, 200, seed=8, gap_share=0.0))
    own = np.flatnonzero((panel["symbol"] == SYMBOL).to_numpy())
    values = {name: panel[name].to_numpy().copy() for name in ("open", "high", "low", "close", "volume")}
    for series in values.values():
        series[own[100:112]] = series[own[100]]
    values["volume"][own[[60, 61, 90]]] = 0.0
    valid = panel["valid"].to_numpy().copy()
    valid[own[[40, 130]]] = False
    panel = panel.with_columns(valid=pl.Series(valid), **{name: pl.Series(v) for name, v in values.items()})
    masked = panel.with_columns(
        pl.when("valid").then(pl.col(name)).alias(name) for name in ("open", "high", "low", "close", "volume")
    )
    bars = _listed(masked, SYMBOL)
    ours, plain = _ours(panel, SYMBOL, len(bars)), _plain(bars)
    # A flat window ties in another order of additions only where sums are kept; here they are exact.
    _check(ours, plain, rtol=1e-5)


def _preadjusted(panel: pl.DataFrame) -> pl.DataFrame:
    """Return the bars in units of the last session, actions left out."""
    masked = mask_bars(panel)
    units = [
        (1.0 / pl.col(name)).cum_prod(reverse=True).shift(-1).over("symbol").fill_null(1.0).alias(name)
        for name in ("price_adjustment_factor", "share_adjustment_factor")
    ]
    price, share = masked.select(units).get_columns()
    scaled = masked.with_columns(
        *(pl.col(name) * price for name in ("open", "high", "low", "close")), volume=pl.col("volume") * share
    )
    return _without_actions(panel).with_columns(scaled.select("open", "high", "low", "close", "volume"))


def test_raw_bars_with_actions_are_the_same_bars_adjusted_beforehand():
    panel = random_panel(4, 200, seed=21)
    raw = compute_factors(mask_bars(panel)).astype(float)
    adjusted = compute_factors(mask_bars(_preadjusted(panel))).astype(float)
    last = (panel["session"] == sessions_of(200)[-1]).to_numpy()
    for name, one, other in zip(FACTORS, raw, adjusted, strict=True):
        # ln(volume + 1) depends on the unit of volume: only the last session's is that of the adjusted bars.
        rows = last if name.startswith("CORR") else slice(None)
        # What is left comes of rounding the adjusted bars to float32, where little is taken from much.
        atol = 1e-3 * np.nanstd(other)
        np.testing.assert_allclose(one[rows], other[rows], rtol=1e-3, atol=atol, err_msg=name)


def test_every_factor_alone_is_a_function_of_its_look_back():
    panel = random_panel(3, 180, seed=5)
    whole = compute_factors(mask_bars(panel))
    days = sessions_of(180)
    for place, feature in enumerate(FEATURES):
        recent = panel.filter(pl.col("session") > days[-1 - feature.lookback_sessions])
        alone = compute_factors(mask_bars(recent))[place]
        last = alone[feature.lookback_sessions - 1 :: feature.lookback_sessions]
        np.testing.assert_array_equal(
            last.view(np.int32), whole[place][179::180].view(np.int32), err_msg=feature.name
        )


def test_an_unexplained_jump_leaves_what_is_older_unknown():
    panel = panel_of({"A": [100.0 + at % 7 for at in range(80)]})
    jumped = panel.with_columns(jump=pl.int_range(80) == 60)
    values = dict(zip(FACTORS, compute_factors(mask_bars(jumped)), strict=True))
    assert np.isnan(values["ROC5"][60:65]).all()
    assert values["ROC5"][65] == pytest.approx((100 + 60 % 7) / (100 + 65 % 7), rel=1e-6)
    assert values["MA60"][61] == pytest.approx((100 + 60 % 7 + 100 + 61 % 7) / 2 / (100 + 61 % 7), rel=1e-6)
    assert values["RANK60"][61] == 1.0


def test_the_view_gives_float32_and_each_factor_alone_the_same():
    panel = random_panel(2, 90, seed=6, gap_share=0.05)
    days = pl.DataFrame({"session": sessions_of(90)})
    frame = compute_alpha158(source_rows(panel), days, SessionCalendar(), FEATURES)
    assert set(frame.dtypes[2:]) == {pl.Float32}
    assert frame.columns[2:] == [feature.name for feature in FEATURES]
    some = [FEATURES[FACTORS.index(name)] for name in ("KMID", "RSQR20", "VSUMD60")]
    alone = evaluate(mask_bars(panel), some, known=pl.col("valid"))
    for feature in some:
        assert alone[feature.name].cast(pl.Float32).equals(frame[feature.name].rename(feature.name))


def test_a_price_beyond_single_precision_is_unknown():
    panel = panel_of({"A": [10.0, 12.0, 1e39, 12.0, 8.0]})
    without = panel_of({"A": [10.0, 12.0, None, 12.0, 8.0]})
    values, wanted = (compute_factors(mask_bars(one))[:, 4] for one in (panel, without))
    np.testing.assert_array_equal(values[FACTORS.index("RANK5")], wanted[FACTORS.index("RANK5")])
    np.testing.assert_array_equal(values[FACTORS.index("QTLU5")], wanted[FACTORS.index("QTLU5")])
    assert not np.isinf(values).any()


def test_a_small_case_by_hand():
    values = dict(
        zip(
            FACTORS,
            compute_factors(
                mask_bars(panel_of({"A": [10.0, 12.0, 11.0, 12.0, 8.0]}, volume=[1.0, 2.0, 4.0, 8.0, 4.0]))
            )[:, 4],
            strict=True,
        )
    )
    expected = {
        "ROC5": np.nan,
        "MA5": 10.6 / 8,
        "MAX5": 1.5,
        "IMAX5": 2 / 5,
        "IMIN5": 1.0,
        "IMXD5": -3 / 5,
        "RANK5": 1 / 5,
        "QTLU5": 1.5,
        "CNTP5": 2 / 5,
        "CNTN5": 2 / 5,
        "SUMP5": 3 / 8,
        "VMA5": 3.8 / 4,
        "VSUMD5": (7 - 4) / 11,
        "BETA5": (-2 * 10 - 12 + 12 + 2 * 8) / 10 / 8,
    }
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, rel=1e-6, nan_ok=True), name
