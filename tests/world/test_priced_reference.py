"""The vendor and the reference of the priced worlds, by examples worked by hand."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import polars as pl
import pytest

from tests.world import calendar as exchange
from tests.world.commands import Answer
from tests.world.priced_build import build
from tests.world.priced_example import example
from tests.world.priced_expected import PERHAPS, YES, Expected
from tests.world.priced_play import returns_of, tells_of, verdict
from tests.world.priced_records import Announcement, Corporate, Gap, Rename, Tick
from tests.world.priced_reference import PricedReference
from tests.world.priced_vendor import PricedWorld, deliveries_of

DAYS = exchange.sessions(date(2023, 11, 1), date(2023, 11, 17))
"""Thirteen sessions: five of a first load, then eight evenings."""
LOADED = 5
EX = DAYS[6]
CLOSES = (100.0, 102.0, 101.0, 103.0, 104.0, 104.0)
"""Up to the evening before the ex-date."""


def world_of(after: tuple[float, ...], corporate: Corporate | None = None, **habits: Any) -> PricedWorld:
    """Return a world of one share whose closes are given; what happens to it happens on EX."""
    happens = {("A", EX): corporate} if corporate else {}
    return example(DAYS, LOADED, {"A": (*CLOSES, *after)}, happens, **habits)


def follow(world: PricedWorld) -> PricedReference:
    return PricedReference(world, deliveries_of(world))


def allowed(reference: PricedReference, day: date, cut: date, window: int = 1) -> tuple[float, float] | None:
    """Return what a return may be, None where it must be null; rounded to ten thousandths."""
    expected = reference.expect("A", day, window, cut)
    if expected.low is None or expected.high is None:
        return None
    return round(expected.low, 4), round(expected.high, 4)


def halved(*, after: int = 4, **habits: Any) -> PricedWorld:
    """Return a world with a split of 2 for 1 on EX, where the price falls from 104 to 52 and stays."""
    restated = habits.pop("restated", EX)
    world = world_of((52.0,) * after, Corporate(split=2.0), **habits)
    if restated is not None:
        world.restated["A", EX] = restated
    return world


def test_a_restated_file_has_its_past_in_new_units() -> None:
    world = halved()
    evening = {one.evening: one for one in deliveries_of(world)}
    assert [row.prices[3] for row in evening[DAYS[5]].bars] == [
        "100.00", "102.00", "101.00", "103.00", "104.00", "104.00",
    ]  # fmt: skip
    assert [row.prices[3] for row in evening[EX].bars] == [
        "50.00", "51.00", "50.50", "51.50", "52.00", "52.00", "52.00",
    ]  # fmt: skip
    assert [row.prices[4] for row in evening[EX].bars] == ["200000"] * 6 + ["100000"]


def test_a_dividend_is_taken_off_the_past_as_its_share_of_the_close_before() -> None:
    world = world_of((102.0, 102.0), Corporate(dividend=2.08), basis="total_return")
    world.restated["A", EX] = DAYS[7]
    files = {one.evening: [row.prices[3] for row in one.bars] for one in deliveries_of(world)}
    assert files[EX][-2:] == ["104.00", "102.00"]
    assert files[DAYS[7]] == ["98.00", "99.96", "98.98", "100.94", "101.92", "101.92", "102.00", "102.00"]


def test_a_return_across_a_split_is_right_from_the_evening_that_shows_it() -> None:
    reference = follow(halved(restated=DAYS[8]))
    assert allowed(reference, EX, EX) is None
    assert allowed(reference, EX, DAYS[7]) is None
    assert allowed(reference, DAYS[7], DAYS[7], window=2) is None
    # Half a cent of 104 and of 52, and twice that of the seam's middle overlap, 102 and 51.
    assert allowed(reference, EX, DAYS[8]) == (-0.0004, 0.0004)
    assert allowed(reference, DAYS[7], DAYS[8], window=2) == (-0.0004, 0.0004)
    assert reference.seams(DAYS[8]) == {("A", EX): (2.0, YES)}


def test_the_rounding_is_half_a_tick_of_each_close_in_its_own_units() -> None:
    reference = follow(halved())
    expected = reference.expect("A", EX, 1, EX)
    seam = 2 * (0.005 / 102 + 0.005 / 51)
    assert expected.high == pytest.approx(0.005 / 104 + 0.005 / 52 + seam, rel=1e-3)
    assert reference.expect("A", DAYS[4], 1, EX).high == pytest.approx(
        104 / 103 * (1 + 0.005 / 104 + 0.005 / 103) - 1, rel=1e-6
    )


def test_a_dividend_that_is_not_in_the_past_yet_may_be_left_out_of_a_return_until_then() -> None:
    world = world_of((101.0, 101.0), Corporate(dividend=2.08), basis="total_return")
    world.restated["A", EX] = DAYS[7]
    reference = follow(world)
    # 101 / 104 - 1 before, 101 / (104 - 2.08) - 1 after; ten thousandths around both.
    assert allowed(reference, EX, EX) == pytest.approx((-0.0288, -0.0090), abs=5e-4)
    assert reference.expect("A", EX, 1, EX).why == "a dividend is not in the past yet"
    assert allowed(reference, EX, DAYS[7]) == pytest.approx((-0.0090, -0.0090), abs=4e-4)


@pytest.mark.parametrize("days", [2, 4])
def test_a_file_without_an_overlap_never_shows_anything(days: int) -> None:
    reference = follow(halved(after=days, layout="a file a day"))
    last = DAYS[LOADED + days]
    assert allowed(reference, EX, last) is None
    assert allowed(reference, last, last, window=1) == (-0.0002, 0.0002)
    assert reference.jumps(last) == {("A", EX): YES}


def test_a_split_that_is_announced_explains_a_past_that_does_not_follow() -> None:
    world = halved(layout="a file a day", channel="column")
    world.announced.append(Announcement("A", EX, "split", 2.0, EX))
    assert allowed(follow(world), EX, EX) == (-0.0001, 0.0001)


@pytest.mark.parametrize(("told", "first_right"), [(DAYS[4], EX), (EX, EX), (DAYS[8], DAYS[8])])
def test_a_raw_price_is_put_into_units_by_what_was_announced(told: date, first_right: date) -> None:
    world = halved(basis="raw", channel="feed", restated=None)
    world.announced.append(Announcement("A", EX, "split", 2.0, told))
    reference = follow(world)
    for cut in DAYS[6:10]:
        assert allowed(reference, EX, cut) == ((-0.0001, 0.0001) if cut >= first_right else None)


def test_a_raw_dividend_is_bought_at_the_close_of_its_day() -> None:
    world = world_of((101.0, 101.0), Corporate(dividend=2.02), basis="raw", channel="feed")
    world.announced.append(Announcement("A", EX, "dividend", 2.02, DAYS[7]))
    reference = follow(world)
    # 101 / 104 - 1 as announced by its evening; 101 x 1.02 / 104 - 1 a day later.
    assert allowed(reference, EX, EX) == pytest.approx((-0.0288, -0.0288), abs=2e-4)
    assert allowed(reference, EX, DAYS[7]) == pytest.approx((-0.0094, -0.0094), abs=2e-4)


@pytest.mark.parametrize("fault", ["missing", "high below low", "negative close"])
def test_a_split_is_not_lost_with_its_bar(fault: Any) -> None:
    world = halved(basis="raw", channel="feed", restated=None)
    world.announced.append(Announcement("A", EX, "split", 2.0, EX))
    world.gaps["A", EX] = Gap(fault)
    reference = follow(world)
    assert allowed(reference, DAYS[7], DAYS[7]) is None
    assert allowed(reference, DAYS[7], DAYS[7], window=2) == (-0.0001, 0.0001)


@pytest.mark.parametrize("fault", ["high below low", "negative close"])
def test_a_split_on_the_row_of_a_refused_bar_is_announced(fault: Any) -> None:
    world = halved(basis="raw", channel="column", layout="a file a day", restated=None)
    world.announced.append(Announcement("A", EX, "split", 2.0, EX))
    world.gaps["A", EX] = Gap(fault)
    assert allowed(follow(world), DAYS[7], DAYS[7], window=2) == (-0.0001, 0.0001)
    world.gaps["A", EX] = Gap("missing")
    assert allowed(follow(world), DAYS[7], DAYS[7], window=2) is None


def test_a_split_that_the_prices_contradict_is_not_applied() -> None:
    world = world_of((105.0, 105.0), basis="raw", channel="feed")
    world.announced.append(Announcement("A", EX, "split", 2.0, EX))
    assert allowed(follow(world), EX, EX) == pytest.approx((0.0096, 0.0096), abs=2e-4)


@pytest.mark.parametrize(
    "habits",
    [
        {"basis": "raw", "channel": "column", "layout": "a file a day"},
        {"basis": "raw", "channel": "feed", "layout": "a file a day"},
        {"basis": "split", "layout": "all in one file"},
        {"basis": "total_return", "layout": "the last sessions"},
    ],
)
def test_a_crash_is_a_return_once_it_was_asked_for_three_times_in_vain(habits: dict[str, Any]) -> None:
    reference = follow(world_of((52.0, 53.0, 52.5, 52.0), **habits))
    for place in (6, 7, 8):
        assert allowed(reference, EX, DAYS[place]) is None
    assert allowed(reference, EX, DAYS[9]) == pytest.approx((-0.5, -0.5), abs=2e-4)
    assert reference.jumps(DAYS[8]) == {("A", EX): YES}
    assert reference.jumps(DAYS[9]) == {}


def test_a_crash_far_from_every_ratio_is_a_return_at_once_and_one_near_the_rim_may_be() -> None:
    assert allowed(follow(world_of((60.0,))), EX, EX) == pytest.approx((-0.4231, -0.4231), abs=2e-4)
    rim = follow(world_of((63.2,))).expect("A", EX, 1, EX)
    assert rim.null_allowed
    assert rim.low == pytest.approx(-0.3923, abs=2e-4)


def test_a_bad_tick_is_used_as_it_came_until_the_next_bar() -> None:
    world = world_of((104.0, 104.0), basis="raw", channel="column", layout="a file a day")
    world.ticks["A", EX] = Tick(0.58)
    reference = follow(world)
    assert allowed(reference, EX, EX) == pytest.approx((-0.42, -0.42), abs=2e-4)
    assert allowed(reference, EX, DAYS[7]) is None
    assert allowed(reference, DAYS[7], DAYS[7]) is None
    assert allowed(reference, DAYS[7], DAYS[7], window=2) == (-0.0001, 0.0001)
    world.ticks["A", EX] = Tick(0.5)
    assert allowed(follow(world), EX, EX) is None


def test_a_tick_that_comes_again_mended_is_a_bar() -> None:
    world = world_of((104.0, 104.0))
    world.ticks["A", EX] = Tick(0.58, mended=DAYS[7])
    reference = follow(world)
    assert allowed(reference, EX, EX) == pytest.approx((-0.42, -0.42), abs=2e-4)
    assert allowed(reference, EX, DAYS[7]) == (-0.0001, 0.0001)


def test_two_old_sessions_beside_a_new_one_may_or_may_not_show_a_change() -> None:
    world = halved(layout="the last sessions", restated=DAYS[8])
    expected = follow(world).expect("A", EX, 1, DAYS[8])
    assert expected.null_allowed
    assert expected.high == pytest.approx(0.0004, abs=1e-4)
    assert follow(world).seams(DAYS[8]) == {("A", EX): (2.0, PERHAPS)}


def test_a_bar_that_is_mended_in_new_units_is_read_in_them() -> None:
    world = halved()
    world.gaps["A", DAYS[4]] = Gap("missing", mended=DAYS[7])
    reference = follow(world)
    assert allowed(reference, DAYS[5], EX) is None
    assert allowed(reference, DAYS[5], DAYS[7]) == (-0.0004, 0.0004)


def test_a_symbol_goes_on_by_another_name_with_the_end_of_its_past() -> None:
    world = world_of((104.0, 105.0), layout="a file a day", basis="raw", channel="column")
    world.renames.append(Rename("A", "B", EX, overlap=3))
    rows = [(row.symbol, row.session) for one in deliveries_of(world)[-2:] for row in one.bars]
    assert rows == [("B", DAYS[4]), ("B", DAYS[5]), ("B", EX), ("B", DAYS[7])]
    reference = follow(world)
    assert reference.symbols(DAYS[5]) == ["A"]
    assert reference.expect("B", EX, 1, EX).high == pytest.approx(0.0001, abs=5e-5)
    assert reference.expect("A", EX, 1, EX).low is None


def test_two_changes_told_at_once_with_few_bars_between_are_one_at_the_first() -> None:
    actions = {("A", EX): Corporate(dividend=2.08), ("A", DAYS[8]): Corporate(split=2.0)}
    closes = {"A": (*CLOSES, 102.0, 102.0, 51.0, 51.0)}
    world = example(DAYS, LOADED, closes, actions, basis="total_return")
    world.restated["A", EX] = world.restated["A", DAYS[8]] = DAYS[8]
    reference = follow(world)
    assert reference.seams(DAYS[8]) == {("A", EX): (pytest.approx(2 / (1 - 2.08 / 104)), YES)}
    # The new bar, a first bar that looked like a tick, and two corrected ones with the bar after them.
    assert reference.versions(DAYS[8]) == 5
    world.restated["A", EX] = DAYS[7]
    assert len(follow(world).seams(DAYS[8])) == 2


def test_an_announced_split_is_in_doubt_where_prices_moved_by_half_as_much_again() -> None:
    world = halved(restated=None)
    world.announced.append(Announcement("A", EX, "split", 2.0, EX))
    world.ticks["A", EX] = Tick(0.57)
    reference = follow(world)
    assert reference.expect("A", EX, 1, EX).null_allowed
    assert allowed(reference, EX, EX) == pytest.approx((-0.43, -0.43), abs=1e-3)
    assert reference.jumps(EX) == {("A", EX): PERHAPS}


def test_an_evening_writes_one_version_a_bar_and_none_for_a_restatement() -> None:
    reference = follow(halved())
    assert [reference.versions(day) for day in (DAYS[4], DAYS[5], EX, DAYS[7])] == [5, 1, 1, 1]
    world = world_of((104.0, 104.0))
    world.ticks["A", EX] = Tick(0.58, mended=DAYS[7])
    assert follow(world).versions(DAYS[7]) == 4


@pytest.mark.parametrize(
    ("value", "expected", "said"),
    [
        (0.0101, Expected(0.01, 0.0102), ""),
        (0.0103, Expected(0.01, 0.0102), "0.010300, but it is 0.010000 to 0.010200"),
        (-0.5, Expected(0.0, 0.0001), "-0.500000, but it is 0.000000 to 0.000100"),
        (None, Expected(0.01, 0.0102), "null, but it is 0.010000 to 0.010200"),
        (None, Expected(0.01, 0.0102, null_allowed=True), ""),
        (None, Expected(None, None, null_allowed=True, why="a bar is not there"), ""),
        (0.0, Expected(None, None, null_allowed=True, why="no bar"), "0.000000, but null: no bar"),
    ],
)
def test_a_verdict_names_what_is_wrong(value: float | None, expected: Expected, said: str) -> None:
    assert verdict(value, expected) == said


def test_what_is_not_valid_is_null() -> None:
    rows = pl.DataFrame(
        {
            "symbol": ["A", "B", "C"],
            "session": ["2023-11-01"] * 3,
            "valid": ["true", "false", "true"],
            "mom_return_1d": ["0.5", "0.5", None],
        }
    )
    day = date(2023, 11, 1)
    assert returns_of(rows, "mom_return_1d") == {("A", day): 0.5, ("B", day): None, ("C", day): None}


@pytest.mark.parametrize("name", ["alerts", "findings"])
def test_an_alert_is_found_wherever_a_line_has_it(name: str) -> None:
    line = {"stages": [{"details": {name: ["AAA goes on as ANEW"]}, "why": "AAA BNEW"}]}
    answer = Answer(exit_code=0, line=line, said="")
    assert tells_of(answer, "AAA", "ANEW")
    assert not tells_of(answer, "AAA", "BNEW")


def test_the_hundred_worlds_have_every_story_in_them() -> None:
    told: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    for seed in range(100):
        world = build(seed)
        told.update(f"{world.basis} {story.partition(': ')[2].split()[0]}" for story in world.stories)
        told.update(f"late {world.basis}" for (_, day), told_on in world.restated.items() if told_on > day)
        reference = follow(world)
        for symbol in reference.symbols(world.evenings[-1]):
            for day in world.live:
                reference.expect(symbol, day, 1, world.evenings[-1])
        rules += reference.counts
    for basis in ("raw", "split", "total_return"):
        for story in ("split", "dividend,", "crash", "tick", "missing", "renamed"):
            assert told[f"{basis} {story}"] >= 4, (basis, story)
    assert min(told["late split"], told["late total_return"]) >= 20
    assert rules["a jump is unexplained"] >= 20
    assert rules["right"] > 0.8 * rules.total()
