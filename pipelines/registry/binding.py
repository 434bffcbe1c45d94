"""Whether a model still eats what it was trained on.

Its lineage names the digests of its features and of what lies behind them. Where the lake's differ today, a
sample of its training frame is read again: equal bit for bit, the change was none, which the ledger notes;
otherwise the model is refused, until a person takes the difference for harmless or a new one is trained.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from features.code_digest import feature_digest
from features.views import all_features
from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.base.errors import BadDataError, SettingsError, TransientError
from pipelines.io.feature_retrieval import read_features
from pipelines.io.feature_store import open_feature_store
from pipelines.io.tracking_params import TrackingParams
from pipelines.registry.challenger import read_kept_frame
from pipelines.registry.champion import champion_at, load_model, tracking_of
from pipelines.registry.ledger import LedgerEntry, append_entry, check_reason, next_instant, read_ledger
from pipelines.registry.lineage import Lineage
from pipelines.registry.model_identity import describe_definitions
from pipelines.tables.contracts import SILVER_BARS

log = logging.getLogger(__name__)

SAMPLED_SESSIONS = 8
"""Sessions of a training frame that are read again, the first and the last among them, whole universes."""
MOST_NAMED = 5
BEHIND_FEATURES = ("curate", "price_basis", "calendar", "text_scorer")
"""Definitions that reach a feature; the labels' matters to training alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What of a model's inputs is made otherwise today, and by what.

    Attributes
    ----------
    differs : mapping of str to str
        Features and definitions that differ, with their digests of today; what the record does not say is
        not compared.
    state : str
        Digest of `differs`: a person's word about it holds as long as it does.
    built_state : str
        The same with the definition that the lake's features were last built under: what a sample of them has
        shown holds until they are built anew.
    """

    differs: dict[str, str]
    state: str
    built_state: str

    @property
    def gone(self) -> list[str]:
        """Features that the catalog lacks."""
        return [name for name, digest in self.differs.items() if not digest]

    def name_differences(self) -> str:
        """Return the names of what differs, a few of them."""
        names = sorted(self.differs)
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        return ", ".join(names[:MOST_NAMED]) + more


def compare_lineage(context: Context, lineage: Lineage) -> Binding:
    """Return what differs between what a model was trained on and what the lake holds and builds today."""
    known = {feature.name for feature in all_features()}
    now = {name: feature_digest(name) if name in known else "" for name in lineage.feature_digests}
    then = dict(lineage.feature_digests)
    if lineage.definitions:
        behind = describe_definitions(context, [name for name in lineage.feature_names if name in known])
        now |= {name: behind[name] for name in BEHIND_FEATURES}
        then |= {name: lineage.definitions.get(name, behind[name]) for name in BEHIND_FEATURES}
    differs = {name: digest for name, digest in sorted(now.items()) if digest != then[name]}
    built = context.run_log.last("build_features").definition
    return Binding(
        differs=differs,
        state=digest_of(lineage.model_key, json.dumps(differs)),
        built_state=digest_of(lineage.model_key, json.dumps(differs), built),
    )


def check_binding(context: Context, version: str, lineage: Lineage) -> None:
    """Refuse a model whose inputs are made otherwise than when it was trained; tell the service so too.

    A difference that a sample shows to be none, or that a person has accepted, is no hindrance. The first is
    written into the ledger, once.

    Raises
    ------
    SettingsError
        Naming what differs and what to do.
    UnavailableError
        If the training frame cannot be fetched.
    TransientError
        If features are not built yet from what curate has written.
    """
    why = why_refused(context, version, lineage)
    if _note(context, lineage, why):
        raise SettingsError(why)


def note_binding(context: Context) -> str:
    """Tell the service whether the champion may score what is published; return why not, empty if it may.

    For whoever publishes features: they go online in any case, and the model is refused, not they.
    """
    entry = champion_at(context, date.max)
    if entry is None:
        return ""
    try:
        lineage, _ = load_model(context, entry.model_version, entry.model_key)
        why = why_refused(context, entry.model_version, lineage)
    except (BadDataError, TransientError) as error:
        return f"whether version {entry.model_version} may score what is published cannot be told: {error}"
    return why if _note(context, lineage, why) else ""


def _note(context: Context, lineage: Lineage, why: str) -> bool:
    """Tell the service, unless a person has accepted the difference meanwhile; return whether it refuses."""
    with context.writing():
        if why and is_accepted(read_ledger(context.lake), compare_lineage(context, lineage)):
            why = ""
        open_feature_store(context).note_refusal(lineage.model_key, why)
    return bool(why)


def why_refused(context: Context, version: str, lineage: Lineage) -> str:
    """Return why a model may not score what the lake holds today, empty if it may; see `check_binding`."""
    binding = compare_lineage(context, lineage)
    if not binding.differs or is_accepted(read_ledger(context.lake), binding):
        return ""
    names = binding.name_differences()
    if gone := binding.gone:
        return (
            f"version {version} reads features that nobody builds any more: {', '.join(gone[:MOST_NAMED])}; "
            "train a new model, or go back to the code that builds them"
        )
    _check_built(context)
    try:
        frame = _kept_frame(context, version, lineage)
    except BadDataError as error:
        found = f"its training frame cannot be held against them ({error})"
    else:
        sample = choose_sample(frame)
        unequal = count_unequal(sample, _read_again(context, sample, lineage.feature_names))
        if not unequal:
            why = (
                f"{names} are made otherwise, and all {sample.height} sampled rows of the training frame are "
                "the same bit for bit"
            )
            _write(context, version, lineage, binding, why=why, by_person=False)
            return ""
        found = f"{unequal} of {sample.height} sampled rows of its training frame have other values now"
    return (
        f"version {version} reads what is made otherwise than when it was trained: {names}; {found}. Train a "
        f'new model, or take it as it is with `bellwether accept-lineage --version {version} --why "…"`'
    )


def _check_built(context: Context) -> None:
    """Wait with a sample until features are built from what curate has written: it shows the former ones."""
    consumed = context.run_log.last("build_features").inputs.get(SILVER_BARS.name)
    if consumed is not None and consumed != context.lake.version(SILVER_BARS):
        msg = "features are not built yet from what curate has written; run `bellwether build_features` first"
        raise TransientError(msg)


def is_accepted(entries: Sequence[LedgerEntry], binding: Binding) -> bool:
    """Return whether the ledger says that a difference does not matter."""
    said = {
        str(entry.numbers.get("state")): bool(entry.numbers.get("by_person"))
        for entry in entries
        if entry.kind == "lineage"
    }
    return said.get(binding.state, False) or binding.built_state in said


def accept_lineage(context: Context, version: str, lineage: Lineage, why: str) -> LedgerEntry | None:
    """Write down that a person takes a model's differences for harmless; None where there are none.

    The same word again adds nothing.

    Raises
    ------
    BadDataError
        If no reason is given.
    """
    why = check_reason(why, "why the difference does not matter")
    binding = compare_lineage(context, lineage)
    if not binding.differs:
        return None
    if binding.gone:
        msg = f"nobody builds {', '.join(binding.gone[:MOST_NAMED])} any more, which version {version} reads"
        raise BadDataError(f"{msg}; train a new model")
    entry = _write(context, version, lineage, binding, why=why, by_person=True)
    open_feature_store(context).note_refusal(lineage.model_key, "")
    return entry


def choose_sample(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of some sessions of a training frame, evenly spread, its first and last among them."""
    sessions = frame["session"].unique().sort()
    places = {
        round(place * (len(sessions) - 1) / (SAMPLED_SESSIONS - 1)) for place in range(SAMPLED_SESSIONS)
    }
    return frame.filter(pl.col("session").is_in([sessions[place] for place in sorted(places)]))


def count_unequal(sample: pl.DataFrame, again: pl.DataFrame) -> int:
    """Return how many rows of a sample are not there again with the very same values.

    Parameters
    ----------
    sample, again : polars.DataFrame
        `symbol`, `session` and features (Float32), those of `again`. Null equals null, NaN equals NaN.
    """
    names = [name for name in again.columns if name not in ("symbol", "session")]
    both = sample.join(again, on=["symbol", "session"], how="inner", suffix="_again")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_again")) for name in names)
    return sample.height - both.filter(same).height


def _kept_frame(context: Context, version: str, lineage: Lineage) -> pl.DataFrame:
    tracking = tracking_of(context)
    return read_kept_frame(tracking, tracking.version(version), lineage)


def _read_again(context: Context, sample: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    read = read_features(context, sample.select("symbol", "session", "cutoff_at"), names, at="cutoff_at")
    return context.lake.collect(read).select("symbol", "session", pl.col(names).cast(pl.Float32))


def _write(
    context: Context, version: str, lineage: Lineage, binding: Binding, *, why: str, by_person: bool
) -> LedgerEntry:
    state = binding.state if by_person else binding.built_state
    with context.writing():
        entries = read_ledger(context.lake)
        entry = LedgerEntry(
            entry_id=digest_of("lineage", state, why),
            kind="lineage",
            # It decides nothing, and stands where it was written.
            as_of=max([lineage.as_of, *(entry.as_of for entry in entries)]),
            model_key=lineage.model_key,
            model_version=version,
            previous_version="",
            who=context.params(TrackingParams).signed_by,
            why=why,
            numbers={"state": state, "by_person": by_person, "differs": binding.differs},
            decided_at=next_instant(entries, context.clock()),
        )
        if append_entry(context.lake, entry):
            log.warning("version %s: %s", version, why)
    return entry
