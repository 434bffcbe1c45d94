"""Where the project lies, and which packages of it travel to other processes."""

from __future__ import annotations

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("feature_repo", "features", "models", "pipelines", "serving", "simulation")
"""Every package of ours that a stage may import: what workers without this disk are sent."""
