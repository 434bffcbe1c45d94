"""What a model was made from: written before it is fitted, kept beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from models.families import find_family
from models.params import BaselineParams, ModelsParams, SplitParams
from pipelines.base.errors import BadDataError

LINEAGE_FILE = "lineage.json"
FORMER_FILE = "ancestry.json"
"""Where releases before the feature sets kept it."""
RENAMED = {"horizon": "horizon_sessions", "feature_service": "feature_set", "decision_at": "cutoff_at"}
UNKNOWN: Mapping[str, Any] = {
    **{name: {} for name in ("feature_digests", "definitions", "baselines", "table_versions")},
    **{name: {} for name in ("model_settings", "splits")},
    **dict.fromkeys(("frame_digest", "code_revision", "git_commit"), ""),
    **dict.fromkeys(("settings_hash", "universe_rule"), ""),
    **dict.fromkeys(("rows", "assumed_share"), None),
}
"""Fields that a record may lack, with what it then says: nothing is known of it. Without one of the others
nobody knows what the model reads, forecasts or has seen."""
UNIVERSE_RULE = (
    "every symbol with a valid feature row of the session known at its cut; "
    "to train, with a valid label known at the as-of's"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Everything needed to make a model again, and to know which sessions it has seen.

    Attributes
    ----------
    model_key : str
        Digest of what follows, table versions aside.
    family : str
    as_of : date
        Session at whose cut the tables were read.
    cutoff_at : datetime
        That instant, in UTC; in records of before the cut the session's decision.
    horizon_sessions : int
        Sessions over which the label's return runs.
    feature_names : tuple of str
        Columns the model reads, in its order.
    history_sessions : int
        Sessions of features that one forecast needs.
    rows : int or None
        Rows of the training frame.
    frame_digest : str
        Digest of the sorted training frame.
    table_versions : mapping of table to Delta version
    feature_set : str
        Name of the feature set, which is also that of Feast's feature service.
    feature_digests : mapping of feature to str
        Digest of each feature's entry and of the code that it reaches.
    definitions : mapping of str to str
        What lies behind the features: how bars were judged, their price basis, calendar, labels, scorer.
    code_revision, git_commit : str
        Digest of the code that the fit rests on; the commit, where there is a repository.
    settings_hash : str
        Digest of `model_settings`.
    model_settings : mapping
        The ``models`` section of the settings as it was.
    baselines : mapping
        Parameters of the baselines beside it. No part of the key, but for the features that its frame holds.
    assumed_share : float or None
        Part, 0 to 1, of the versions of bars known at the as-of's cut of which nobody saw when they came:
        they count as known a lag after the close, or at a cut. None where bars say nothing of it.
    universe_rule : str
    splits : mapping
        Boundaries of every fold and of the final fit.
    seed : int
    fitted_until : datetime
        Last `label_end` among the rows of the final fit, validation included.
    embargo_sessions : int
        Sessions kept apart beyond it.
    """

    model_key: str
    family: str
    as_of: date
    cutoff_at: datetime
    horizon_sessions: int
    feature_names: tuple[str, ...]
    history_sessions: int
    rows: int | None
    frame_digest: str
    table_versions: Mapping[str, int | None]
    feature_set: str
    feature_digests: Mapping[str, str]
    definitions: Mapping[str, str]
    code_revision: str
    git_commit: str
    settings_hash: str
    model_settings: Mapping[str, Any]
    universe_rule: str
    splits: Mapping[str, Any]
    seed: int
    fitted_until: datetime
    embargo_sessions: int
    baselines: Mapping[str, Any] = field(default_factory=dict)
    assumed_share: float | None = None

    def to_json(self) -> str:
        """Return the record as JSON text with sorted keys."""
        return json.dumps(asdict(self), default=json_default, sort_keys=True, indent=1)

    def as_tags(self) -> dict[str, str]:
        """Return the record as short texts, for a run's tags; the long parts stay in the file."""
        short = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in {"feature_names", "feature_digests", "model_settings", "splits"}
        }
        return {
            name: json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else json_default(value)
            for name, value in short.items()
        } | {"features": str(len(self.feature_names))}


def json_default(value: Any) -> str:
    """Return what JSON has no form for as text, dates and instants in ISO 8601."""
    return value.isoformat() if isinstance(value, date) else str(value)


def parse_lineage(text: str) -> Lineage:
    """Return the record that `Lineage.to_json` wrote, in this release or an earlier one.

    What an older release called otherwise is renamed, what it did not know is empty, and what only it knew
    is left out: an auditor reads old models too.

    Raises
    ------
    BadDataError
        If the text is no such record, or lacks what nobody can do without.
    """
    try:
        written: dict[str, Any] = json.loads(text)
        renamed = {**UNKNOWN, **{RENAMED.get(name, name): value for name, value in written.items()}}
        found = {field.name: renamed[field.name] for field in fields(Lineage)}
        for name in ("cutoff_at", "fitted_until"):
            found[name] = datetime.fromisoformat(found[name])
        found["as_of"] = date.fromisoformat(found["as_of"])
        found["feature_names"] = tuple(found["feature_names"])
    except KeyError as error:
        msg = f"the lineage record lacks {error}; no release wrote it so: train the model again"
        raise BadDataError(msg) from error
    except (TypeError, ValueError, AttributeError) as error:
        msg = f"the lineage record cannot be read ({error}); bring it back from a backup, or train again"
        raise BadDataError(msg) from error
    return Lineage(**found)


def check_reproducible(lineage: Lineage) -> None:
    """Refuse a record that does not say what the model was made from.

    Raises
    ------
    BadDataError
        Naming what it lacks.
    """
    names = ("model_settings", "frame_digest")
    unknown = [name for name in names if not getattr(lineage, name)]
    if unknown:
        msg = (
            f"the record of model {lineage.model_key[:12]} says nothing of {', '.join(unknown)}: it cannot "
            "be made again; train a new model"
        )
        raise BadDataError(msg)


def restore_params(lineage: Lineage, current: ModelsParams) -> ModelsParams:
    """Return the settings the model was fitted with, and its baselines'; all else stays as it is now."""
    kept = lineage.model_settings
    family = lineage.family
    restored: dict[str, Any] = {"split": SplitParams(**kept["split"])}
    own = find_family(family).params
    if own is not None:
        values = {
            name: tuple(value) if isinstance(value, list) else value for name, value in kept[family].items()
        }
        restored[family] = own(**values)
    if lineage.baselines:
        restored["baselines"] = BaselineParams(**lineage.baselines)
    return replace(current, family=kept["family"], seed=kept["seed"], **restored)


def read_lineage(model_folder: Path) -> Lineage:
    """Return the record that stands in a registered model's folder.

    Raises
    ------
    BadDataError
        If there is none, or it cannot be used.
    """
    path = model_folder / LINEAGE_FILE
    former = model_folder / FORMER_FILE
    try:
        text = (path if path.is_file() else former).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        msg = f"{path} is no lineage record ({error}); bring it back from a backup, or train again"
        raise BadDataError(msg) from error
    return parse_lineage(text)


def write_lineage(lineage: Lineage, folder: Path) -> None:
    """Write the record into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LINEAGE_FILE).write_text(lineage.to_json(), encoding="utf-8")
