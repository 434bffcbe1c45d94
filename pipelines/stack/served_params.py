"""How old what is served may be, where the settings leave that open."""

from __future__ import annotations

from dataclasses import replace

from pipelines.base.context import Sections
from pipelines.io.sources.params import SimulatedSourceParams, SourcesParams
from serving.params import ServingParams


def served_params(settings: Sections) -> ServingParams:
    """Return the service's parameters, `max_lag_sessions` filled in.

    Unset it is 0: forecasts of a real market that trail the clock are none, and the caller is told. A
    simulated market ends when its user wishes, and stays unbounded.
    """
    params, sources = settings.section(ServingParams), settings.section(SourcesParams)
    bars = sources.sources[sources.feeds.bars]
    if params.max_lag_sessions is not None or isinstance(bars, SimulatedSourceParams):
        return params
    return replace(params, max_lag_sessions=0)
