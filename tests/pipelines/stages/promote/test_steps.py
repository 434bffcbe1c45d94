"""When a challenger takes over, from forecasts of the same held-out rows."""

from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from models.selection import Decision
from pipelines.stages.promote.steps import (
    as_numbers,
    compare,
    explain_unusable,
    refuse_withdrawn,
    stop_suspect,
    too_few,
)
from tests.pipelines.stages.evaluate.test_steps import PARAMS

SESSIONS = [date(2018, 1, 1) + timedelta(days=day) for day in range(20)]
SYMBOLS = [f"S{index:02d}" for index in range(15)]


def forecasts(strength: float, *, seed: int = 1) -> pl.DataFrame:
    """Labels are one fixed draw; the forecast is `strength` times the label plus noise."""
    count = len(SESSIONS) * len(SYMBOLS)
    label = np.random.default_rng(0).standard_normal(count)
    noise = np.random.default_rng(seed).standard_normal(count)
    return pl.DataFrame(
        {
            "symbol": SYMBOLS * len(SESSIONS),
            "session": [day for day in SESSIONS for _ in SYMBOLS],
            "value": strength * label + noise,
            "label": label,
        }
    )


def decide(
    champion: float | None, challenger: float, sessions: list[date] = SESSIONS, *, bootstrap: bool = False
) -> tuple[Decision, pl.DataFrame]:
    offered = {"new": forecasts(challenger), "zero": forecasts(0.0).with_columns(pl.lit(0.0).alias("value"))}
    if champion is not None:
        offered["old"] = forecasts(champion, seed=2)
    return compare(
        offered,
        sessions,
        challenger="new",
        champion="old" if champion is not None else None,
        bootstrap=bootstrap,
        params=PARAMS,
    )


def test_better_candidate_is_promoted_with_its_numbers() -> None:
    decision, table = decide(champion=0.2, challenger=2.0)
    assert decision.verdict == "promotion"
    assert decision.lost == ()
    assert decision.sessions == 20
    numbers = as_numbers(decision, table)
    assert [row["benchmark"] for row in numbers["comparisons"]] == ["old", "zero"]
    assert {row["forecaster"] for row in numbers["table"]} == {"new", "old", "zero"}
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers


def test_worse_candidate_is_rejected() -> None:
    decision, _ = decide(champion=2.0, challenger=0.2)
    assert decision.verdict == "rejection"
    assert decision.lost == ("old",)


def test_first_model_is_installed_and_says_what_it_lost() -> None:
    decision, table = decide(champion=None, challenger=-1.0, bootstrap=True)
    assert decision.verdict == "bootstrap"
    assert as_numbers(decision, table)["lost"] == ["zero"]


def test_too_few_unseen_sessions_decide_nothing() -> None:
    decision, table = decide(champion=0.2, challenger=2.0, sessions=SESSIONS[:9])
    assert decision.verdict == "insufficient"
    assert "9 held-out sessions unseen by both are fewer than min_holdout_sessions=10" in decision.why
    assert as_numbers(decision, table)["table"] == []


def test_only_the_unseen_sessions_count() -> None:
    decision, table = decide(champion=0.2, challenger=2.0, sessions=SESSIONS[5:])
    assert decision.sessions == 15
    assert table["rows"].to_list() == [15 * 15] * 3


def test_champion_that_cannot_be_asked_is_named() -> None:
    decision, _ = decide(champion=None, challenger=1.0)
    assert decision.verdict == "promotion"
    assert explain_unusable(decision, "") == decision
    named = explain_unusable(decision, "v3 lacks features").why
    assert named.startswith("v3 lacks features; beats all baselines by the margin")


def test_where_the_champion_cannot_be_asked_who_loses_to_zero_is_not_installed() -> None:
    decision, _ = decide(champion=None, challenger=-1.0)
    assert (decision.verdict, decision.lost) == ("rejection", ("zero",))
    few, _ = decide(champion=None, challenger=2.0, sessions=SESSIONS[:9])
    assert few.verdict == "insufficient"


def test_withdrawn_model_does_not_come_back_by_itself() -> None:
    decision, _ = decide(champion=0.2, challenger=2.0)
    refused = refuse_withdrawn(decision, "desk saw nonsense")
    assert refused.verdict == "rejection"
    assert refused.why.startswith("it was rolled back (desk saw nonsense)")


def test_a_result_above_the_leak_bound_is_stopped_unless_a_person_has_explained_it() -> None:
    decision, table = decide(champion=0.2, challenger=2.0)
    low = table.filter(pl.col("forecaster") == "new")["rank_ic_low"].item()

    def stopped(bound: float, *, accepted: bool = False, horizon: int = 5) -> Decision:
        return stop_suspect(
            decision, table, challenger="new", bound=bound, accepted=accepted, horizon_sessions=horizon
        )

    assert stopped(low) == decision
    assert stopped(0.05, accepted=True) == decision
    assert stopped(0.05, horizon=6) == decision  # 20 sessions are not four labels of six
    found = stopped(low - 0.0001)
    assert (found.verdict, found.installs, found.comparisons) == ("rejection", False, decision.comparisons)
    assert f"with 95 % at least {low:.4f}, is above the leak bound {low - 0.0001:.4f}" in found.why
    assert found.why.endswith(f"otherwise: {decision.why}")


def test_where_too_few_sessions_were_compared_no_leak_is_suspected() -> None:
    decision, table = decide(champion=0.2, challenger=2.0, sessions=SESSIONS[:9])
    found = stop_suspect(decision, table, challenger="new", bound=0.0, accepted=False, horizon_sessions=1)
    assert found == decision


@pytest.mark.parametrize("sessions", [0, 3])
def test_too_few_names_both_numbers(sessions: int) -> None:
    assert f"{sessions} held-out sessions" in too_few(sessions, 21).why
