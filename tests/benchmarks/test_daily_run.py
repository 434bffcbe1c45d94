"""What a daily session may cost beside an empty Spark session, and what the page says is built."""

import pytest

from benchmarks.daily_run import render


@pytest.mark.parametrize(
    ("added", "met", "said"),
    [
        ([40.0, 48.0, 90.0], True, "Median ratio 6.0; wanted: at most 6: met."),
        ([40.0, 49.0, 90.0], False, "Median ratio 6.1; wanted: at most 6: NOT met."),
    ],
)
def test_the_median_is_held_to_six_empty_sessions(added, met, said):
    page, judged = render(None, [8.0, 7.0, 9.0], added)
    assert judged == met
    assert said in page
    assert "| 1 | 8.0 | 40.0 | 5.0 |" in page


def test_the_page_says_that_both_views_of_bars_are_built_and_how_long_the_history_took():
    page, _ = render(300.4, [8.0], [40.0])
    flat = " ".join(page.split())
    assert "`features_daily` (95 features) and `features_alpha158` (158 features)" in flat
    assert "The history took 300 s, training included." in flat
