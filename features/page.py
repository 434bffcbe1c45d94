"""The page docs/features.md, generated from the views: `python -m features.page > docs/features.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby

from features.feature import Feature
from features.views import FeatureView, all_features, feature_views, max_lookback
from features.windows import COVERAGE, exponential_length

_COLUMNS = ("feature", "definition", "unit", "look-back", "known", "level", "source")
_KNOWN = {"close": "close of t", "calendar": "before t", "text": "last counted moment of t"}

_HEAD = """# Features

Generated from `features/views.py` by `python -m features.page`; edit the features, not this page.

{total} features in {views} views. The longest look-back is {longest} sessions, t included.

- A value of session t reads the sessions (t − look-back, t] and, bit for bit, nothing else. `level` says
  whose rows: `symbol` its own, `session` those of all symbols.
- Closes, ranges and volumes are compared in units of session t: older ones are divided by the splits and
  dividends in between, as the source's price basis requires. No level of prices is a feature.
- A window of n sessions skips unknown values and gives null where fewer than {coverage:.0%} of them are
  known, of Qlib's factors only where none is; a return needs both its ends. Features of bars are null where
  the bar of t is missing or retracted.
- An exponential mean of span n is cut after 5 n sessions ({example} for a span of 26), its weights scaled to
  one.
"""


def _row(feature: Feature) -> str:
    cells = (
        f"`{feature.name}`",
        feature.definition,
        feature.unit,
        str(feature.lookback_sessions),
        _KNOWN[feature.alignment],
        feature.level,
        feature.source,
    )
    return _line(cell.replace("|", "\\|") for cell in cells)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _table(family: str, features: Iterable[Feature]) -> str:
    rule = _line("---" for _ in _COLUMNS)
    return "\n".join([f"### {family}", "", _line(_COLUMNS), rule, *map(_row, features)])


def _section(view: FeatureView) -> str:
    size = f"{len(view.features)} from `{view.source}`, one row a {view.entity} and {view.cadence}"
    tables = (_table(family, group) for family, group in groupby(view.features, lambda one: one.family))
    return "\n".join(
        [f"## {view.name}", "", f"{view.description} {size}.", "", *(f"{one}\n" for one in tables)]
    )


def render_page() -> str:
    """Return the page: a head and, for each view and each of its families in order, one Markdown table."""
    head = _HEAD.format(
        total=len(all_features()),
        views=len(feature_views()),
        longest=max_lookback(),
        coverage=COVERAGE,
        example=exponential_length(26),
    )
    return "\n".join([head, *map(_section, feature_views())])


if __name__ == "__main__":
    sys.stdout.write(render_page())
