"""The files that Feast's own commands read: ``feast -c FOLDER …``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import yaml

from features.sets import FeatureSet
from pipelines.base.small_files import replace_text
from serving.online.feast_config import REGISTRY_FILE, config_fields
from serving.online.params import CONNECTION_VARIABLE, FeatureStoreParams

OFFLINE_STORE = "pipelines.io.point_in_time.DeltaOfflineStore"


def write_command_files(
    params: FeatureStoreParams, folder: Path, sets: Sequence[FeatureSet], *, ttl: timedelta
) -> None:
    """Write the configuration, without its secret, and the definitions, feature sets and ttl included.

    Only what differs from what is there is written: a file that a power cut has torn, for one.
    """
    fields = config_fields(
        params,
        folder,
        registry=REGISTRY_FILE,
        offline_store=OFFLINE_STORE,
        connection=f"${{{CONNECTION_VARIABLE}}}",
    )
    _write(folder / "feature_store.yaml", yaml.safe_dump(fields, sort_keys=False))
    _write(folder / "definitions.py", _DEFINITIONS.format(days=ttl.days, sets=list(sets)))


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_bytes() != text.encode():
        replace_text(path, text)


_DEFINITIONS = '''"""Written by the platform; `feast -c FOLDER apply` reads it."""

from datetime import timedelta

from feature_repo.definitions import build_definitions
from features.sets import FeatureSet

_sets = {sets!r}
globals().update({{each.name: each for each in build_definitions(timedelta(days={days}), _sets).objects}})
'''
