"""Put one question to the service's own code and to the batch scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from features.views import primary_view
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, UnavailableError
from pipelines.io.feature_retrieval import INSTANT_COLUMN, read_features
from pipelines.io.model_folder import read_forecaster
from pipelines.registry.champion import Champion
from pipelines.stages.package.params import PackageParams
from pipelines.stages.package.steps import Parity, choose_symbols, compare_answers
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_FORECASTS, feature_table
from pipelines.tables.scope import dates_condition
from serving.handler import ForecastHandler
from serving.online.feast_store import FeastOnlineStore
from serving.online.params import FeatureStoreParams
from serving.online.store import OnlineStore
from serving.params import ServingParams
from serving.schemas import ForecastRequest, SymbolForecast
from serving.served_model import load_served_model


@dataclass(frozen=True, slots=True)
class Checked:
    """A passed comparison: of which session, and with what the served answers were compared."""

    session: date
    compared_with: str
    parity: Parity


def check_parity(context: Context, champion: Champion, staged: Path) -> Checked:
    """Compare the answers of a staged champion with the batch scorer's, for the newest published session.

    Raises
    ------
    UnavailableError
        If nothing is published yet.
    BadDataError
        If there is nothing to compare with, or an answer differs by more than ``package.parity_tolerance``.
    """
    store = FeastOnlineStore(context.params(FeatureStoreParams), context.home.feast)
    published = store.published()
    if published is None:
        msg = "nothing is published to the online store yet; run `bellwether materialize`, then package again"
        raise UnavailableError(msg)
    compared_with, batch = read_batch_answers(context, champion, published.session)
    params = context.params(PackageParams)
    symbols = choose_symbols(batch["symbol"].to_list(), params.parity_symbols)
    if not symbols:
        msg = (
            f"version {champion.entry.model_version} has no batch forecasts for {published.session} to be "
            f"compared with; run `bellwether forecast --as-of {published.session}`, then package again"
        )
        raise BadDataError(msg)
    served = forecast_as_served(context, store, staged, symbols)
    parity = compare_answers(served, batch, params.parity_tolerance)
    if parity.mismatches:
        raise BadDataError(_explain(parity, params.parity_tolerance, published.session))
    return Checked(published.session, compared_with, parity)


def forecast_as_served(
    context: Context, store: OnlineStore, staged: Path, symbols: Sequence[str]
) -> list[SymbolForecast]:
    """Return what the service would answer if the staged champion were current."""
    model = load_served_model(staged)
    handler = ForecastHandler(
        # History may be packaged: how old the publication is does not matter here.
        params=replace(context.params(ServingParams), max_lag_sessions=None),
        current_model=lambda: model,
        store=store,
        calendar=context.calendar,
        clock=context.clock,
    )
    return handler.forecast(ForecastRequest(symbols=list(symbols)), "package").forecasts


def read_batch_answers(context: Context, champion: Champion, session: date) -> tuple[str, pl.DataFrame]:
    """Return where the batch scorer's answers come from, and the answers.

    Those that the champion issued for the session; a row model that has issued none yet scores the
    session's gold features, as the forecast stage will.

    Returns
    -------
    table : str
    answers : polars.DataFrame
        `symbol`, `value` and, where the family has them, `q10`, `q50`, `q90`: a few hundred rows. Empty
        where a sequence model has issued nothing.
    """
    columns = ["symbol", "value", "q10", "q50", "q90"]
    issued = queries.issued_forecasts(
        GOLD_FORECASTS, columns, model_key=champion.entry.model_key, where=dates_condition([session])
    )
    found = context.lake.collect_query(issued, GOLD_FORECASTS)
    if found.height or champion.lineage.history_sessions > 1:
        return GOLD_FORECASTS.name, found
    names, instant = champion.lineage.feature_names, context.calendar.cutoff_at(session)
    rows = read_features(context, pl.DataFrame({"session": [session], INSTANT_COLUMN: [instant]}), names)
    if not isinstance(rows, pl.DataFrame):
        rows = context.lake.collect(rows)
    return feature_table(primary_view()).name, read_forecaster(champion.folder).predict(rows)


def _explain(parity: Parity, tolerance: float, session: date) -> str:
    shown = "\n  ".join(parity.mismatches[:10])
    return (
        f"{len(parity.mismatches)} of {parity.compared} served answers for {session} differ from the batch "
        f"scorer's by more than {tolerance:g} (largest {parity.largest:g}); the former champion stays. Check "
        "that the online store holds this session's gold rows (`bellwether materialize`), then package again:"
        f"\n  {shown}"
    )
