"""Planted leaks are named, honest look-alikes are not: the firewall's own proof."""

from __future__ import annotations

import pytest

from tests.leakage.battery import honest, leaks, rare, unseen
from tests.leakage.battery.cases import examine_case, verdicts

VERSIONED = {"restated_value"}
"""Leaks that reach every column of their file."""
LEAKING = (*leaks.LEAKS, *unseen.LEAKS, *rare.LEAKS)
CLEAN = (*honest.HONEST, *unseen.HONEST, *rare.HONEST)


def test_the_battery_has_25_of_each_and_more():
    assert (len(leaks.LEAKS), len(honest.HONEST)) == (25, 25)
    assert len(unseen.LEAKS) + len(unseen.HONEST) >= 15


@pytest.mark.parametrize("function", LEAKING, ids=lambda one: one.__name__)
def test_a_leak_is_named_and_its_neighbour_is_not(function):
    known = leaks.KNOWN | rare.KNOWN
    found = verdicts(examine_case(function, known.get(function.__name__)))
    assert found["feature"] == "sees ahead"
    if "previous" in found and function.__name__ not in VERSIONED:
        assert found["previous"] == "clean"


@pytest.mark.parametrize("function", CLEAN, ids=lambda one: one.__name__)
def test_an_honest_feature_is_not_accused(function):
    name = function.__name__
    found = verdicts(examine_case(function, honest.KNOWN.get(name), honest.LOOKBACK.get(name)))
    assert set(found.values()) <= {"clean", "unbounded look-back"}


def test_a_feature_of_chance_is_unrepeatable():
    assert verdicts(examine_case(unseen.random_sample)) == {"feature": "unrepeatable"}
