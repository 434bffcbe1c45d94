"""The page that describes the API, our own instead of BentoML's, and the one that names the champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from serving.schemas import Problem
from serving.served_model import Manifest

CHAMPION_ROUTE = "/champion"
DESCRIPTION = """Forecasts of the current champion from the newest published features.

A symbol without a usable row gets a status and a reason instead of a number; a request that breaks the
schema gets a 4xx with the places at fault. Higher scores are expected to do better within their session."""
_FORECASTS = {
    "name": "Forecasts",
    "description": "Of named symbols, or of feature rows that the caller brings.",
}
_OPERATION = {"name": "Operation", "description": "What probes and monitoring ask."}
_CHAMPION = {
    "tags": [_OPERATION["name"]],
    "summary": "Which champion answers",
    "description": "Bento and pointer of the champion that answers from now on, and why it may not be the "
    "one that is meant. `bellwether install` and `bellwether status` ask here.",
    "responses": {"200": {"description": "What answers; nulls before the first champion."}},
}
_REFUSALS = {
    "400": "The body cannot be read.",
    "401": "The token is missing or wrong.",
    "413": "The request is too large.",
    "415": "The media type is not taken.",
    "422": "The message breaks the schema.",
    "503": "Nothing is installed or published yet.",
}
# The scripts are Swagger UI as BentoML installs it.
_PAGE = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <title>Bellwether</title>
    <link rel="stylesheet" type="text/css" href="./static_content/swagger-ui.css">
    <link rel="icon" href="data:,">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="./static_content/swagger-ui-bundle.js" charset="UTF-8"></script>
    <script src="./static_content/swagger-ui-standalone-preset.js" charset="UTF-8"></script>
    <script src="./static_content/swagger-initializer.js" charset="UTF-8"></script>
  </body>
</html>
"""


def version_of(manifest: Manifest | None) -> str:
    """Return the version to show: a Bento's own with its tag, in a checkout that of the installed package."""
    return version("bellwether") if manifest is None else f"{manifest.release} ({manifest.bento})"


def api_page(
    specification: Callable[[], Mapping[str, Any]],
    shown_version: str,
    champion: Callable[[], Mapping[str, Any]],
) -> Starlette:
    """Return the application that answers ``/`` and ``/docs.json`` in BentoML's place, and ``/champion``.

    Parameters
    ----------
    specification : callable
        Returns what BentoML makes of the routes.
    champion : callable
        Returns what `serving.setup.RunningService.describe_champion` does.
    """

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE)

    async def document(_: Request) -> Response:
        return JSONResponse(describe_api(specification(), shown_version))

    async def installed(_: Request) -> Response:
        return JSONResponse(champion())

    return Starlette(
        routes=[Route("/", page), Route("/docs.json", document), Route(CHAMPION_ROUTE, installed)]
    )


def describe_api(specification: Mapping[str, Any], shown_version: str) -> dict[str, Any]:
    """Return the OpenAPI document: our words about it, and our refusals for BentoML's."""
    info = {"title": "Bellwether", "version": shown_version, "description": DESCRIPTION}
    paths = {
        route: {method: _describe_operation(operation) for method, operation in operations.items()}
        for route, operations in specification["paths"].items()
    }
    paths[CHAMPION_ROUTE] = {"get": dict(_CHAMPION)}
    components = dict(specification["components"])
    schemas = {**components.get("schemas", {}), "Problem": Problem.model_json_schema()}
    return {
        **specification,
        "info": info,
        "tags": [_FORECASTS, _OPERATION],
        "paths": paths,
        "components": {**components, "schemas": schemas},
    }


def _describe_operation(operation: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in operation.items() if key != "x-bentoml-name"}
    if "requestBody" not in kept:
        return {**kept, "tags": [_OPERATION["name"]]}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusals = {status: {"description": why, "content": content} for status, why in _REFUSALS.items()}
    return {
        **kept,
        "tags": [_FORECASTS["name"]],
        "responses": {"200": kept["responses"][200], **refusals},
    }
