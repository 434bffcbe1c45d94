"""The command that looks whether features see ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.base.errors import LookAheadError, SettingsError
from pipelines.cli.options import Request, common, open_home, open_request

if TYPE_CHECKING:
    import polars as pl

    from features.leakcheck.examination import Declared
    from features.leakcheck.trial import Compute
    from features.leakcheck.verdicts import Examination
    from features.views import FeatureView

SIMULATED, LAKE = "simulated", "lake"


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--view", help="Check the features of a view instead; --set NAME those of a feature set.")
@click.option(
    "--bars",
    default=SIMULATED,
    show_default=True,
    metavar="simulated|lake|FILE",
    help="Rows to check on: simulated ones, the home's own, or a Parquet file of bars.",
)
@click.option(
    "--symbols",
    type=click.IntRange(min=4),
    default=50,
    show_default=True,
    help="At most so many, drawn at random.",
)
@click.option(
    "--sessions",
    type=click.IntRange(min=30),
    default=500,
    show_default=True,
    help="The newest ones, of bars that are not simulated.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is drawn."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def leakcheck(request: Request, path: Path | None, *, view: str | None, as_json: bool, **asked: Any) -> None:
    """Look whether the features of the Python file PATH see ahead: 65 if any does.

    PATH defines features(bars): a Polars frame of bars in, symbol, session and features out. Nothing is
    written. With --view or --set the features of the catalog are checked.
    """
    from pipelines.cli.leakcheck_report import render_examinations

    sets = [one for one in request.overrides if "=" not in one]
    if sum((path is not None, view is not None, len(sets))) != 1:
        raise click.UsageError("name one thing to check: a file, --view NAME or --set NAME")
    rows = Rows(request, **asked)
    if path is not None:
        examined = [check_file(path, rows)]
    else:
        examined = [check_view(one, names, rows) for one, names in _chosen(request, view, sets)]
    click.echo(render_examinations(examined, as_json=as_json))
    refused = [f"{one.name} ({one.verdict})" for each in examined for one in each.refused]
    if refused:
        msg = f"{len(refused)} of the features must not be used: {', '.join(refused)}"
        raise LookAheadError(msg)


class Rows:
    """The rows that were asked for, of any source."""

    def __init__(self, request: Request, *, bars: str, symbols: int, sessions: int, seed: int) -> None:
        settings = tuple(one for one in request.overrides if "=" in one)
        self._request = Request(home=request.home, env=request.env, overrides=settings, clock=request.clock)
        self._bars = bars
        self._size = {"symbols": symbols, "sessions": sessions, "seed": seed}
        self.seed = seed

    def of_bars(self) -> pl.DataFrame:
        """Return bars, one row each."""
        from features.views import primary_view
        from pipelines.cli.leakcheck_rows import (
            bars_of,
            bounded,
            read_bars_file,
            read_lake_rows,
            simulated_rows,
        )

        if self._bars == SIMULATED:
            return simulated_rows(None, **self._size)
        if self._bars == LAKE:
            return bars_of(read_lake_rows(open_home(self._request), primary_view(), **self._size))
        bars = read_bars_file(Path(self._bars), open_request(self._request).calendar)
        return bounded(bars, **self._size)

    def of_source(self, view: FeatureView) -> pl.DataFrame:
        """Return the rows that a view is built from."""
        from features.views import primary_view
        from pipelines.cli.leakcheck_rows import read_lake_rows, simulated_rows, source_rows_of

        if self._bars == SIMULATED:
            return simulated_rows(view, **self._size)
        if self._bars == LAKE:
            return read_lake_rows(open_home(self._request), view, **self._size)
        if view.source != primary_view().source:
            msg = f"view {view.name} reads {view.source}, not bars; leave --bars out, or give --bars lake"
            raise SettingsError(msg)
        return source_rows_of(self.of_bars(), view)


def check_file(path: Path, rows: Rows) -> Examination:
    """Examine the features of a user's file.

    Raises
    ------
    SettingsError
        If the file, or what its function does, cannot be examined.
    """
    from pipelines.cli.feature_file import read_feature_file

    file = read_feature_file(path)
    return _examine(file.fresh, rows.of_bars(), file.declared, what=str(path), seed=rows.seed)


def check_view(view: FeatureView, names: tuple[str, ...], rows: Rows) -> Examination:
    """Examine features of a view.

    Raises
    ------
    SettingsError
        If there are no rows for it.
    """
    from features.leakcheck.registered import compute_view, declared_by
    from features.sessions import SessionCalendar

    compute = compute_view(view, names, SessionCalendar())
    source = rows.of_source(view)
    declared = declared_by(view, names)
    return _examine(lambda: compute, source, declared, what=view.name, seed=rows.seed, versions=False)


def _examine(
    make: Callable[[], Compute],
    rows: pl.DataFrame,
    declared: Declared,
    *,
    what: str,
    seed: int,
    versions: bool = True,
) -> Examination:
    from features.leakcheck.examination import examine
    from features.leakcheck.value_grid import FeatureOutputError

    try:
        return examine(make, rows, declared, seed=seed, versions=versions)
    except FeatureOutputError as error:
        msg = f"{what}: {error}"
        raise SettingsError(msg) from error


def _chosen(
    request: Request, view: str | None, sets: list[str]
) -> Iterator[tuple[FeatureView, tuple[str, ...]]]:
    """Yield views with the features of each that are to be checked."""
    from features.params import FeaturesParams
    from features.views import find_view, names_by_view

    if view is not None:
        try:
            found = find_view(view)
        except KeyError as error:
            raise SettingsError(str(error.args[0])) from error
        yield found, found.feature_names
        return
    settings = Request(home=request.home, env=request.env, clock=request.clock,
                       overrides=tuple(one for one in request.overrides if "=" in one))  # fmt: skip
    known = open_request(settings).params(FeaturesParams).sets
    if sets[0] not in known:
        msg = f"--set {sets[0]} is no feature set, nor KEY=VALUE; there are {', '.join(known)}"
        raise SettingsError(msg)
    for name, names in names_by_view(known[sets[0]]).items():
        if names:
            yield find_view(name), names


COMMANDS = (leakcheck,)
