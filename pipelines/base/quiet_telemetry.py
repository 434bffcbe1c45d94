"""The libraries' reports of their usage, which are off."""

from __future__ import annotations

QUIET_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "FEAST_USAGE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""Variables for this process and those it starts: a report phones home and, without a network, waits."""
