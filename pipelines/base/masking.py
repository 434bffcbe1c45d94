"""What is secret by its name or its form, and how a person sees it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

SECRET_NAME = re.compile(
    r"secret|passw|token(?!s|_file)|credential(?!s?[._-]?provider)"
    r"|(access|account|api|encryption)[._-]?key",
    re.IGNORECASE,
)
IN_ADDRESS = re.compile(
    r"(?<=//)(?P<user>[^/@\s:]*):(?!\d{1,5}/)[^\s'\"]+(?=@)|(?<=password=)[^,\s&'\"*][^,\s&'\"]*",
    re.IGNORECASE,
)
"""What stands between user and host of an address, or behind ``password=`` in one.

A password may hold ``/`` and ``@``, as SQLAlchemy reads it; digits before a ``/`` are a port.
"""
MASK = "**********"


def is_secret_name(key: str) -> bool:
    """Tell whether a free-form key, such as an option of Spark's, is named like a secret."""
    return SECRET_NAME.search(key) is not None


def has_password(value: object) -> bool:
    """Tell whether a value is an address with a password in it."""
    return isinstance(value, str) and IN_ADDRESS.search(value) is not None


def mask_text(text: str) -> str:
    """Return a text with the password within each address masked: a library's message may quote ours."""
    return IN_ADDRESS.sub(_mask_password, text)


def mask_values(value: Any, key: str, is_secret: Callable[[str], bool]) -> Any:
    """Return what a setting holds, whole sections too, with every secret in it masked."""
    if isinstance(value, Mapping):
        return {name: mask_values(inner, f"{key}.{name}", is_secret) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [mask_values(inner, key, is_secret) for inner in value]
    if value and (is_secret(key) or is_secret_name(key)):
        return MASK
    return mask_text(value) if isinstance(value, str) else value


def _mask_password(found: re.Match[str]) -> str:
    user = found.group("user")
    return MASK if user is None else f"{user}:{MASK}"


class MaskingFormatter(logging.Formatter):
    """Writes each line, tracebacks included, with `mask_text`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return mask_text(super().format(record))
