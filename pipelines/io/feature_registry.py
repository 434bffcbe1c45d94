"""Feast's registry as a file: whether it is whole."""

from __future__ import annotations

from pathlib import Path

from feast.protos.feast.core.Registry_pb2 import Registry
from google.protobuf.message import DecodeError

from feature_repo.definitions import Definitions


def is_whole(path: Path, definitions: Definitions) -> bool:
    """Tell whether a registry can be read and names every view and service of the definitions.

    An empty file reads as an empty registry, and half of one may read as one that lacks its end.
    """
    try:
        registry = Registry.FromString(path.read_bytes())
    except (FileNotFoundError, DecodeError):
        return False
    views = {one.spec.name for one in registry.feature_views}
    services = {one.spec.name for one in registry.feature_services}
    wanted = {one.name for one in definitions.services}
    return views >= {one.name for one in definitions.views} and services >= wanted
