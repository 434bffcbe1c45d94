"""A result that is too good is a suspected leak: it installs nothing until a person has explained it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from models.evaluation import evaluate
from models.metrics import SUSPECT_IC
from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.io.sources.params import SimulatedSourceParams, SourcesParams
from pipelines.io.tracking_params import TrackingParams
from pipelines.registry.challenger import Challenger
from pipelines.registry.ledger import LedgerEntry, append_entry, check_reason, next_instant, read_ledger


def leak_bound(context: Context, holdout: pl.DataFrame, horizon_sessions: int) -> float:
    """Return the rank IC that the lower end of an honest model's interval does not exceed.

    That is `models.metrics.SUSPECT_IC`, which liquid equities do not offer; in the simulated market, whose
    alpha may be planted larger, the upper end of what its oracle reaches on the same rows if that is more: on
    few rows chance lifts both.

    Parameters
    ----------
    holdout : polars.DataFrame
        `symbol`, `session`, `label`.
    horizon_sessions : int
        Run of the label.
    """
    params = context.params(SourcesParams)
    market = params.sources[params.feeds.bars]
    if not isinstance(market, SimulatedSourceParams):
        return SUSPECT_IC
    traded = holdout.filter(pl.col("session") >= market.start)["session"]
    if traded.is_empty():
        return SUSPECT_IC
    # Imported here: only a simulated market has an oracle.
    from simulation.feed import compute_oracle

    scores = compute_oracle(market, min(traded), max(traded)).rename({"score": "value"})
    known = holdout.join(scores, on=["symbol", "session"], how="semi")
    if known.is_empty():
        return SUSPECT_IC
    told = {"oracle": scores.join(known, on=["symbol", "session"], how="semi")}
    truth = known.select("symbol", "session", "label")
    table = evaluate(told, truth, reference="oracle", horizon_sessions=horizon_sessions)
    # One session has no interval: NaN is no bound.
    highs: list[float] = table["rank_ic_high"].drop_nans().to_list()
    return max([SUSPECT_IC, *highs])


def is_accepted(entries: Iterable[LedgerEntry], model_key: str) -> bool:
    """Return whether a person has taken a model's result for no leak."""
    return any(entry.kind == "acceptance" and entry.model_key == model_key for entry in entries)


def accept_suspect(context: Context, challenger: Challenger, as_of: date, why: str) -> LedgerEntry:
    """Write down that a person has explained a challenger's result; the same word again adds nothing.

    Raises
    ------
    BadDataError
        If no reason is given.
    """
    why = check_reason(why, "what explains the result")
    entries, key = read_ledger(context.lake), challenger.version.model_key
    entry = LedgerEntry(
        # Without the session: the word is about the model, whenever it is said again.
        entry_id=digest_of("acceptance", key, why),
        kind="acceptance",
        as_of=as_of,
        model_key=key,
        model_version=challenger.version.version,
        previous_version="",
        who=context.params(TrackingParams).signed_by,
        why=why,
        numbers={},
        decided_at=next_instant(entries, context.clock()),
    )
    append_entry(context.lake, entry)
    return entry
