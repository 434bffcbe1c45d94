"""What two revisions of the code make of the same rows, put together and told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl

from features.params import CalendarParams
from features.views import VIEWS, all_features
from pipelines.base.context import Context
from pipelines.base.errors import SettingsError
from pipelines.base.known_names import check_known
from pipelines.io.lake import run_concurrently
from pipelines.io.sources.params import SimulatedSourceParams, SourcesParams
from pipelines.registry.feature_revisions import (
    WORKING_TREE,
    Choice,
    SourceRows,
    check_checkout,
    compute_at,
    digests_are_told_alike,
    resolve_revision,
)
from pipelines.registry.source_sample import SampleSize, has_bars, read_file, read_lake, simulate
from pipelines.registry.value_comparison import Computed, compare_computed

DEFECT = "values, same digest"
_DIGESTS = ("digest_a", "digest_b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What two revisions make of the same rows.

    Attributes
    ----------
    features : polars.DataFrame
        See `pipelines.registry.value_comparison.compare_computed`.
    notes : tuple of str
        What a reader has to know beside it, a line each.
    """

    features: pl.DataFrame
    notes: tuple[str, ...]

    @property
    def defects(self) -> list[str]:
        """Features whose values changed under the same digest: nobody would build them anew."""
        return self.features.filter(pl.col("change") == DEFECT)["feature"].to_list()

    def shown(self, *, every: bool, narrow: bool) -> pl.DataFrame:
        """Return the rows to show: those that differ unless `every`, without digests if `narrow`."""
        rows = self.features if every else self.features.filter(pl.col("change") != "same")
        return rows.drop(_DIGESTS) if narrow else rows


def compare_revisions(
    folder: Path, revisions: tuple[str, str], rows: SourceRows, choice: Choice
) -> Difference:
    """Compute features by two revisions of a checkout and compare them.

    Raises
    ------
    SettingsError
        If there is no checkout, revision, view or feature of a name, or a revision does not offer features.
    """
    check_checkout(folder)
    commits = [resolve_revision(folder, revision) for revision in revisions]
    a, b = run_concurrently(*(partial(compute_at, folder, commit, rows, choice) for commit in commits))
    compared = compare_computed(a, b)
    _check_choice(choice, compared, a, b)
    if compared.is_empty():
        msg = f"no feature can be compared: {'; '.join(_left_out(a, b))}"
        raise SettingsError(msg)
    notes = [_headline(revisions, commits, rows), _count_changes(compared), *_left_out(a, b)]
    if not digests_are_told_alike(folder, commits):
        notes.append("the revisions make digests by other code, so a digest alone may differ for that reason")
    difference = Difference(features=compared, notes=tuple(notes))
    if difference.defects:
        named = ", ".join(difference.defects)
        why = "other values under the same digest, so that nothing would be built anew and no model refused"
        told = f"DEFECT of features/code_digest.py: {named} have {why}"
        return replace(difference, notes=(*notes, told))
    return difference


def choose_rows(context: Context, bars: Path | None, size: SampleSize) -> SourceRows:
    """Return the rows to compare on: of the file, of the home's lake if it has bars, of a simulated market.

    Raises
    ------
    SettingsError
        If there is neither.
    """
    if bars is not None:
        return read_file(bars, context, size)
    if context.home.root.is_dir() and has_bars(context):
        return read_lake(context, size)
    for params in context.params(SourcesParams).sources.values():
        if isinstance(params, SimulatedSourceParams):
            return simulate(params, context.params(CalendarParams), size)
    msg = f"{context.home.root} has no bars and the settings no simulated market: name a file with --bars"
    raise SettingsError(msg)


def _check_choice(choice: Choice, compared: pl.DataFrame, *sides: Computed) -> None:
    """Refuse a name that neither revision knows."""
    views = {name for side in sides for name in (*side.values, *side.left_out)}
    for name in set(choice.views) - views:
        check_known(name, [*VIEWS, *views], "--view")
        msg = f"--view {name}: neither revision has it with a feature that was asked for"
        raise SettingsError(msg)
    if any(side.left_out for side in sides):
        return  # what such a view holds is not known
    for name in set(choice.features) - set(compared["feature"]):
        check_known(name, [one.name for one in all_features()], "--features")
        msg = f"--features {name}: neither revision has it in the views that were asked for"
        raise SettingsError(msg)


def _headline(revisions: tuple[str, str], commits: list[str], rows: SourceRows) -> str:
    named = [
        "the working tree" if commit == WORKING_TREE else f"{revision} ({commit[:12]})"
        for revision, commit in zip(revisions, commits, strict=True)
    ]
    first, last = rows.sessions[-rows.wanted], rows.sessions[-1]
    return f"A is {named[0]}, B is {named[1]}: {rows.wanted} sessions {first} to {last}, {rows.described}"


def _count_changes(compared: pl.DataFrame) -> str:
    counts = compared.group_by("change", maintain_order=True).len().rows()
    return ", ".join(f"{count} {change}" for change, count in counts)


def _left_out(a: Computed, b: Computed) -> list[str]:
    sides = (("A", a), ("B", b))
    return [
        f"{view} of {side} is not compared: {why}"
        for side, one in sides
        for view, why in one.left_out.items()
    ]
