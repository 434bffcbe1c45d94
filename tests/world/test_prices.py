"""One short story for each way in which prices change their units, or seem to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.world import calendar as exchange
from tests.world.priced_example import PricedHome, example, open_priced
from tests.world.priced_play import tells_of
from tests.world.priced_records import Announcement, Corporate, Gap, Key, Rename, Tick
from tests.world.priced_vendor import PricedWorld, deliveries_of, write_bars

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.world
DAYS = exchange.sessions(date(2023, 10, 2), date(2023, 11, 30))
LOADED = PLACE = 22
EX = DAYS[PLACE]
BEFORE, NEXT, THIRD = DAYS[PLACE - 1], DAYS[PLACE + 1], DAYS[PLACE + 3]
FLAT = (50.0, 50.5, 50.25, 49.75)
PAST = (101.0, 100.5, 99.5, 100.0)
ROUNDING = 6e-4
"""Half a cent of prices about 50 and 100, and of the ratio between their units."""
SPLIT = Corporate(split=2.0)
Opener = Callable[..., PricedHome]


@pytest.fixture
def open_home(spark: SparkSession, tmp_path: Path) -> Opener:
    """Open a home beside a world, with further settings if any."""

    def open_one(world: PricedWorld, *settings: str) -> PricedHome:
        return open_priced(tmp_path, world, *settings)

    return open_one


def story(after: tuple[float, ...], action: Corporate | None = None, **habits: Any) -> PricedWorld:
    """Return a world in which AAA walks about 100, closes at 100 before EX and as given from there on."""
    closes = (*(PAST * 6)[: PLACE - 1], 100.0, *after)
    beside = (FLAT * 10)[: len(closes)]
    happens = {("AAA", EX): action} if action else {}
    world = example(DAYS, LOADED, {"AAA": closes, "BBB": beside, "CCC": beside}, happens, **habits)
    if action and world.basis != "raw":
        world.restated["AAA", EX] = EX
    return world


def raw(after: tuple[float, ...], **habits: Any) -> PricedWorld:
    """Return a world of raw prices, actions in files of their own, with a split of 2 for 1 on EX."""
    usual: dict[str, Any] = {"basis": "raw", "channel": "feed", "layout": "a file a day"}
    return story(after, SPLIT, **(usual | habits))


def read_cut(priced: PricedHome, cut: date) -> Callable[[], None]:
    """Publish at a cut, and return what refuses any change of what was known by then."""

    def known() -> list[list[tuple[object, ...]]]:
        words = ("--known-at", exchange.cut(cut).isoformat())
        tables = ("silver.bars", "silver.actions", "gold.features_daily", "gold.labels")
        return [sorted(priced.home.show(table, *words).rows(), key=str) for table in tables]

    answer = priced.home.run(
        "materialize", "--as-of", str(cut), clock=exchange.cut(cut) + timedelta(minutes=5)
    )
    assert answer.exit_code == 0, answer.said
    before = known()

    def compare() -> None:
        for one, other in zip(before, known(), strict=True):
            assert one == other

    return compare


def announce(world: PricedWorld, evening: date, value: float = 2.0) -> None:
    """Let the vendor announce a split of AAA on EX."""
    world.announced.append(Announcement("AAA", EX, "split", value, evening))


def assert_tick_found(priced: PricedHome) -> None:
    """Ask that the bar on EX is no return while it is new, and gone with the next one."""
    priced.follow(NEXT)
    assert priced.value("AAA", EX, EX) is None
    assert priced.value("AAA", NEXT, NEXT) is None
    assert priced.value("AAA", NEXT, NEXT, window=2) == pytest.approx(0, abs=ROUNDING)
    assert [valid for _, valid in priced.closes("AAA", EX)] == ["true", "false"]


@pytest.mark.parametrize("stamped", [True, False])
def test_a_past_restated_for_a_split_is_no_crash(open_home: Opener, stamped: bool) -> None:
    priced = open_home(story((50.0, 51.0, 51.0, 51.0), SPLIT, stamped=stamped))
    priced.follow(EX)
    assert priced.value("AAA", EX, EX) == pytest.approx(0, abs=ROUNDING)
    assert priced.actions("rebase", EX) == [("AAA", str(EX), 2.0, True)]
    assert priced.closes("AAA", BEFORE) == [("100.0", "true")]
    priced.follow(THIRD)
    assert priced.value("AAA", NEXT, THIRD) == pytest.approx(0.02, abs=ROUNDING)
    assert priced.value("AAA", NEXT, THIRD, window=5) == pytest.approx(102 / 99.5 - 1, abs=ROUNDING)
    signals = [priced.label("AAA", DAYS[PLACE - place], THIRD) for place in (3, 2, 1)]
    assert signals == pytest.approx([100 / 101 - 1, 0, 0.02], abs=ROUNDING)


def test_a_past_restated_for_a_dividend_is_no_loss(open_home: Opener) -> None:
    world = story((97.0, 97.97, 97.97, 97.97), Corporate(dividend=3.0), basis="total_return")
    priced = open_home(world)
    priced.follow(THIRD)
    assert priced.value("AAA", EX, EX) == pytest.approx(0, abs=ROUNDING)
    assert priced.label("AAA", DAYS[PLACE - 2], THIRD) == pytest.approx(0, abs=ROUNDING)
    assert priced.value("AAA", NEXT, NEXT, window=2) == pytest.approx(0.01, abs=ROUNDING)
    assert len(priced.closes("AAA", BEFORE)) == 1


def test_a_restatement_that_comes_late_leaves_a_return_null_until_it_comes(open_home: Opener) -> None:
    world = story((50.0, 51.0, 51.0), SPLIT)
    world.restated["AAA", EX] = DAYS[PLACE + 2]
    priced = open_home(world)
    priced.follow(DAYS[PLACE + 2])
    assert [priced.value("AAA", EX, cut) for cut in (EX, NEXT)] == [None, None]
    assert priced.value("AAA", EX, DAYS[PLACE + 2]) == pytest.approx(0, abs=ROUNDING)
    assert priced.actions("jump", EX) == [("AAA", str(EX), 0.5, True)]
    assert not any(valid for *_, valid in priced.actions("jump", DAYS[PLACE + 2]))


def test_an_announced_split_hides_no_bad_tick(open_home: Opener) -> None:
    """The past is restated already, so that the half on the ex-date is a tick and not the split again."""
    world = story((50.0, 50.0, 50.0), SPLIT, channel="column")
    announce(world, EX)
    world.ticks["AAA", EX] = Tick(0.5)
    assert_tick_found(open_home(world))


def test_a_bad_tick_on_the_ex_date_hides_an_announced_split_until_the_next_bar(open_home: Opener) -> None:
    world = story((50.0, 50.0, 50.0), SPLIT, channel="feed")
    announce(world, EX)
    world.restated["AAA", EX] = DAYS[PLACE + 9]
    world.ticks["AAA", EX] = Tick(0.57)
    assert_tick_found(open_home(world))


def test_a_crash_is_kept_though_volume_does_not_follow_a_restated_reverse_split(open_home: Opener) -> None:
    """The past before the reverse split shows ten times the turnover of the days before the crash."""
    split, crash = 13, 18
    past, after = (PAST * 4)[:split], (1000.0,) * (crash - split)
    closes = {"AAA": (*past, *after, 500.0, 990.0, 1000.0, 1000.0), "BBB": (FLAT * 6)[:LOADED]}
    reverse = {("AAA", DAYS[split]): Corporate(split=0.1)}
    habits: dict[str, Any] = {"basis": "total_return", "volume_restated": False}
    world = example(DAYS, LOADED, closes, reverse, **habits)
    world.restated["AAA", DAYS[split]] = DAYS[split]
    for place, day in enumerate(DAYS[:LOADED]):
        heavy = 9 if place in (crash, crash + 1) else 1
        volume = 100_000 * heavy // (1 if place < split else 10)
        world.market.bars["AAA", day] = replace(world.market.bars["AAA", day], volume=volume)
    priced = open_home(world)
    loaded = DAYS[LOADED - 1]
    priced.follow(loaded)
    assert [valid for _, valid in priced.closes("AAA", DAYS[crash])] == ["true"]
    assert priced.value("AAA", DAYS[crash], loaded) == pytest.approx(-0.5, abs=ROUNDING)


@pytest.mark.parametrize("fault", ["missing", "high below low", "negative close"])
def test_a_split_is_not_lost_with_a_bar_that_is_not_there(open_home: Opener, fault: Any) -> None:
    world = raw((50.0, 51.0, 51.0))
    announce(world, EX)
    world.gaps["AAA", EX] = Gap(fault)
    priced = open_home(world)
    priced.follow(NEXT)
    assert priced.value("AAA", NEXT, NEXT) is None
    assert priced.value("AAA", NEXT, NEXT, window=2) == pytest.approx(0.02, abs=ROUNDING)
    assert priced.value("AAA", NEXT, NEXT, window=5) == pytest.approx(102 / 99.5 - 1, abs=ROUNDING)
    assert priced.actions("split", NEXT) == [("AAA", str(EX), 2.0, True)]


def test_a_split_is_not_lost_with_the_row_of_a_refused_bar(open_home: Opener) -> None:
    world = raw((50.0, 51.0, 51.0), channel="column")
    announce(world, EX)
    world.gaps["AAA", EX] = Gap("negative close")
    priced = open_home(world)
    priced.follow(NEXT)
    assert priced.value("AAA", NEXT, NEXT, window=2) == pytest.approx(0.02, abs=ROUNDING)


def test_a_split_is_not_lost_with_a_bar_that_is_taken_back(open_home: Opener) -> None:
    world = raw((50.0, 50.0, 50.0))
    announce(world, BEFORE)
    world.ticks["AAA", EX] = Tick(0.58)
    priced = open_home(world)
    priced.follow(NEXT)
    assert priced.value("AAA", EX, EX) == pytest.approx(-0.42, abs=ROUNDING)
    assert [valid for _, valid in priced.closes("AAA", EX)] == ["true", "false"]
    assert priced.value("AAA", NEXT, NEXT, window=2) == pytest.approx(0, abs=ROUNDING)


def test_an_action_that_comes_without_a_bar_changes_the_returns(open_home: Opener) -> None:
    world = raw((50.0, 51.0, 51.0))
    announce(world, NEXT)
    world.gaps["AAA", NEXT] = Gap("missing")
    priced = open_home(world)
    priced.follow(NEXT)
    assert priced.value("AAA", EX, EX) is None
    assert priced.value("AAA", EX, NEXT) == pytest.approx(0, abs=ROUNDING)


def test_an_action_that_is_withdrawn_was_in_the_returns_until_then(open_home: Opener) -> None:
    world = story((99.0, 99.0), basis="raw", channel="feed", layout="a file a day")
    world.announced.append(Announcement("AAA", EX, "dividend", 0.99, BEFORE))
    world.announced.append(Announcement("AAA", EX, "dividend", 0.0, NEXT))
    priced = open_home(world)
    priced.follow(NEXT)
    assert priced.value("AAA", EX, EX) == pytest.approx(99.99 / 100 - 1, abs=ROUNDING)
    assert priced.value("AAA", EX, NEXT) == pytest.approx(-0.01, abs=ROUNDING)


def test_raw_prices_declared_adjusted_are_no_history(open_home: Opener) -> None:
    early: dict[Key, Corporate] = {("AAA", DAYS[9]): SPLIT, ("BBB", DAYS[12]): SPLIT}
    closes = {
        "AAA": [*(PAST * 3)[:9], *(FLAT * 4)[:13]],
        "BBB": [*(PAST * 3)[:12], *(FLAT * 4)[:10]],
        "CCC": (FLAT * 6)[:22],
    }
    world = example(DAYS, LOADED, closes, early, basis="raw", channel="column")
    for symbol, day in early:
        world.announced.append(Announcement(symbol, day, "split", 2.0, day))
    priced = open_home(world, "sources.files.price_basis=split")
    answer = priced.run(world.past[-1])
    assert answer.exit_code == 78, answer.said
    for word in ("price_basis", "raw", "AAA", str(DAYS[9])):
        assert word in answer.said, answer.said


@pytest.mark.parametrize("basis", ["raw", "split"])
def test_a_crash_and_its_rebound_are_kept(open_home: Opener, basis: Any) -> None:
    habits = {"channel": "column", "layout": "a file a day"} if basis == "raw" else {}
    heavy: tuple[Key, ...] = (("AAA", EX), ("AAA", NEXT))
    world = story((50.0, 98.0, 98.0, 98.0, 98.0), basis=basis, heavy=heavy, **habits)
    priced = open_home(world)
    fourth = DAYS[PLACE + 4]
    priced.follow(fourth)
    assert [priced.value("AAA", EX, cut) for cut in (EX, NEXT)] == [None, None]
    assert priced.value("AAA", EX, THIRD) == pytest.approx(-0.5, abs=ROUNDING)
    assert priced.value("AAA", NEXT, fourth) == pytest.approx(0.96, abs=ROUNDING)
    assert [valid for _, valid in priced.closes("AAA", EX)] == ["true"]
    labels = [priced.label("AAA", DAYS[PLACE - place], fourth) for place in (2, 1)]
    assert labels == pytest.approx([-0.5, 0.96], abs=ROUNDING)


def test_a_crash_in_a_history_with_its_actions_is_kept(open_home: Opener) -> None:
    crash = DAYS[8]
    closes = {"AAA": [*(PAST * 2), 50.0, *[98.0] * 13], "BBB": (FLAT * 6)[:22]}
    heavy = (("AAA", crash), ("AAA", DAYS[9]))
    world = example(DAYS, LOADED, closes, heavy=heavy, basis="raw", channel="column")
    priced = open_home(world)
    priced.follow(DAYS[LOADED - 1])
    loaded = DAYS[LOADED - 1]
    assert priced.value("AAA", crash, loaded) == pytest.approx(-0.5, abs=ROUNDING)
    assert priced.value("AAA", DAYS[9], loaded) == pytest.approx(0.96, abs=ROUNDING)


def test_a_person_says_that_a_jump_was_real(open_home: Opener) -> None:
    priced = open_home(story((50.0, 51.0, 51.0), heavy=(("AAA", EX),)))
    priced.follow(EX)
    assert priced.value("AAA", EX, EX) is None
    answer = priced.accept_jump("AAA", EX, EX)
    assert answer.exit_code == 0, answer.said
    priced.follow(NEXT)
    assert priced.value("AAA", EX, EX) is None
    assert priced.value("AAA", EX, NEXT) == pytest.approx(-0.5, abs=ROUNDING)
    assert not any(valid for *_, valid in priced.actions("jump", NEXT))


def test_a_rename_is_told_of(open_home: Opener) -> None:
    world = story((100.0, 101.0, 101.0), basis="raw", channel="column", layout="a file a day")
    world.renames.append(Rename("AAA", "ANEW", NEXT, overlap=10))
    priced = open_home(world)
    assert not tells_of(priced.follow(EX), "AAA", "ANEW")
    answer = priced.follow(NEXT)
    assert tells_of(answer, "AAA", "ANEW"), answer.line
    assert not tells_of(answer, "BBB", "ANEW")
    assert priced.value("ANEW", NEXT, NEXT) == pytest.approx(0.01, abs=ROUNDING)


def test_a_bar_that_comes_late_leaves_the_jump_that_a_cut_was_read_with(open_home: Opener) -> None:
    world = story((50.0, 51.0, 51.0), layout="a file a day")
    world.gaps["AAA", EX] = Gap("missing", mended=DAYS[PLACE + 2])
    priced = open_home(world)
    priced.follow(NEXT)
    assert priced.actions("jump", NEXT) == [("AAA", str(NEXT), 0.51, True)]
    compare = read_cut(priced, NEXT)
    priced.follow(DAYS[PLACE + 2])
    compare()
    assert priced.actions("jump", DAYS[PLACE + 2])[0] == ("AAA", str(EX), 0.5, True)


def test_a_bar_that_comes_late_leaves_the_split_that_a_cut_did_not_believe(open_home: Opener) -> None:
    world = raw((100.0, 101.0, 101.0))
    announce(world, EX)
    world.gaps["AAA", EX] = Gap("missing", mended=DAYS[PLACE + 2])
    priced = open_home(world)
    priced.follow(NEXT)
    assert priced.actions("split", NEXT) == [("AAA", str(EX), 2.0, False)]
    compare = read_cut(priced, NEXT)
    priced.follow(DAYS[PLACE + 2])
    compare()
    assert priced.value("AAA", NEXT, DAYS[PLACE + 2]) == pytest.approx(0.01, abs=ROUNDING)


def test_an_older_file_that_comes_late_changes_no_units_twice(open_home: Opener) -> None:
    """It has the whole past restated, and comes when the last sessions of it have been read restated."""
    world = story((50.0, 51.0, 51.0, 51.0), SPLIT, layout="the last sessions")
    whole, *_ = (
        one for one in deliveries_of(replace(world, layout="all in a new file")) if one.evening == EX
    )
    priced = open_home(world)
    sent = [
        replace(one, bars=tuple(row for row in one.bars if one.evening != EX or row.symbol != "AAA"))
        for one in priced.player.deliveries
    ]
    priced.player.deliveries = sent
    priced.follow(NEXT)
    compare = read_cut(priced, NEXT)
    own = replace(whole, bars=tuple(row for row in whole.bars if row.symbol == "AAA"))
    write_bars(priced.player.folder / "bars" / "late.csv", own)
    priced.follow(THIRD)
    compare()
    assert priced.actions("rebase", THIRD) == [("AAA", str(EX), 2.0, True)]
    assert priced.value("AAA", NEXT, THIRD, window=5) == pytest.approx(102 / 99.5 - 1, abs=ROUNDING)


@pytest.mark.parametrize("split", [2.0, 1.05])
def test_a_past_in_two_files_changes_its_units_once(open_home: Opener, split: float) -> None:
    world = story((100 / split, 102 / split), Corporate(split=split))
    priced = open_home(world)
    for one in deliveries_of(world):
        parts = [
            [row for row in one.bars if (row.session < DAYS[PLACE - 8]) is early] for early in (True, False)
        ]
        earlier, later = (replace(one, bars=tuple(rows)) for rows in parts)
        first = replace(earlier, written_at=one.written_at - timedelta(minutes=1))
        write_bars(priced.player.folder / "bars" / f"first-{one.evening}.csv", first)
        priced.player.deliveries = [later]
        priced.follow(one.evening)
    assert priced.actions("rebase", NEXT) == [("AAA", str(EX), split, True)]
    assert priced.value("AAA", NEXT, NEXT, window=5) == pytest.approx(102 / 99.5 - 1, abs=ROUNDING)
