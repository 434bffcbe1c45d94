"""Put one question to the service's own code and to the batch scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from features.views import primary_view
from models.base import load_forecaster
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError
from pipelines.io.feature_retrieval import INSTANT_COLUMN, read_features
from pipelines.io.model_folder import pack_files, read_forecaster
from pipelines.registry.answer_comparison import Parity, choose_symbols, compare_answers
from pipelines.registry.champion import Champion
from pipelines.registry.installation_params import InstallParams
from pipelines.registry.issue import score_sessions
from pipelines.tables.contracts import GOLD_FORECASTS, feature_table
from serving.handler import ForecastHandler
from serving.messages import ForecastMessage
from serving.online.feast_store import FeastOnlineStore
from serving.online.params import FeatureStoreParams
from serving.params import ServingParams
from serving.schemas import SymbolForecast
from serving.served_model import FORECASTER_FOLDER, load_served_model


@dataclass(frozen=True, slots=True)
class Checked:
    """A passed comparison: of which session, and with what the served answers were compared."""

    session: date
    compared_with: str
    parity: Parity


def check_parity(
    context: Context, champion: Champion, staged: Path, session: date, issued: pl.DataFrame, *, is_new: bool
) -> Checked:
    """Compare the answers of a staged champion with the batch scorer's, for the newest published session.

    Parameters
    ----------
    staged : Path
        Folder that goes into the Bento.
    session : date
        The published session.
    issued : polars.DataFrame
        What the champion has issued for it, or is about to: rows of `gold.forecasts`. Where there are none a
        row model's features are scored as the forecast stage will.
    is_new : bool
        Whether it is about to issue them: then the staged forecaster has to give the same once more.

    Raises
    ------
    BadDataError
        If there is nothing to compare with, or an answer differs by more than ``install.parity_tolerance``.
    """
    compared_with, batch = read_batch_answers(context, champion, session, issued)
    params = context.params(InstallParams)
    symbols = choose_symbols(batch["symbol"].to_list(), params.parity_symbols)
    if not symbols:
        msg = (
            f"version {champion.entry.model_version} has no batch forecasts for {session} to be compared "
            f"with; see why with `bellwether forecast --as-of {session}`, then run this again"
        )
        raise BadDataError(msg)
    carried = None
    if champion.lineage.history_sessions > 1:
        carried = _score_again(context, champion, staged, session) if is_new else issued
        # It answers batches from these files.
        load_forecaster(staged / FORECASTER_FOLDER)
    served = forecast_as_served(context, staged, carried, symbols)
    parity = compare_answers(served, batch, params.parity_tolerance)
    if parity.mismatches:
        raise BadDataError(_explain(parity, params.parity_tolerance, session))
    return Checked(session, compared_with, parity)


def _score_again(context: Context, champion: Champion, staged: Path, session: date) -> pl.DataFrame:
    """Return what the staged files of a sequence model forecast for a session."""
    packed = pack_files(staged / FORECASTER_FOLDER, f"staged-{champion.lineage.model_key}")
    again = score_sessions(context, champion, [session], issued_at=context.clock(), packed=packed)
    return context.lake.collect(again)


def forecast_as_served(
    context: Context, staged: Path, issued: pl.DataFrame | None, symbols: Sequence[str]
) -> list[SymbolForecast]:
    """Return what the service would answer if the staged champion were current."""
    model = load_served_model(staged, issued=issued)
    handler = ForecastHandler(
        # History may be served: how old the publication is does not matter here.
        params=replace(context.params(ServingParams), max_lag_sessions=None),
        current_model=lambda: model,
        store=FeastOnlineStore(context.params(FeatureStoreParams), context.home.feast),
        calendar=context.calendar,
        clock=context.clock,
    )
    return handler.forecast(ForecastMessage(symbols=list(symbols)), "parity").forecasts


def read_batch_answers(
    context: Context, champion: Champion, session: date, issued: pl.DataFrame
) -> tuple[str, pl.DataFrame]:
    """Return where the batch scorer's answers come from, and the answers.

    Those that the champion issued for the session; a row model that has issued none yet scores the
    session's features, as the forecast stage will.

    Returns
    -------
    table : str
    answers : polars.DataFrame
        `symbol`, `value` and, where the family has them, `q10`, `q50`, `q90`: a few hundred rows. Empty
        where a sequence model has issued nothing.
    """
    if issued.height or champion.lineage.history_sessions > 1:
        return GOLD_FORECASTS.name, issued.select("symbol", "value", "q10", "q50", "q90")
    names, instant = champion.lineage.feature_names, context.calendar.cutoff_at(session)
    rows = read_features(context, pl.DataFrame({"session": [session], INSTANT_COLUMN: [instant]}), names)
    scorer = read_forecaster(champion.folder)
    return feature_table(primary_view()).name, scorer.predict(context.lake.collect(rows))


def _explain(parity: Parity, tolerance: float, session: date) -> str:
    shown = "\n  ".join(parity.mismatches[:10])
    return (
        f"{len(parity.mismatches)} of {parity.compared} served answers for {session} differ from the batch "
        f"scorer's by more than {tolerance:g} (largest {parity.largest:g}); the former champion stays. Check "
        "that the online store holds this session's gold rows (`bellwether materialize`), then try again:"
        f"\n  {shown}"
    )
