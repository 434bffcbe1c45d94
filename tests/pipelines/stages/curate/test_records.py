"""Records as sent become typed bars in the units that stand; what rows say of actions is heard beside."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from features.sessions import SessionCalendar
from pipelines.stages.curate.records import ReadBars, read_bars, seam_rows, seams_of
from pipelines.stages.curate.seams import Seam
from pipelines.stages.curate.steps import RECORD_COLUMNS
from pipelines.tables.session_grid import SessionGrid
from tests.pipelines.stages.curate.deliveries import cut

GRID = SessionGrid.spanning(SessionCalendar(), date(2024, 1, 2), date(2024, 1, 31))
DAYS = GRID.frame["session"].to_list()
PAST = {0: "100.10", 1: "101.30", 2: "99.50", 3: "102.70"}
HALVED = {0: "50.05", 1: "50.65", 2: "49.75", 3: "51.35"}
FEED = ("feed", "AAA")


def sent(day: int, closes: dict[int, str], **columns: Any) -> list[dict[str, Any]]:
    """Records of one delivery, landed on the evening of a day: closes as sent, by place of the session."""
    return [
        {
            "source": FEED[0],
            "symbol": FEED[1],
            "delivery": f"{day}.csv",
            "delivered_at": cut(day),
            "landed_at": cut(day),
            "known_at": cut(day),
            "known_by": "observed",
            "record_hash": f"{day}/{place}",
            "session": str(DAYS[place]),
            "session_date": DAYS[place],
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume": "1000",
            "overlap": 0,
            **columns,
        }
        for place, close in closes.items()
    ]


def read(*deliveries: list[dict[str, Any]], whole: bool = True, **how: Any) -> ReadBars:
    rows = [one for delivery in deliveries for one in delivery]
    frame = pl.DataFrame(rows, schema={**RECORD_COLUMNS, "record": pl.String})
    return read_bars(frame, GRID, whole=pl.lit(value=whole), **({"given": {}, "splits": {}} | how))


def closes(found: ReadBars) -> list[tuple[date, float, datetime]]:
    return found.accepted.select("session", "close", "known_at").rows()


def test_text_becomes_numbers_on_their_sessions() -> None:
    found = read(sent(0, {0: " 100.10 ", 1: "1e2"}))
    assert closes(found) == [(DAYS[0], 100.10, cut(0)), (DAYS[1], 100.0, cut(0))]
    first = GRID.frame["position"][0]
    assert found.accepted["position"].to_list() == [first, first + 1]
    assert found.seams == {}


@pytest.mark.parametrize("columns", [{"volume": "-5"}, {"high": "1"}, {"known_at": None}, {"close": "n/a"}])
def test_what_is_refused_is_left_out(columns: dict[str, Any]) -> None:
    assert closes(read(sent(0, {0: "100"}), sent(1, {0: "101"}, **columns))) == [(DAYS[0], 100.0, cut(0))]


def test_a_day_that_is_no_session_is_left_out() -> None:
    saturday = sent(0, {0: "100"}, session="2024-01-06", session_date=date(2024, 1, 6))
    assert read(saturday).accepted.is_empty()


def test_a_restated_past_is_read_through_its_seam_and_is_no_news() -> None:
    found = read(sent(3, PAST), sent(4, {**HALVED, 4: "52.00"}))
    assert closes(found) == [
        *((DAYS[place], float(close), cut(3)) for place, close in PAST.items()),
        (DAYS[4], 52.0, cut(4)),
    ]
    (seam,) = found.seams[FEED]
    assert (GRID.frame["session"][seam.position - GRID.frame["position"][0]], seam.price) == (DAYS[4], 2.0)


def test_a_refused_bar_of_the_ex_session_hides_no_seam() -> None:
    bad = sent(4, {4: "-1"}, split="2")
    found = read(sent(3, PAST), [*sent(4, HALVED), *bad])
    assert [seam.price for seam in found.seams[FEED]] == [2.0]
    assert found.announced.filter(pl.col("split") == 2).select("session", "known_at").rows() == [
        (DAYS[4], cut(4))
    ]


def test_symbols_of_which_not_all_is_there_show_none() -> None:
    found = read(sent(3, PAST), sent(4, {**HALVED, 4: "52.00"}), whole=False)
    assert found.seams == {}
    assert found.accepted.height == 9


def test_they_are_read_through_those_that_are_given() -> None:
    position = GRID.frame["position"][4]
    seam = Seam(position=position, price=2.0, share=1.0, known_at=cut(4), order=(cut(4), "4.csv"))
    found = read(sent(5, {3: "51.00", 5: "53.00"}), whole=False, given={FEED: [seam]})
    assert closes(found) == [(DAYS[3], 102.0, cut(5)), (DAYS[5], 53.0, cut(5))]


def test_a_feed_beside_it_and_another_symbol_show_no_seam_of_its_own() -> None:
    other = [one | {"source": "other"} for one in sent(4, HALVED)]
    third = [one | {"symbol": "BBB"} for one in sent(4, HALVED)]
    found = read(sent(3, PAST), other, third)
    assert found.seams == {}
    assert found.accepted.height == 12


@pytest.mark.parametrize(("told", "heard"), [("2", 2.0), ("0", 1.0), ("-2", None), ("two", None)])
def test_what_a_refused_row_says_of_a_split_counts_if_it_can_be_read(told: str, heard: float | None) -> None:
    found = read(sent(0, {0: "100"}, split="3"), sent(1, {0: "-1"}, split=told))
    said = found.announced.sort("known_at")["split"].to_list()
    assert said == [3.0, heard]


def test_rows_of_symbols_without_an_action_announce_nothing() -> None:
    quiet = read(sent(0, PAST, split="1", dividend="0"))
    assert quiet.announced.is_empty()
    assert quiet.accepted["answered"].to_list() == [True] * 4
    assert read(sent(0, PAST)).accepted["answered"].to_list() == [False] * 4


def test_states_of_units_lead_back_to_the_seams() -> None:
    first = int(GRID.frame["position"][0])
    steps = [
        Seam(position=first + 4, price=2.0, share=2.0, known_at=cut(4), order=(cut(4), "4.csv")),
        Seam(position=first + 6, price=1.0237, share=1.0, known_at=cut(6), order=(cut(6), "6.csv")),
        Seam(position=first + 4, price=0.5, share=0.5, known_at=cut(7), order=(cut(7), "7.csv")),
    ]
    states = seam_rows({FEED: steps}, GRID)
    assert states.sort("known_at").select("session", "value", "valid").rows() == [
        (DAYS[4], 2.0, True),
        (DAYS[6], 1.0237, True),
        (DAYS[4], 1.0, False),
    ]
    assert seams_of(states.drop("position"), GRID)[FEED] == steps


def test_without_seams_there_are_no_states() -> None:
    assert seam_rows({FEED: []}, GRID).is_empty()
    assert seams_of(seam_rows({}, GRID).drop("position"), GRID) == {}


def test_a_second_word_of_one_instant_is_the_last_deliverys() -> None:
    early = sent(0, {0: "100"})
    late = sent(1, {0: "101"}, known_at=cut(0), delivered_at=cut(0) + timedelta(hours=1))
    assert closes(read(late, early)) == [(DAYS[0], 101.0, cut(0))]
