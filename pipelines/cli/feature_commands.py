"""The commands that look at features: which there are, what one is, what a change of code does to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from features.params import FeaturesParams
from pipelines.cli.options import Request, common
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


def _feature_sets(request: Request) -> Mapping[str, Any]:
    """Return the feature sets of the settings; no home is needed for them."""
    from pipelines.app.settings import load_settings

    return load_settings(request.env, overrides=request.overrides)[0].section(FeaturesParams).sets


COMMANDS = (features,)
