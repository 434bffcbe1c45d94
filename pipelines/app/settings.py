"""Settings: YAML in, one frozen typed object out, once."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args, get_type_hints

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
    model_validator,
)

from features.params import CalendarParams, FeaturesParams, LabelParams
from models.params import ModelsParams, models_params_type
from pipelines.app.secret_settings import check_addresses, check_file, read_environment, refuse_in_command
from pipelines.base.errors import SettingsError
from pipelines.base.masking import mask_text, mask_values
from pipelines.base.project import PROJECT_ROOT
from pipelines.io.lake_params import LakeParams
from pipelines.io.sources.params import FeedsParams, SourceParams, SourcesParams
from pipelines.io.spark_params import SparkParams
from pipelines.io.text_params import TextParams
from pipelines.io.tracking_params import TrackingParams
from pipelines.registry.forecast_params import ForecastParams
from pipelines.registry.installation_params import InstallParams
from pipelines.registry.training_params import TrainingParams
from pipelines.stack.params import ServicesParams
from pipelines.stages.build_features.params import BuildFeaturesParams
from pipelines.stages.curate.params import CurateParams
from pipelines.stages.ingest.params import IngestParams
from pipelines.stages.maintain.params import MaintainParams
from pipelines.stages.monitor.params import MonitorParams
from pipelines.tables.completeness import CompletenessParams
from serving.online.params import FeatureStoreParams
from serving.params import ServingParams

CONF_FOLDER = PROJECT_ROOT / "conf"
Origins = dict[str, str]
Section = TypeVar("Section")
RENAMED = {
    "source.name": "feeds.bars and feeds.texts",
    "source.files": "sources.files",
    "source.simulated": "sources.simulated",
    "labels.horizons": "labels.horizon_sessions",
    "features.block_sessions": "build_features.block_sessions",
    "curate.text_close_lag_minutes": "ingest.text_close_lag_minutes",
}
"""Keys of earlier versions, and what they are called now; a section stands for all keys below it."""
REMOVED = {"feature_store.ttl_days": "follows from the calendar (calendar.name)"}
"""Keys of earlier versions, and where what they said comes from now."""


class Settings(BaseModel):
    """Every setting of the platform. Each key is documented in `conf/base` where it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    spark: SparkParams
    lake: LakeParams
    calendar: CalendarParams
    ingest: IngestParams
    completeness: CompletenessParams
    curate: CurateParams
    labels: LabelParams
    features: FeaturesParams
    build_features: BuildFeaturesParams
    feature_store: FeatureStoreParams
    feeds: FeedsParams
    sources: dict[str, Annotated[SourceParams, Field(discriminator="kind")]]
    text: TextParams
    models: ModelsParams
    tracking: TrackingParams
    training: TrainingParams
    forecast: ForecastParams
    monitor: MonitorParams
    services: ServicesParams
    serving: ServingParams
    install: InstallParams
    maintain: MaintainParams

    def section(self, kind: type[Section]) -> Section:
        """Return the section whose parameters are of type `kind`."""
        parts = (*(part for _, part in self), self._named_sources())
        return next(part for part in parts if isinstance(part, kind))

    def _named_sources(self) -> SourcesParams:
        return SourcesParams(feeds=self.feeds, sources=self.sources)

    @model_validator(mode="after")
    def _check_across_sections(self) -> Self:
        self._named_sources()
        wanted, built = self.models.split.horizon_sessions, self.labels.horizon_sessions
        if wanted not in built:
            msg = (
                f"models.split.horizon_sessions={wanted} must be one of labels.horizon_sessions="
                f"{list(built)}; add it there and run build_features, or choose one of those"
            )
            raise ValueError(msg)
        if self.models.feature_set not in self.features.sets:
            named = f"models.feature_set={self.models.feature_set!r}"
            msg = f"{named} must be one of features.sets, which names {', '.join(self.features.sets)}"
            raise ValueError(msg)
        return self


def settings_type() -> type[Settings]:
    """Return `Settings` with the parameters of every model family that is registered now."""
    models: Any = models_params_type()
    return _settings_with(models)


@cache
def _settings_with(models: Any) -> type[Settings]:
    return create_model("Settings", __base__=Settings, models=(models, ...))


def load_settings(
    env: str = "local",
    *,
    overrides: Sequence[str] = (),
    folder: Path = CONF_FOLDER,
    environ: Mapping[str, str] = os.environ,
) -> tuple[Settings, Origins]:
    """Merge base, overlay, secrets of the environment and command line and validate the result.

    Parameters
    ----------
    env : str
        Overlay folder below `folder`.
    overrides : sequence of str
        ``section.key=value`` with a YAML value; they win over the files. Secrets are refused here.
    environ : mapping of str to str
        Where secrets may stand (`pipelines.app.secret_settings.VARIABLES`); nothing else of it is read.

    Returns
    -------
    settings : Settings
    origins : dict of dotted key to the file (or ``--set``) that gave its value

    Raises
    ------
    SettingsError
        Naming file, key, value, what is allowed and near matches.
    """
    if not (folder / env).is_dir():
        known = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != "base")
        msg = f"env={env!r} has no folder below {folder}; allowed: {', '.join(known)}"
        raise SettingsError(msg)
    merged: dict[str, Any] = {}
    origins: Origins = {}
    for part, origin in (*_read_files(env, folder), *read_environment(environ), *_parse_all(overrides)):
        _refuse_former(part, origin)
        _merge(merged, part, origins, origin)
    check_addresses(merged, is_secret_key)
    try:
        settings = settings_type().model_validate_json(json.dumps(merged, default=str))
    except ValidationError as error:
        lines = [_explain(detail, origins) for detail in error.errors()]
        raise SettingsError("\n".join(lines)) from error
    return settings, origins


def _read_files(env: str, folder: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield what base and overlay hold, and the name of each file."""
    for path in (path for part in ("base", env) for path in sorted((folder / part).glob("*.yaml"))):
        part, origin = _read_yaml(path), str(path.relative_to(folder.parent))
        check_file(path, part, origin, is_secret_key)
        yield part, origin


def _parse_all(overrides: Sequence[str]) -> Iterator[tuple[dict[str, Any], str]]:
    for override in overrides:
        part = _parse_override(override)
        refuse_in_command(part, is_secret_key)
        yield part, "--set"


class _Loader(yaml.SafeLoader):
    """YAML as one reads it: 22:00 is a time of day, and not the number 1320 in base 60."""

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Return the number, or the text where a colon stands in it."""
        if ":" in node.value:
            return node.value
        whole = node.tag.endswith(":int")
        return self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)


for _tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _Loader.construct_number)


def _parse_yaml(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader, by its base


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = _parse_yaml(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        msg = f"{path}: not valid YAML ({error}); correct the file"
        raise SettingsError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path}: holds a {type(content).__name__}; it must hold sections with keys"
        raise SettingsError(msg)
    return content


def _parse_override(text: str) -> dict[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        msg = f"--set {text!r} must read section.key=value, for example --set spark.shuffle_partitions=8"
        raise SettingsError(msg)
    nested: Any = _parse_yaml(value)
    for part in reversed(key.split(".")):
        nested = {part: nested}
    return nested  # type: ignore[no-any-return]


def _refuse_former(part: Mapping[str, Any], origin: str) -> None:
    said = {old: f"is called {new} now; rename it" for old, new in RENAMED.items()}
    said |= {old: f"{source} now; remove it" for old, source in REMOVED.items()}
    for old, instead in said.items():
        section, _, key = old.partition(".")
        inner = part.get(section)
        if isinstance(inner, Mapping) and key in inner:
            msg = f"{origin}: {old} {instead}"
            raise SettingsError(msg)


def _merge(
    into: dict[str, Any], extra: Mapping[str, Any], origins: Origins, origin: str, *, prefix: str = ""
) -> None:
    for key, value in extra.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and isinstance(into.get(key, {}), dict):
            origins.setdefault(dotted, origin)
            _merge(into.setdefault(key, {}), value, origins, origin, prefix=f"{dotted}.")
        else:
            into[key] = value
            origins[dotted] = origin


def _explain(detail: Any, origins: Origins) -> str:
    key = ".".join(_path(detail["loc"]))
    said = mask_text(str(detail["msg"]).removeprefix("Value error, "))
    value = f"={mask_values(detail.get('input'), key, is_secret_key)!r}"
    named = f"{key}.{said.partition('=')[0]}"
    if detail["type"] == "value_error" and named in origins:
        key, value = named, ""
    origin = origins.get(key) or origins.get(key.rpartition(".")[0], "conf/base")
    text = f"{origin}: {key}{value}: {said}"
    if not key:
        # A message about several sections begins with the key to look at.
        text = f"{origins.get(said.partition('=')[0], 'conf/base')}: {said}"
    if detail["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        close = difflib.get_close_matches(key, list(known_keys()), n=3, cutoff=0.6)
        hint = f"; near matches: {', '.join(close)}" if close else ""
        text = f"{origin}: {key} is not a known key{hint}"
    return f"{text}; see conf/base for every key with its meaning"


def _path(place: Sequence[Any]) -> list[str]:
    """Return the key of a fault; pydantic names the kind of a source behind the source's own name."""
    parts = [str(part) for part in place]
    return parts[:2] + parts[3:] if parts[:1] == ["sources"] else parts


def known_keys() -> Iterator[str]:
    """Yield every dotted key that settings may hold."""
    for section, field in settings_type().model_fields.items():
        yield section
        yield from _keys_of(field.annotation, f"{section}.")
    for kind in get_args(SourceParams):
        (name,) = get_args(_resolved(kind, "kind"))
        yield f"sources.{name}"
        yield from _keys_of(kind, f"sources.{name}.")


@cache
def secret_keys() -> frozenset[str]:
    """Return the dotted keys of all settings whose type is `SecretStr`; a source's name is ``*`` in them."""
    return frozenset(key for key, kind in typed_keys() if _mentions(kind, SecretStr))


def is_secret_key(key: str) -> bool:
    """Tell whether a dotted key is one of `secret_keys`, whatever its source is called."""
    section, _, rest = key.partition(".")
    return (f"sources.*.{rest.partition('.')[2]}" if section == "sources" else key) in secret_keys()


def typed_keys() -> Iterator[tuple[str, Any]]:
    """Yield every dotted key below which no further one is named, with its type; a source's name is ``*``."""
    for section, field in Settings.model_fields.items():
        if section != "sources":
            yield from _types_below(field.annotation, section)
    for kind in get_args(SourceParams):
        yield from _types_below(kind, "sources.*")


def _types_below(kind: Any, key: str) -> Iterator[tuple[str, Any]]:
    if not is_dataclass(kind):
        yield key, kind
        return
    for field in fields(kind):
        yield from _types_below(_resolved(kind, field.name), f"{key}.{field.name}")


def _mentions(kind: Any, wanted: type) -> bool:
    """Tell whether a value may be of a type, as ``SecretStr | None`` may."""
    return kind is wanted or any(_mentions(part, wanted) for part in get_args(kind))


def _keys_of(kind: Any, prefix: str) -> Iterator[str]:
    if not is_dataclass(kind):
        return
    for field in fields(kind):
        yield f"{prefix}{field.name}"
        yield from _keys_of(_resolved(kind, field.name), f"{prefix}{field.name}.")


def _resolved(kind: Any, name: str) -> Any:
    return get_type_hints(kind).get(name)
