"""Seams by hand: which ratios between deliveries are a change of units, and what is read through them."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.stages.curate.seams import Seam, chain_of
from tests.pipelines.stages.curate.deliveries import closes_of, cut, deliver, read, told

PAST = {0: 100.10, 1: 101.30, 2: 99.50, 3: 102.70}
HALVED = {0: 50.05, 1: 50.65, 2: 49.75, 3: 51.35}


def test_a_halved_past_is_a_split_of_two_on_the_next_session() -> None:
    rows, seams = read(deliver(0, PAST), deliver(1, {**HALVED, 4: 52.00}))
    assert told(seams) == [(4, 2.0, 1.0, cut(1))]
    assert closes_of(rows, 1) == {**PAST, 4: 52.00}
    assert rows["news"].to_list() == [True] * 4 + [False] * 4 + [True]


@pytest.mark.parametrize(("volume", "share"), [(2000.0, 2.0), (1000.0, 1.0)])
def test_volume_is_restated_with_the_prices_or_left(volume: float, share: float) -> None:
    volumes = dict.fromkeys(HALVED, volume) | {4: 3000.0}
    rows, seams = read(deliver(0, PAST), deliver(1, {**HALVED, 4: 52.00}, volume=volumes))
    assert told(seams) == [(4, 2.0, share, cut(1))]
    later = rows.filter(said_at=cut(1))
    assert later["volume"].to_list() == [1000.0] * 4 + [3000.0]


def test_a_dividend_of_eight_cents_on_twenty_dollars_is_told_to_the_rounding() -> None:
    past = {0: 20.00, 1: 20.40, 2: 19.80, 3: 20.10, 4: 20.30, 5: 19.90}
    ratio = 1 / 0.996
    restated = {place: round(close / ratio, 2) for place, close in past.items()}
    rows, seams = read(deliver(0, past), deliver(1, {**restated, 6: 20.00}))
    assert [(seam.position, seam.share) for seam in seams] == [(6, 1.0)]
    assert seams[0].price == pytest.approx(ratio, abs=0.0005)
    assert rows["news"].to_list() == [True] * 6 + [False] * 6 + [True]


def test_two_actions_a_week_apart_in_one_delivery_are_two_seams() -> None:
    past = {place: 100.0 + place for place in range(10)}
    # A split of two on place 5 and one of three on place 10, both restated at once.
    restated = {place: round(close / (6 if place < 5 else 3), 2) for place, close in past.items()}
    rows, seams = read(deliver(0, past), deliver(1, {**restated, 10: 37.00}))
    assert sorted(told(seams)) == [(5, 2.0, 1.0, cut(1)), (10, 3.0, 1.0, cut(1))]
    assert closes_of(rows, 1)[10] == 37.00
    assert not rows.filter(said_at=cut(1))["news"].to_list()[0]


def test_units_that_are_restated_back_end_where_they_began() -> None:
    back = {**PAST, 4: 104.00}
    rows, seams = read(deliver(0, PAST), deliver(1, {**HALVED, 4: 104.00}), deliver(2, {**back, 5: 104.10}))
    assert [(seam.position, seam.price) for seam in seams] == [(4, 2.0), (4, 0.5)]
    states = chain_of(seams)
    assert [(state["value"], state["valid"], state["known_at"]) for state in states] == [
        (2.0, True, cut(1)),
        (1.0, False, cut(2)),
    ]
    assert closes_of(rows, 2) == {**back, 5: 104.10}


def test_a_correction_beside_a_restatement_is_news_in_the_units_that_stand() -> None:
    corrected = {**HALVED, 1: 60.65, 4: 52.00}
    rows, seams = read(deliver(0, PAST), deliver(1, corrected))
    assert [(seam.position, seam.price) for seam in seams] == [(4, 2.0)]
    later = rows.filter(said_at=cut(1))
    assert later["news"].to_list() == [False, True, False, False, True]
    assert closes_of(rows, 1)[1] == 121.30


def test_a_stretch_corrected_by_one_ratio_before_which_the_past_stands_is_no_seam() -> None:
    past = {place: 100.0 + place for place in range(20)}
    stretch = {place: round(past[place] / 2, 2) for place in range(15, 20)}
    rows, seams = read(deliver(0, past), deliver(1, {**stretch, 20: 121.0}, equal=15))
    assert seams == []
    assert closes_of(rows, 1) == {**stretch, 20: 121.0}
    assert rows["news"].all()


def test_a_restated_stretch_is_a_seam_where_the_delivery_holds_nothing_older() -> None:
    past = {place: 100.0 + place for place in range(20)}
    stretch = {place: round(past[place] / 2, 2) for place in range(15, 20)}
    _, seams = read(deliver(0, past), deliver(1, {**stretch, 20: 61.0}, equal=0))
    assert [(seam.position, seam.price) for seam in seams] == [(20, 2.0)]


def test_two_bars_that_differ_are_corrections() -> None:
    rows, seams = read(deliver(0, PAST), deliver(1, {2: 49.75, 3: 51.35, 4: 52.0}))
    assert seams == []
    assert closes_of(rows, 1) == {2: 49.75, 3: 51.35, 4: 52.0}


def test_a_seam_without_a_bar_on_its_day_lies_on_the_session_after_the_restated_ones() -> None:
    _, seams = read(deliver(0, PAST), deliver(1, {**HALVED, 5: 52.00}))
    assert told(seams) == [(4, 2.0, 1.0, cut(1))]


@pytest.mark.parametrize("ex_session", [4, 5, 6])
def test_a_seam_takes_session_and_ratio_of_the_announced_split_before_the_next_bar(ex_session: int) -> None:
    # No bar on places 4 and 5: trading was halted around the split.
    announced = {ex_session: [(cut(0), 2.0)]}
    _, seams = read(deliver(0, PAST), deliver(1, {**HALVED, 6: 52.00}), announced=announced)
    assert told(seams) == [(ex_session, 2.0, 1.0, cut(1))]


def test_a_split_that_is_announced_later_does_not_move_a_seam() -> None:
    announced = {5: [(cut(3), 2.0)]}
    _, seams = read(deliver(0, PAST), deliver(1, {**HALVED, 5: 52.00}), announced=announced)
    assert told(seams) == [(4, 2.0, 1.0, cut(1))]


def test_an_odd_ratio_is_that_of_the_announcement_and_a_plain_one_the_fraction() -> None:
    past = {0: 10.00, 1: 10.20, 2: 9.90, 3: 10.10}
    restated = {place: round(close / 1.0237, 2) for place, close in past.items()}
    _, seams = read(deliver(0, past), deliver(1, {**restated, 4: 9.9}), announced={4: [(cut(0), 1.0237)]})
    assert [(seam.position, seam.price) for seam in seams] == [(4, 1.0237)]
    third = {place: round(close / 1.5, 2) for place, close in past.items()}
    _, plain = read(deliver(0, past), deliver(1, {**third, 4: 6.9}))
    assert [(seam.position, seam.price) for seam in plain] == [(4, 1.5)]


def test_a_delivery_without_a_new_bar_shows_its_seam_when_it_is_known() -> None:
    _, seams = read(deliver(0, PAST), deliver(1, HALVED))
    assert told(seams) == [(4, 2.0, 1.0, cut(1))]


def test_a_seam_is_known_with_the_first_new_bar_and_never_in_a_closed_cut() -> None:
    early = dict.fromkeys(HALVED, cut(1)) | {4: cut(1) - timedelta(hours=5)}
    _, seams = read(deliver(0, PAST), deliver(1, {**HALVED, 4: 52.0}, known_at=early))
    assert seams[0].known_at == cut(1) - timedelta(hours=5)
    closed = cut(1) - timedelta(hours=2)
    _, late = read(deliver(0, PAST), deliver(1, {**HALVED, 4: 52.0}, known_at=early, closed_until=closed))
    assert late[0].known_at == closed + timedelta(microseconds=1)


def test_four_decimals_tell_a_dividend_of_a_tenth_of_a_percent() -> None:
    past = {0: 20.1234, 1: 20.4321, 2: 19.8765, 3: 20.1111}
    restated = {place: round(close * 0.999, 4) for place, close in past.items()}
    rows, seams = read(deliver(0, past, decimals=4), deliver(1, {**restated, 4: 20.2}, decimals=4))
    assert [seam.position for seam in seams] == [4]
    assert seams[0].price == pytest.approx(1 / 0.999, abs=1e-5)
    assert not rows.filter(said_at=cut(1))["news"].head(4).any()


def test_floats_of_single_precision_are_no_news_but_a_split_in_them_is() -> None:
    single = {place: float(np.float32(close / 3)) for place, close in PAST.items()}
    rows, seams = read(deliver(0, PAST, decimals=9), deliver(1, {**single, 4: 34.0}, decimals=9))
    assert told(seams) == [(4, 3.0, 1.0, cut(1))]
    assert not rows.filter(said_at=cut(1))["news"].head(4).any()


def test_prices_of_a_few_cents_bound_too_little_to_be_a_dividend() -> None:
    past = {0: 0.05, 1: 0.04, 2: 0.06, 3: 0.05}
    _, seams = read(deliver(0, past), deliver(1, {**past, 1: 0.05, 4: 0.05}))
    assert seams == []
    tenfold = {place: close * 10 for place, close in past.items()}
    _, reverse = read(deliver(0, past), deliver(1, {**tenfold, 4: 0.5}))
    assert [(seam.position, seam.price) for seam in reverse] == [(4, pytest.approx(0.1))]


def test_a_second_record_of_a_session_in_one_delivery_is_read_after_the_first() -> None:
    twice = [*deliver(1, {**HALVED, 4: 52.0}), *deliver(1, {3: 51.85}, record_hash="01/03b")]
    rows, seams = read(deliver(0, PAST), twice)
    assert [(seam.position, seam.price) for seam in seams] == [(4, 2.0)]
    again = rows.filter(record_hash="01/03b")
    assert again.select("close", "news").rows() == [(103.70, True)]


@pytest.mark.parametrize("sent", [0.25, 0.5])
def test_a_dividend_stays_in_the_units_of_its_session_whether_its_column_is_restated_or_left(
    sent: float,
) -> None:
    first = deliver(0, PAST, dividend={0: 0.0, 1: 0.5, 2: 0.0, 3: 0.0})
    second = deliver(1, {**HALVED, 4: 52.0}, dividend={0: 0.0, 1: sent, 2: 0.0, 3: 0.0, 4: 0.0})
    rows, _ = read(first, second)
    assert rows.filter(said_at=cut(1))["dividend"].to_list() == [0.0, 0.5, 0.0, 0.0, 0.0]


def test_a_dividend_that_is_corrected_by_less_than_a_cent_in_the_same_units_is_the_new_one() -> None:
    first = deliver(0, PAST, dividend={0: 0.0, 1: 0.205, 2: 0.0, 3: 0.0})
    second = deliver(1, {**PAST, 3: 102.8}, dividend={0: 0.0, 1: 0.2075, 2: 0.0, 3: 0.0})
    rows, seams = read(first, second)
    assert seams == []
    assert rows.filter(said_at=cut(1))["dividend"].to_list() == [0.0, 0.2075, 0.0, 0.0]


def test_a_given_seam_converts_later_deliveries_and_none_before_it() -> None:
    given = Seam(position=4, price=2.0, share=2.0, known_at=cut(1), order=(cut(1), "01.csv"))
    early, late = deliver(0, {2: 99.50}, volume=10.0), deliver(2, {1: 50.00, 5: 53.0}, volume=20.0)
    rows, seams = read(early, late, given=[given], detect=False)
    assert seams == [given]
    assert rows.select("close", "volume").rows() == [(99.5, 10.0), (100.0, 10.0), (53.0, 20.0)]


def test_what_is_not_wholly_there_is_not_searched_for_seams() -> None:
    _, seams = read(deliver(0, PAST), deliver(1, {**HALVED, 4: 52.00}), detect=False)
    assert seams == []


def test_a_chain_of_seams_at_one_session_says_what_all_of_them_amount_to() -> None:
    steps = [
        Seam(position=4, price=2.0, share=2.0, known_at=cut(1), order=(cut(1), "a")),
        Seam(position=4, price=1.5, share=1.0, known_at=cut(2), order=(cut(2), "b")),
    ]
    states = chain_of(steps)
    assert [(state["value"], state["share_value"], state["delivery"]) for state in states] == [
        (2.0, 2.0, "a"),
        (3.0, 2.0, "b"),
    ]
    assert chain_of([]) == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(2000, 30000), min_size=8, max_size=8),
    st.lists(st.sampled_from([1.0, 1.0, 2.0, 3.0, 0.25, 1.01]), min_size=4, max_size=4),
    st.integers(1, 4),
)
def test_what_is_delivered_later_changes_no_seam_and_no_reading_before(
    cents: list[int], ratios: list[float], known: int
) -> None:
    closes = [cent / 100 for cent in cents]
    days = [deliver(0, dict(enumerate(closes[:4])))]
    scale = [1.0] * 8
    for day, ratio in enumerate(ratios, start=1):
        place = day + 3
        scale = [one / ratio if at < place else one for at, one in enumerate(scale)]
        said = {at: round(closes[at] * scale[at], 2) for at in range(place + 1)}
        days.append(deliver(day, said))
    all_rows, all_seams = read(*days)
    rows, seams = read(*days[:known])
    assert seams == [seam for seam in all_seams if seam.known_at < cut(known)]
    assert rows.equals(all_rows.filter(all_rows["said_at"] < cut(known)))
