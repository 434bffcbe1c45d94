"""The index of all drift reports, as one page without any dependency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #667085; --line: #e4e7ec; --paper: #fff;
  --ok: #127a4b; --drift: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2b3242;
  --paper: #141924; --ok: #4fc38a; --drift: #f97066; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem; }
h1 { margin: 0; font-size: 1.5rem; }
p { margin: .25rem 0 1.5rem; color: var(--soft); }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: 600; font-size: .85rem; color: var(--soft); }
th, td { padding: .6rem .75rem .6rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: .2em; }
.verdict { font-weight: 600; }
.ok { color: var(--ok); } .drift { color: var(--drift); }
.soft { color: var(--soft); }
"""
_COLUMNS = ("Session", "Verdict", "Why", "Features moved", "Rank IC", "Rank IC of replays", "Training")


def render_index(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the page that lists every report by date, newest first, with its verdict.

    Parameters
    ----------
    records : sequence of mapping
        Verdict records as they stand beside the reports.
    """
    newest_first = sorted(records, key=lambda record: str(record["as_of"]), reverse=True)
    drifts = sum(record["verdict"] == "drift" for record in records)
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    rows = "\n".join(_row(record) for record in newest_first)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Drift reports</title><style>{_STYLE}</style></head>
<body><main>
<h1>Drift reports</h1>
<p>{len(records)} sessions, {drifts} with drift. The verdict rests on measures of whole sessions; each report
shows them, and the features, forecasts and outcomes behind them. The rank IC counts forecasts that were
issued by their decision; replays, which were issued later, stand apart.</p>
<table><thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody></table>
</main></body></html>
"""


def _row(record: Mapping[str, Any]) -> str:
    as_of, verdict = escape(str(record["as_of"])), escape(str(record["verdict"]))
    why = "<br>".join(escape(reason) for reason in record["reasons"])
    cells = [
        f'<td class="number"><a href="{as_of}.html">{as_of}</a></td>',
        f'<td class="verdict {verdict}">{verdict}</td>',
        f"<td>{why or _soft('within its usual range')}</td>",
        f'<td class="number">{_number(record["shares"].get("features"), ".0%")}</td>',
        f'<td class="number">{_number(record.get("rank_ic"), "+.3f")}</td>',
        f'<td class="number">{_number(record.get("replay_rank_ic"), "+.3f")}</td>',
        f'<td class="number">{"asked for" if record["retrain"] else _soft("no")}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _number(value: float | None, form: str) -> str:
    return _soft("–") if value is None else format(value, form)


def _soft(text: str) -> str:
    return f'<span class="soft">{text}</span>'
