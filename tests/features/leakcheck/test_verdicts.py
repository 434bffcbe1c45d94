"""The gravest verdict that applies is given."""

from __future__ import annotations

import pytest

from features.leakcheck.findings import Finding
from features.leakcheck.verdicts import choose_verdict

FOUND = Finding(probe="truncation", cut="after", symbol=0, effect=1.0, appears=False, cells=1)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "clean"),
        ({"endless": True}, "unbounded look-back"),
        ({"endless": True, "declared": 400, "reach": 400}, "clean"),
        ({"declared": 20, "reach": 21}, "overreach"),
        ({"declared": 20, "reach": 20}, "clean"),
        ({"varies": False}, "nothing to see"),
        ({"unrepeatable": True, "varies": False}, "unrepeatable"),
        ({"found": [FOUND], "unrepeatable": True}, "sees ahead"),
    ],
)
def test_the_gravest_applies(changes, verdict):
    usual = {
        "found": [],
        "unrepeatable": False,
        "declared": None,
        "reach": 5,
        "endless": False,
        "varies": True,
    }
    assert choose_verdict(**(usual | changes)) == verdict
