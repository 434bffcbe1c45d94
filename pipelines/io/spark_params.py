"""Parameters of the Spark session, as the settings nest them (section ``spark``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkParams:
    """How the Spark session is built. See `conf/base/spark.yaml` for each key."""

    master: str
    driver_memory: str
    driver_host: str
    shuffle_partitions: int
    log_level: str
    python: str
    jar_folder: str
    ship_code: bool
    java_options: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.shuffle_partitions < 1:
            msg = f"shuffle_partitions={self.shuffle_partitions} must be at least 1"
            raise ValueError(msg)
