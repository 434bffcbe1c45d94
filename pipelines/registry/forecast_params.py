"""Parameters of issuing forecasts, as the settings nest them (section ``forecast``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastParams:
    """What is forecast and where it is shown. See `conf/base/forecast.yaml` for each key."""

    in_sample: bool
    publish: bool
