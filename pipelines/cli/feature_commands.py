"""The commands that look at features: which there are, what one is, what a change of code does to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from features.params import FeaturesParams
from pipelines.base.errors import EXIT_BAD_DATA
from pipelines.cli.options import Request, common, open_request
from pipelines.cli.view_commands import rendered


@click.group()
def features() -> None:
    """Look at the catalog of features."""


@features.command("list")
@click.option("--view", help="Only features of this view.")
@click.option("--in-set", help="Only features of this set; --set overrides a setting.")
@click.option("--family", help="Only features of this family, the first part of their names.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@rendered
@common
def list_command(request: Request, as_json: bool, form: str, to: Path | None, **filters: str | None) -> None:
    """List the registered features with unit, look-back, alignment, level, view and sets."""
    from pipelines.cli.feature_catalog import list_features
    from pipelines.cli.row_display import render

    rows = list_features(_feature_sets(request), **filters)
    click.echo(rows.write_json() if as_json else render(rows, form, to))


@features.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def show_command(request: Request, name: str, as_json: bool) -> None:
    """Show the catalog's page of the feature NAME."""
    import json

    from pipelines.cli.feature_catalog import describe_feature, render_page

    described = describe_feature(name, _feature_sets(request))
    click.echo(json.dumps(described, indent=1) if as_json else render_page(described))


@features.command("diff")
@click.argument("a")
@click.argument("b", default=".")
@click.option("--view", "views", multiple=True, help="Only features of this view; may be repeated.")
@click.option("--features", "names", help="Only these features, with commas between.")
@click.option(
    "--sample", type=click.IntRange(min=1), default=60, show_default=True, help="Newest sessions to compare."
)
@click.option(
    "--symbols",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Symbols to compare at most.",
)
@click.option(
    "--bars",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Parquet file of bars to compare on (default: the home's lake, or a simulated market without one).",
)
@click.option(
    "--repository",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Git checkout of the project that holds the revisions (default: the one that runs).",
)
@click.option("--all", "every", is_flag=True, help="Show features that are the same too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@rendered
@common
def diff_command(
    request: Request,
    a: str,
    b: str,
    *,
    views: tuple[str, ...],
    names: str | None,
    sample: int,
    symbols: int,
    bars: Path | None,
    repository: Path | None,
    every: bool,
    as_json: bool,
    form: str,
    to: Path | None,
) -> None:
    """Show which features have other values in revision B of the code than in A, on the same rows.

    A and B are commits, branches or tags; . is the working tree. The code of both is run. Ends with 65 where
    values changed under the same digest, which is a defect of the digest.
    """
    from pipelines.base.project import PROJECT_ROOT
    from pipelines.cli.feature_difference import choose_rows, compare_revisions
    from pipelines.cli.row_display import render
    from pipelines.registry.feature_revisions import Choice, check_checkout
    from pipelines.registry.source_sample import SampleSize

    folder = (repository or PROJECT_ROOT).resolve()
    check_checkout(folder)
    rows = choose_rows(open_request(request), bars, SampleSize(sessions=sample, symbols=symbols))
    chosen = Choice(views=views, features=tuple(names.split(",")) if names else ())
    difference = compare_revisions(folder, (a, b), rows, chosen)
    for note in difference.notes:
        click.echo(note, err=True)
    shown = difference.shown(every=every, narrow=form == "table" and to is None and not as_json)
    if shown.is_empty() and form == "table" and to is None and not as_json:
        click.echo("no feature differs")
    else:
        click.echo(shown.write_json() if as_json else render(shown, form, to))
    if difference.defects:
        raise SystemExit(EXIT_BAD_DATA)


def _feature_sets(request: Request) -> Mapping[str, Any]:
    """Return the feature sets of the settings; no home is needed for them."""
    from pipelines.app.settings import load_settings

    return load_settings(request.env, overrides=request.overrides)[0].section(FeaturesParams).sets


COMMANDS = (features,)
