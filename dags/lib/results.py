"""The JSON report of a command: parsing it, looking things up in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowFailException


def read_result(line: str) -> dict[str, Any]:
    """Return the report that a command printed as its last line, empty where the line is none.

    For a command that failed: it may have ended before it could say anything.
    """
    try:
        return parse_result(line)
    except AirflowFailException:
        return {}


def parse_result(line: str) -> dict[str, Any]:
    """Return the report that a command printed as its last line.

    Raises
    ------
    AirflowFailException
        If the line is no JSON object: the command is another program than this DAG expects.
    """
    try:
        result = json.loads(line)
    except json.JSONDecodeError as error:
        raise AirflowFailException(f"The command's last line is not JSON: {line!r}") from error
    if not isinstance(result, dict):
        raise AirflowFailException(f"The command's last line is not a JSON object: {line!r}")
    return result


def find_value(result: Any, key: str) -> Any:
    """Return the value of `key` in the report, its details or the last stage that has it; else None."""
    if not isinstance(result, Mapping):
        return None
    if result.get(key) is not None:
        return result[key]
    below = [*reversed(result.get("stages") or []), result.get("details")]
    found = (find_value(part, key) for part in below)
    return next((value for value in found if value is not None), None)


def list_values(result: Any, key: str) -> list[Any]:
    """Return the items of the lists that stand under `key` in the report, its details and its stages."""
    if not isinstance(result, Mapping):
        return []
    below = [result.get("details"), *(result.get("stages") or [])]
    return [*(result.get(key) or []), *(item for part in below for item in list_values(part, key))]


def absolute_link(result: Mapping[str, Any], bases: Mapping[str, str]) -> str:
    """Return the address of the report's `link`, whose first part may be one of `bases`, or ""."""
    link = str(find_value(result, "link") or "")
    first, _, rest = link.partition("/")
    return f"{bases[first].rstrip('/')}/{rest}" if first in bases else link
