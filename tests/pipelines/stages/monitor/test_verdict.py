"""The verdict on hand-made series."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from pipelines.app.settings import load_settings
from pipelines.stages.monitor.params import MonitorParams
from pipelines.stages.monitor.scales import SCALES
from pipelines.stages.monitor.steps import DriftWindows, choose_windows
from pipelines.stages.monitor.verdict import judge, judge_coverage, judge_scales, measure_shift

FIRST = date(2022, 1, 3)
PARAMS = load_settings()[0].monitor
LENGTH = PARAMS.reference_sessions + PARAMS.current_sessions


def series(
    *,
    shift: float = 0.0,
    noise: float = 0.1,
    symbols: int = 50,
    symbols_now: int | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """Measures of independent sessions, the current window's shifted."""
    draw = np.random.default_rng(seed)
    values = noise * draw.standard_normal((LENGTH, len(SCALES)))
    values[-PARAMS.current_sessions :] += shift
    counts = [symbols] * PARAMS.reference_sessions + [symbols_now or symbols] * PARAMS.current_sessions
    return pl.DataFrame(
        {
            "session": [FIRST + timedelta(days=step) for step in range(LENGTH)],
            "symbols": counts,
            **{scale.name: values[:, place] for place, scale in enumerate(SCALES)},
        }
    )


@pytest.fixture(scope="module")
def windows() -> DriftWindows:
    sessions = series()["session"].to_list()
    return choose_windows(sessions, reference=PARAMS.reference_sessions, current=PARAMS.current_sessions)


def test_measure_shift_by_hand() -> None:
    reference = np.array([-1.0, 1.0] * 10)
    shift, z = measure_shift(reference, np.array([2.0, 2.0, 2.0]))
    # DriftWindows of three have medians -1 or 1: their spread is 1.4826, more than independent sessions make.
    assert shift == 2.0
    assert z == pytest.approx(2 / 1.4826)


def test_measure_shift_never_trusts_a_spread_below_that_of_independent_sessions() -> None:
    reference = np.array([-1.0, 0.0, 1.0] * 10)  # every window of three has the median 0
    _, z = measure_shift(reference, np.array([2.0, 2.0, 2.0]))
    assert z == pytest.approx(2 / (1.4826 * 1.0 * 1.2533 / math.sqrt(3)))


def test_measure_shift_of_a_constant_series() -> None:
    constant = np.ones(20)
    assert measure_shift(constant, np.ones(3)) == (0.0, 0.0)
    assert measure_shift(constant, np.full(3, 2.0)) == (1.0, math.inf)


def test_measure_shift_trusts_a_persistent_series_less() -> None:
    draw = np.random.default_rng(3)
    noise = draw.standard_normal(250)
    slow = np.empty(250)
    slow[0] = noise[0]
    for step in range(1, 250):
        slow[step] = 0.95 * slow[step - 1] + math.sqrt(1 - 0.95**2) * noise[step]
    assert measure_shift(slow, np.full(10, 3.0))[1] < 0.6 * measure_shift(noise, np.full(10, 3.0))[1]


def test_an_unchanged_market_is_ok(windows: DriftWindows) -> None:
    verdict = judge(series(), windows, PARAMS, training_due=True)
    assert (verdict.verdict, verdict.reasons, verdict.retrain) == ("ok", (), False)
    assert verdict.as_of == FIRST + timedelta(days=LENGTH - 1)
    assert verdict.shares == {"measures": 0.0}


def test_half_as_much_volatility_again_is_a_drift_and_says_why(windows: DriftWindows) -> None:
    verdict = judge(series(shift=math.log(1.5)), windows, PARAMS, training_due=True)
    assert (verdict.verdict, verdict.retrain) == ("drift", True)
    assert verdict.shares == {"measures": 1.0}
    assert verdict.reasons[0].startswith("return dispersion is 1.5")
    assert judge(series(shift=math.log(1.5)), windows, PARAMS, training_due=False).retrain is False


def test_a_certain_but_small_shift_is_none(windows: DriftWindows) -> None:
    shifts = judge_scales(series(shift=0.12, noise=0.05), windows, PARAMS)
    assert max(abs(shift.z) for shift in shifts) > 3
    assert not any(shift.drifted for shift in shifts)


def test_a_drop_of_scale_is_a_drift_too(windows: DriftWindows) -> None:
    assert judge(series(shift=-math.log(1.6)), windows, PARAMS, training_due=False).verdict == "drift"


def test_missing_symbols_are_a_drift(windows: DriftWindows) -> None:
    verdict = judge(series(symbols_now=35), windows, PARAMS, training_due=False)
    assert verdict.reasons == ("only 70% of the reference's symbols have valid features",)
    assert judge(series(symbols_now=45), windows, PARAMS, training_due=False).verdict == "ok"


def test_missing_sessions_count_as_missing_symbols(windows: DriftWindows) -> None:
    gone = series().head(LENGTH - 6)
    assert judge_coverage(gone, windows) == 0.0
    assert judge(gone, windows, PARAMS, training_due=False).verdict == "drift"


def test_coverage_of_nothing_is_unknown(windows: DriftWindows) -> None:
    assert judge_coverage(series().clear(), windows) is None


def test_a_measure_that_most_current_sessions_lack_is_not_judged(windows: DriftWindows) -> None:
    name = SCALES[0].name
    unknown = pl.col("session") > windows.reference[-1] + timedelta(days=4)
    measured = series().with_columns(pl.when(~unknown).then(pl.col(name)).alias(name))
    assert [shift.name for shift in judge_scales(measured, windows, PARAMS)] == [
        scale.name for scale in SCALES[1:]
    ]


def test_the_record_is_plain_json(windows: DriftWindows) -> None:
    record = judge(series(shift=math.log(1.5)), windows, PARAMS, training_due=True).as_record()
    again = json.loads(json.dumps(record))
    assert (again["verdict"], again["retrain"], again["as_of"]) == ("drift", True, str(windows.current[-1]))
    assert {"reasons", "shares", "shifts", "coverage"} <= again.keys()


BASE = {name: getattr(PARAMS, name) for name in MonitorParams.__dataclass_fields__}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"current_sessions": 2}, "current_sessions=2 must be at least 3"),
        ({"min_reference_sessions": 40}, "min_reference_sessions=40 must be at least 50"),
        ({"reference_sessions": 100}, "reference_sessions=100 must be at least 120"),
        ({"thresholds": {"volume": 3.0}}, r"thresholds=\['volume'\] must name exactly the measures"),
        (
            {"thresholds": dict(PARAMS.thresholds) | {"intraday_range": 0.5}},
            r"thresholds\.intraday_range=0\.5 must be at least 1",
        ),
        ({"max_coverage_loss": 1.0}, r"max_coverage_loss=1\.0 must lie between 0 and 1"),
    ],
)
def test_params_that_cannot_work_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MonitorParams(**BASE | change)
