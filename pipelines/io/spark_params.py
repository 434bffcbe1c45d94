"""Parameters of the Spark session, as the settings nest them (section ``spark``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.base.masking import MASK, has_password, is_secret_name


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
        java = {name: value for name, value in self.options.items() if name.endswith("JavaOptions")}
        for name, value in {"java_options": self.java_options, **java}.items():
            if is_secret_name(value) or has_password(value):
                msg = f"{name}={MASK} holds a secret, and Java's command line is none; use a file of Java's"
                raise ValueError(msg)
