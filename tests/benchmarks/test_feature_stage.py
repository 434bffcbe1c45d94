"""What the feature stage is allowed, where Qlib's seconds come from, and what the page says of both."""

import sys
from dataclasses import replace

import pytest

from benchmarks.feature_stage import Turn, read_qlib_seconds, render, table_sizes, watched

TURN = Turn(empty=4.0, stage=40.0, plain=30.0, kernels=3.0, kernels_cpu=3.5, peak=4 * 2**30)
PAGE = """# Alpha158, engine against engine

| cores | ours, wall s | Qlib, wall s | ours, processor s |
|---|---|---|---|
| 1 | 0.82 | 38.9 | 0.82 |
| 2 | 0.84 | 23.0 | 0.93 |
| 2 | 0.84 | 24.0 | 0.93 |

- On 1: 47× in processor time
"""


def test_the_stage_is_allowed_a_copy_and_three_times_the_kernels():
    assert TURN.beyond == 36.0
    assert TURN.allowed == 39.0


def test_qlibs_seconds_are_those_of_the_rows_with_so_many_cores():
    assert read_qlib_seconds(PAGE, 1) == 38.9
    assert read_qlib_seconds(PAGE, 2) == 23.5
    with pytest.raises(ValueError, match="has no row of 4 cores; run it with --cores 4"):
        read_qlib_seconds(PAGE, 4)
    with pytest.raises(ValueError, match="no row of 2 cores"):
        read_qlib_seconds("# Nothing yet\n", 2)


@pytest.mark.parametrize(
    ("changes", "met", "said"),
    [
        ({}, True, "Time: 0.92 of what is allowed"),
        ({"stage": 44.0}, False, "Time: 1.03 of what is allowed, on the median; wanted at most 1: NOT met."),
        ({"peak": 9 * 2**30}, False, "Memory: 9.00 GiB at the peak; wanted at most 8: NOT met."),
    ],
)
def test_time_and_memory_are_judged(changes, met, said):
    page, judged = render([replace(TURN, **changes)], rows=10, sizes={"gold.labels": 3 * 2**20}, qlib=20.0)
    assert judged == met
    assert said in page
    assert "`gold.labels` 3 MiB" in page


def test_the_median_turn_counts_and_the_largest_memory():
    slow = replace(TURN, stage=99.0, peak=5 * 2**30)
    page, met = render([TURN, slow, TURN], rows=10, sizes={}, qlib=20.0)
    assert met
    assert "Memory: 5.00 GiB" in page
    assert "takes 2.0 times the 20.0 s of Qlib's Alpha158" in page


def test_tables_are_counted_with_their_logs(tmp_path):
    log = tmp_path / "gold" / "labels" / "_delta_log"
    log.mkdir(parents=True)
    (log / "0.json").write_bytes(b"123")
    (log.parent / "part.parquet").write_bytes(b"12345")
    sizes = table_sizes(tmp_path)
    assert sizes["gold.labels"] == 8
    assert sizes["gold.features_alpha158"] == 0


def test_memory_is_that_of_a_process_and_its_children():
    child = "data = bytes(range(256)) * 400_000; import time; time.sleep(0.8)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    seconds, peak = watched([sys.executable, "-c", program], every=0.1)
    assert seconds > 0.8
    assert peak > 100_000_000
