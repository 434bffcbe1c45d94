"""Parameters of the tracking store, as the settings nest them (section ``tracking``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingParams:
    """Where runs and versions are kept. See `conf/base/tracking.yaml` for each key."""

    uri: str
    registry_uri: str
    experiment: str
    registered_model: str
    signed_by: str
    signed_model: str

    def __post_init__(self) -> None:
        for name in ("experiment", "registered_model"):
            value = getattr(self, name)
            if not value or set(value) & set("/:'"):
                msg = f"{name}={value!r} must be a name without slash, colon or quote"
                raise ValueError(msg)
