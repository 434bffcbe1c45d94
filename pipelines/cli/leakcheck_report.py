"""What the firewall found, as a table or as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from features.leakcheck.verdicts import Examination, FeatureVerdict
from pipelines.base.text_table import text_table

HEADER = (
    "feature",
    "verdict",
    "seen by",
    "sees ahead from",
    "effect",
    "in s.d.",
    "look-back",
    "smallest visible",
)


def render_examinations(examined: Sequence[Examination], *, as_json: bool) -> str:
    """Return the report of one or more examinations."""
    if as_json:
        return json.dumps(describe(examined), indent=2, default=str)
    return "\n\n".join(_render(one) for one in examined)


def describe(examined: Sequence[Examination]) -> dict[str, object]:
    """Return the report as values that JSON has."""
    features = [dataclasses.asdict(feature) for one in examined for feature in one.features]
    parts = [
        {key: value for key, value in dataclasses.asdict(one).items() if key != "features"}
        for one in examined
    ]
    return {"refused": [feature.name for one in examined for feature in one.refused], "features": features,
            "examined": parts}  # fmt: skip


def _render(examined: Examination) -> str:
    lines = [
        text_table(HEADER, [_cells(one) for one in examined.features]),
        "",
        (
            f"{examined.rows} rows of {examined.symbols} symbols and {examined.sessions} sessions, "
            f"{examined.cuts} cuts common to all symbols, {examined.own_cuts} of single symbols, "
            f"{examined.runs} runs; smallest visible: in standard deviations of the feature"
        ),
        *examined.notes,
    ]
    return "\n".join(lines)


def _cells(one: FeatureVerdict) -> tuple[str, ...]:
    effect = f"{one.effect:.3g}" if one.effect else ""
    if one.appears:
        effect = f"{effect}, null or value" if effect else "null or value"
    return (
        one.name,
        one.verdict,
        ", ".join(one.probes),
        str(one.first_session or ""),
        effect,
        f"{one.effect_deviations:.3g}" if one.effect else "",
        _lookback(one),
        "" if one.smallest_visible is None else f"{one.smallest_visible:.1e}",
    )


def _lookback(one: FeatureVerdict) -> str:
    found = "no end" if one.lookback_sessions is None else str(one.lookback_sessions)
    return found if one.declared_sessions is None else f"{found} (declared {one.declared_sessions})"
