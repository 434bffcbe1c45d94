"""Make the challenger champion if it has earned it, and write down why or why not."""

from __future__ import annotations

from typing import Any

import polars as pl

from models.params import ModelsParams
from models.selection import Decision
from pipelines.base.context import Context
from pipelines.base.report import Outcome, SessionRange, Status, nothing_to_do
from pipelines.io.tracking_params import TrackingParams
from pipelines.registry.baseline_forecasts import forecast_baselines_on_holdout
from pipelines.registry.challenger import Challenger, find_challenger
from pipelines.registry.champion import load_champion
from pipelines.registry.comparison import ChampionForecasts, forecast_champion, forecast_holdout
from pipelines.registry.installation import NOT_PUBLISHED, commit, install_if_published, prepare_if_published
from pipelines.registry.leak_stop import is_accepted, leak_bound
from pipelines.registry.ledger import (
    Kind,
    LedgerEntry,
    append_entry,
    find_withdrawal,
    identify_decision,
    ledger_head,
    next_instant,
    read_ledger,
    select_champion,
)
from pipelines.registry.lineage import restore_params
from pipelines.stages.promote.steps import (
    as_numbers,
    compare,
    explain_unusable,
    refuse_withdrawn,
    stop_suspect,
)

NOT_YET = {"installed": False, "why_not_installed": NOT_PUBLISHED}


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Decide on the challenger and install it if it has earned it; a re-run completes what a crash left."""
    ledger = read_ledger(context.lake)
    challenger = find_challenger(context, sessions.end)
    if challenger is None:
        return nothing_to_do(f"no model is registered as of {sessions.end}: run train and evaluate first")
    current = select_champion(ledger, sessions.end)
    signed = context.params(TrackingParams).signed_model
    if current is not None and current.model_key in {signed, challenger.version.model_key}:
        return complete(context, challenger, current, "unchanged")
    if signed and signed != challenger.version.model_key:
        return nothing_to_do(
            f"consent is given for the model {signed[:12]}, and the challenger as of {sessions.end} is "
            f"{challenger.version.model_key[:12]}, {challenger.name}: start a new run, and answer on its page"
        )
    entry = take_decision(context, sessions, challenger, current, ledger)
    if not entry.installs:
        with context.writing():
            appended = append_entry(context.lake, entry)
        return Outcome(status="nothing_to_do", rows_out=int(appended), details=describe(challenger, entry))
    with context.installing():
        prepared = prepare_if_published(context, load_champion(context, entry))
        entry = commit(context, entry, head=ledger_head(ledger), prepared=prepared)
        return complete(context, challenger, entry, "done")


def complete(context: Context, challenger: Challenger, entry: LedgerEntry, status: Status) -> Outcome:
    """Bring everything in line with the ledger and return how the run ends."""
    installed = install_if_published(context)
    told = installed.details if installed else NOT_YET
    return Outcome(
        status="unfollowed" if installed and installed.unfollowed else status,
        rows_out=int(status == "done"),
        # The decision's own reason stands; that of the service is an alert.
        details=told | describe(challenger, entry),
    )


def take_decision(
    context: Context,
    sessions: SessionRange,
    challenger: Challenger,
    current: LedgerEntry | None,
    ledger: list[LedgerEntry],
) -> LedgerEntry:
    """Compare the challenger with baselines and champion and return the entry to write."""
    frame = challenger.read_frame()
    champion = forecast_champion(context, current, challenger, frame) if current else None
    bootstrap = not any(entry.installs for entry in ledger)
    holdout = forecast_holdout(challenger, frame)
    decision, table = weigh(context, challenger, frame, holdout, champion, bootstrap=bootstrap)
    horizon = challenger.lineage.horizon_sessions
    bound = leak_bound(context, holdout, horizon)
    accepted = is_accepted(ledger, challenger.version.model_key)
    decision = stop_suspect(
        decision,
        table,
        challenger=challenger.name,
        bound=bound,
        accepted=accepted,
        horizon_sessions=horizon,
    )
    withdrawn = find_withdrawal(ledger, challenger.version.model_key, sessions.end)
    decision = refuse_withdrawn(decision, withdrawn.why) if withdrawn else decision
    kind: Kind = "rejection" if not decision.installs else decision.verdict  # type: ignore[assignment]
    key = challenger.version.model_key
    return LedgerEntry(
        entry_id=identify_decision(kind, sessions.end, key, current=current, why=decision.why),
        kind=kind,
        as_of=sessions.end,
        model_key=key,
        model_version=challenger.version.version,
        previous_version=current.model_version if current else "",
        who=context.params(TrackingParams).signed_by,
        why=decision.why,
        numbers=as_numbers(decision, table) | {"leak_bound": bound, "accepted_suspect": accepted},
        decided_at=next_instant(ledger, context.clock()),
    )


def weigh(
    context: Context,
    challenger: Challenger,
    frame: pl.DataFrame,
    holdout: pl.DataFrame,
    champion: ChampionForecasts | None,
    *,
    bootstrap: bool,
) -> tuple[Decision, pl.DataFrame]:
    """Return the decision and its table, from forecasts of the hold-out that are made now.

    Parameters
    ----------
    frame : polars.DataFrame
        The challenger's training frame.
    holdout : polars.DataFrame
        From `pipelines.registry.comparison.forecast_holdout`.
    champion : ChampionForecasts or None
        Of the challenger's hold-out; None where there is no champion. Where its model cannot forecast these
        rows the baselines alone are compared, all of which must then be beaten, and the decision says so.
    bootstrap : bool
        Whether no model was ever champion.

    Returns
    -------
    decision : Decision
    table : polars.DataFrame
        See `pipelines.stages.promote.steps.compare`.
    """
    params = restore_params(challenger.lineage, context.params(ModelsParams))
    baselines = forecast_baselines_on_holdout(frame, params, challenger.lineage.feature_names)
    by_name = baselines.partition_by("forecaster", as_dict=True, include_key=False)
    forecasts = {challenger.name: holdout}
    forecasts |= {str(name): rows for (name,), rows in sorted(by_name.items())}
    sessions, to_beat = forecasts[challenger.name]["session"].unique().to_list(), None
    if champion is not None and champion.forecasts is not None:
        to_beat, sessions = champion.name, list(champion.unseen)
        forecasts[to_beat] = champion.forecasts
    decision, table = compare(
        forecasts,
        sessions,
        challenger=challenger.name,
        champion=to_beat,
        bootstrap=bootstrap,
        params=params,
    )
    return explain_unusable(decision, champion.why_not if champion else ""), table


def describe(challenger: Challenger, entry: LedgerEntry) -> dict[str, Any]:
    """Return who was judged, what was decided and, plainly, what was lost."""
    # A challenger that came after the decision was not the one that was judged.
    judged = entry.model_key == challenger.version.model_key
    return {
        "challenger": challenger.name if judged else f"version {entry.model_version}",
        "decision": entry.kind,
        "champion": entry.headline() if entry.installs else f"version {entry.previous_version} stays",
        "model_version": entry.model_version,
        "lost": list(entry.numbers.get("lost", ())),
        "why": entry.why,
    }
