"""The state of a whole home: feeds and what they lack, tables, last runs, champion, drift verdict."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.table import TableContract
from pipelines.cli.row_display import as_text
from pipelines.registry.champion import champion_at
from pipelines.registry.places import compare_places
from pipelines.tables import queries
from pipelines.tables.completeness import CompletenessParams
from pipelines.tables.contracts import OPS_STAGE_RUNS, all_tables
from pipelines.tables.feed_gaps import FeedState, Watch, find_gaps

MOST_SHOWN = 20
"""Sessions that are named; their number is told in any case."""
RUN_COLUMNS = ("stage", "status", "as_of", "finished_at", "seconds", "rows_out", "rows_refused", "details")


def describe(context: Context) -> dict[str, Any]:
    """Return feeds, missed sessions, tables, last runs, the champion and its places, the drift verdict."""
    runs = context.lake.collect_query(queries.last_runs(OPS_STAGE_RUNS, RUN_COLUMNS), OPS_STAGE_RUNS)
    stages = runs.to_dicts()
    verdicts = [json.loads(run["details"]) for run in stages if run["stage"] == "monitor"]
    champion = champion_at(context, context.calendar.last)
    watch = Watch(
        calendar=context.calendar, now=context.clock(), grace=context.params(CompletenessParams).grace
    )
    gaps = find_gaps(lambda query, tables: context.lake.collect_query(query, *tables), watch)
    return {
        "home": str(context.home.root),
        "feeds": [_describe_feed(feed) for feed in gaps.feeds],
        "missed": {"sessions": len(gaps.missed), "last": gaps.missed[-MOST_SHOWN:]},
        "tables": [_describe_table(context, contract) for contract in all_tables()],
        "stages": stages,
        "champion": {**asdict(champion), "headline": champion.headline()} if champion else None,
        "installation": compare_places(context).describe(),
        "drift": verdicts[0] if verdicts else None,
    }


def _describe_feed(feed: FeedState) -> dict[str, Any]:
    since = feed.incomplete[0] if feed.incomplete else None
    return {
        "source": feed.source,
        "kind": feed.kind,
        "last_complete": feed.last_complete,
        "incomplete": len(feed.incomplete),
        "incomplete_since": since,
        "incomplete_last": feed.incomplete[-MOST_SHOWN:],
        "not_taken": feed.not_taken,
    }


def _describe_table(context: Context, contract: TableContract) -> dict[str, Any]:
    version = context.lake.version(contract)
    if version is None:
        return {"table": contract.name, "rows": None, "version": None, "first": None, "last": None}
    day = next((name for name in ("session_date", "session") if name in contract.schema), None)
    query = queries.size_and_extent(contract, day) if day else queries.count_rows(contract)
    rows, first, last = (*context.lake.collect_query(query, contract).row(0), None, None)[:3]
    return {"table": contract.name, "rows": rows, "version": version, "first": first, "last": last}


def render_status(state: dict[str, Any], *, as_json: bool) -> str:
    """Return the state of a home for people, or as JSON."""
    if as_json:
        return json.dumps(state, default=str, sort_keys=True)
    tables = pl.DataFrame(
        [{name: _dash(value) for name, value in table.items()} for table in state["tables"]], orient="row"
    )
    shown = ("stage", "status", "as_of", "seconds", "rows_out", "rows_refused")
    runs = [{name: _dash(run[name]) for name in shown} for run in state["stages"]]
    stages = as_text(pl.DataFrame(runs)) if runs else "no stage has run yet"
    champion = state["champion"]
    named = "none yet: train and promote" if champion is None else champion["headline"]
    drift = state["drift"]
    verdict = "no report yet" if drift is None else f"{drift.get('verdict')} ({drift.get('link', 'no page')})"
    return "\n".join(
        [
            f"home      {state['home']}",
            f"champion  {named}",
            f"installed {_render_installation(state['installation'])}",
            *_render_readiness(state["installation"]),
            f"drift     {verdict}",
            f"missed    {_listed(state['missed']['sessions'], state['missed']['last'])}",
            *_render_feeds(state["feeds"]),
            as_text(tables),
            stages,
        ]
    )


def _render_installation(places: dict[str, Any]) -> str:
    """Return whether all places name the ledger's champion, or which do not and what mends it."""
    if places["ledger"] is None:
        return "nothing to install yet"
    if places["differences"]:
        return f"NOT as decided: {'; '.join(places['differences'])}; run `bellwether install`"
    asked = f"service at {places['address']}" if places["address"] else "no service is recorded"
    return f"as decided: version {places['ledger']} in ledger, alias and pointer; {asked}"


def _render_readiness(places: dict[str, Any]) -> list[str]:
    """Return why a service that runs answers no forecast, nothing where it does or there is none."""
    return [f"service   NOT ready: {places['why_not_ready']}"] if places["why_not_ready"] else []


def _render_feeds(feeds: list[dict[str, Any]]) -> list[str]:
    """Return the table of feeds, then what each lacks and what of it was not taken."""
    if not feeds:
        return ["no feed has been asked yet"]
    shown = ("source", "kind", "last_complete", "incomplete", "incomplete_since")
    rows = [
        {name: _dash(feed[name]) for name in shown} | {"not_taken": str(len(feed["not_taken"]))}
        for feed in feeds
    ]
    lines = [as_text(pl.DataFrame(rows))]
    for feed in feeds:
        name = f"{feed['source']} {feed['kind']}"
        if feed["incomplete"]:
            lines.append(f"{name} incomplete: {_listed(feed['incomplete'], feed['incomplete_last'])}")
        lines += [f"{name} {one['outcome']}: {one['name']}: {one['why']}" for one in feed["not_taken"]]
    return lines


def _listed(count: int, last: list[date]) -> str:
    """Return a count of sessions and the last of them."""
    if not count:
        return "no session"
    earlier = f"{count - len(last)} earlier, " if count > len(last) else ""
    return f"{count} session{'s' if count > 1 else ''}: {earlier}{', '.join(map(str, last))}"


def _dash(value: Any) -> str:
    return "-" if value is None else str(value)
