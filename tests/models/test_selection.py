"""Decisions worked through on small tables."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import polars as pl
import pytest

from models.params import PromotionParams
from models.selection import comparable_sessions, decide
from tests.models.market import weekdays

PARAMS = PromotionParams(margin_rank_ic=0.005)


def table(sessions: int = 60, **leads: float) -> pl.DataFrame:
    """The challenger's row, and one a benchmark with the lead over it (t: a hundred times as much)."""
    rows = [("new", 0.0), *leads.items()]
    return pl.DataFrame(
        {
            "forecaster": [name for name, _ in rows],
            "sessions": [sessions] * len(rows),
            "lead": [lead for _, lead in rows],
            "lead_t": [100 * lead for _, lead in rows],
        }
    )


def test_that_a_clear_lead_over_all_promotes() -> None:
    results = table(old=0.006, zero=0.02, ridge=0.005)
    decision = decide(
        results, challenger="new", champion="old", bootstrap=False, params=PARAMS, min_sessions=20
    )
    assert (decision.verdict, decision.installs, decision.lost, decision.sessions) == (
        "promotion",
        True,
        (),
        60,
    )
    assert [item.benchmark for item in decision.comparisons] == ["old", "ridge", "zero"]
    assert "old +0.0060, ridge +0.0050, zero +0.0200" in decision.why


@pytest.mark.parametrize(
    ("leads", "lost"), [({"old": 0.004, "zero": 0.02}, "old"), ({"old": 0.02, "zero": 0.004}, "zero")]
)
def test_that_one_lead_below_the_margin_rejects(leads: dict[str, float], lost: str) -> None:
    decision = decide(
        table(**leads), challenger="new", champion="old", bootstrap=False, params=PARAMS, min_sessions=20
    )
    assert (decision.verdict, decision.installs, decision.lost) == ("rejection", False, (lost,))
    assert decision.why.endswith(f"not beaten: {lost}")


def test_that_baselines_may_be_left_to_the_reader() -> None:
    params = PromotionParams(margin_rank_ic=0.005, require_baselines=False)
    decision = decide(
        table(old=0.01, zero=-0.01),
        challenger="new",
        champion="old",
        bootstrap=False,
        params=params,
        min_sessions=20,
    )
    assert (decision.verdict, decision.lost) == ("promotion", ("zero",))


def test_that_an_unsure_lead_over_the_champion_rejects() -> None:
    params = PromotionParams(margin_rank_ic=0.005, min_paired_t=2.0)
    decision = decide(
        table(old=0.01), challenger="new", champion="old", bootstrap=False, params=params, min_sessions=20
    )
    assert (decision.verdict, decision.lost) == ("rejection", ("old",))


def test_that_equal_forecasts_do_not_win_without_a_margin() -> None:
    params = PromotionParams(margin_rank_ic=0.0)
    decision = decide(
        table(old=0.0), challenger="new", champion="old", bootstrap=False, params=params, min_sessions=20
    )
    assert decision.verdict == "rejection"


def test_that_the_first_model_is_installed_with_what_it_lost() -> None:
    results = table(sessions=3, zero=-0.01, ridge=0.01)
    decision = decide(
        results, challenger="new", champion=None, bootstrap=True, params=PARAMS, min_sessions=20
    )
    assert (decision.verdict, decision.installs, decision.lost) == ("bootstrap", True, ("zero",))


@pytest.mark.parametrize(
    ("leads", "verdict"),
    [
        ({"zero": 0.02, "ridge": 0.01}, "promotion"),
        ({"zero": -0.01, "ridge": 0.01}, "rejection"),
        ({}, "rejection"),
    ],
    ids=["beats all", "loses to zero", "nothing to compare with"],
)
def test_that_where_the_champion_cannot_be_asked_every_baseline_has_to_be_beaten(
    leads: dict[str, float], verdict: str
) -> None:
    params = PromotionParams(margin_rank_ic=0.005, require_baselines=False)
    decision = decide(
        table(**leads), challenger="new", champion=None, bootstrap=False, params=params, min_sessions=20
    )
    assert decision.verdict == verdict
    assert "champion" not in decision.why


def test_that_where_the_champion_cannot_be_asked_too_few_sessions_decide_nothing() -> None:
    decision = decide(
        table(sessions=19, zero=0.5),
        challenger="new",
        champion=None,
        bootstrap=False,
        params=PARAMS,
        min_sessions=20,
    )
    assert decision.verdict == "insufficient"


def test_that_too_few_sessions_decide_nothing() -> None:
    decision = decide(
        table(sessions=19, old=0.5),
        challenger="new",
        champion="old",
        bootstrap=False,
        params=PARAMS,
        min_sessions=20,
    )
    assert (decision.verdict, decision.installs) == ("insufficient", False)
    assert decision.why == "19 held-out sessions unseen by both are fewer than 20; wait for more"


def test_that_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['old'\] are not in the table, which holds \['new', 'zero'\]"):
        decide(
            table(zero=0.1), challenger="new", champion="old", bootstrap=False, params=PARAMS, min_sessions=20
        )


def test_that_comparable_sessions_follow_both_models_and_the_embargo() -> None:
    days = weekdays(10)
    decided = [datetime.combine(day, time(22), UTC) for day in days]
    spine = pl.DataFrame({"session": days * 2, "cutoff_at": decided * 2})
    ends = [decided[1] - timedelta(hours=1), decided[4] - timedelta(hours=1)]
    assert comparable_sessions(spine, ends, embargo_sessions=0) == days[4:]
    assert comparable_sessions(spine, ends, embargo_sessions=2) == days[6:]
