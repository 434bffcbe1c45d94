"""Make the candidate champion if it has earned it, and write down why or why not."""

from __future__ import annotations

from typing import Any

import polars as pl

from models.params import ModelsParams
from models.selection import Decision
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, UnavailableError
from pipelines.base.report import SessionRange, StageReport, standing
from pipelines.io.tracking_params import TrackingParams
from pipelines.registry.challenger import (
    FRAME_FILE,
    HOLDOUT_FILE,
    RIVALS_HOLDOUT_FILE,
    Candidate,
    find_candidate,
)
from pipelines.registry.champion import champion_at, point_alias
from pipelines.registry.comparison import ChampionForecasts, forecast_champion
from pipelines.registry.ledger import (
    Kind,
    LedgerEntry,
    append_entry,
    find_withdrawal,
    identify_decision,
    next_instant,
    read_ledger,
)
from pipelines.registry.lineage import restore_params
from pipelines.stages.promote.contract import READS, WRITES
from pipelines.stages.promote.steps import as_numbers, compare, explain_unusable, refuse_withdrawn


def run(context: Context, window: SessionRange) -> StageReport:
    """Decide on the candidate: ledger first, alias last, so that a re-run mends what a crash left."""
    candidate = find_candidate(context, window.end)
    if candidate is None:
        why = f"no model is registered as of {window.end}: run train and evaluate first"
        return StageReport(stage="promote", status="nothing_to_do", details={"why": why})
    inputs, before = standing(context.lake.versions(READS)), context.lake.versions(WRITES)
    reigning = champion_at(context, window.end)
    if reigning is not None and reigning.model_key == candidate.version.model_key:
        entry, appended = reigning, False
    else:
        entry = take_decision(context, window, candidate, reigning)
        appended = append_entry(context.lake, entry)
    point_alias(context)
    return StageReport(
        stage="promote",
        status="done" if entry.installs and entry.as_of == window.end else "nothing_to_do",
        rows_out=int(appended),
        inputs=inputs,
        versions_before=before,
        outputs=standing(context.lake.versions(WRITES)),
        details=describe(candidate, entry),
    )


def take_decision(
    context: Context, window: SessionRange, candidate: Candidate, reigning: LedgerEntry | None
) -> LedgerEntry:
    """Compare the candidate with baselines and champion and return the entry to write."""
    frame = candidate.read(FRAME_FILE)
    asked = forecast_champion(context, reigning, candidate, frame) if reigning else None
    decision, table = weigh(context, candidate, asked)
    ledger = read_ledger(context.lake)
    withdrawn = find_withdrawal(ledger, candidate.version.version, window.end)
    decision = refuse_withdrawn(decision, withdrawn.why) if withdrawn else decision
    kind: Kind = "rejection" if not decision.installs else decision.verdict  # type: ignore[assignment]
    key = candidate.version.model_key
    return LedgerEntry(
        entry_id=identify_decision(kind, window.end, key, reigning=reigning, why=decision.why),
        kind=kind,
        as_of=window.end,
        model_key=key,
        model_version=candidate.version.version,
        previous_version=reigning.model_version if reigning else "",
        who=context.params(TrackingParams).signed_by,
        why=decision.why,
        numbers=as_numbers(decision, table),
        decided_at=next_instant(ledger, context.clock()),
    )


def weigh(
    context: Context, candidate: Candidate, asked: ChampionForecasts | None
) -> tuple[Decision, pl.DataFrame]:
    """Return the decision and its table, from forecasts that were made before."""
    forecasts = {candidate.name: candidate.read(HOLDOUT_FILE), **read_rivals(candidate)}
    usable = asked is not None and asked.forecasts is not None
    sessions = forecasts[candidate.name]["session"].unique().to_list()
    if asked is not None and asked.forecasts is not None:
        forecasts[asked.name] = asked.forecasts
        sessions = list(asked.unseen)
    decision, table = compare(
        forecasts,
        sessions,
        candidate=candidate.name,
        champion=asked.name if asked and usable else None,
        params=restore_params(candidate.ancestry, context.params(ModelsParams)),
    )
    return explain_unusable(decision, asked.why_not if asked else ""), table


def read_rivals(candidate: Candidate) -> dict[str, pl.DataFrame]:
    """Return the baselines' forecasts of the hold-out that evaluate kept.

    Raises
    ------
    BadDataError
        If the candidate has not been evaluated.
    """
    try:
        rivals = candidate.read(RIVALS_HOLDOUT_FILE)
    except UnavailableError as error:
        msg = f"{candidate.name} has not been evaluated; run `bellwether evaluate`, then promote again"
        raise BadDataError(msg) from error
    names = rivals["forecaster"].unique().sort().to_list()
    return {name: rivals.filter(pl.col("forecaster") == name).drop("forecaster") for name in names}


def describe(candidate: Candidate, entry: LedgerEntry) -> dict[str, Any]:
    """Return who was judged, what was decided and, plainly, what was lost."""
    return {
        "candidate": candidate.name,
        "decision": entry.kind,
        "champion": entry.headline() if entry.installs else f"version {entry.previous_version} stays",
        "model_version": entry.model_version,
        "lost": list(entry.numbers.get("lost", ())),
        "why": entry.why,
    }
