"""The page docs/features.md, generated from the catalog: `python -m features.page > docs/features.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby

from features.catalog import FEATURES, daily_features, max_lookback, text_features
from features.feature import Feature
from features.windows import COVERAGE, exponential_length

_COLUMNS = ("feature", "definition", "unit", "look-back", "known", "level", "source")
_KNOWN = {"close": "close of t", "calendar": "before t", "text": "last counted moment of t"}

_HEAD = """# Features

Generated from `features/catalog.py` by `python -m features.page`; edit the catalog, not this page.

{daily} daily features from bars and {text} from texts. The longest look-back is
{longest} sessions, t included.

- A value of session t reads the sessions (t − look-back, t] and, bit for bit, nothing else. `level` says
  whose rows: `symbol` its own, `session` those of all symbols.
- Closes, ranges and volumes are compared in units of session t: older ones are divided by the splits and
  dividends in between, as the source's price basis requires. No level of prices is a feature.
- A window of n sessions skips unknown values and gives null where fewer than {coverage:.0%} of them are
  known; a return needs both its ends. All daily features are null where the bar of t is missing or retracted.
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
    return "\n".join([f"## {family}", "", _line(_COLUMNS), rule, *map(_row, features)])


def render_page() -> str:
    """Return the page: a head and, for each family in catalog order, one Markdown table."""
    head = _HEAD.format(
        daily=len(daily_features()),
        text=len(text_features()),
        longest=max_lookback(),
        coverage=COVERAGE,
        example=exponential_length(26),
    )
    tables = (_table(family, group) for family, group in groupby(FEATURES, lambda one: one.family))
    return "\n".join([head, *(f"{table}\n" for table in tables)])


if __name__ == "__main__":
    sys.stdout.write(render_page())
