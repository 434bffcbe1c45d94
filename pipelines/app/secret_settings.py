"""Where a secret setting may stand: the environment, or a file that its owner alone reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.base.errors import SettingsError
from pipelines.base.masking import has_password, is_secret_name
from pipelines.base.small_files import mode_for_others
from serving.online.params import CONNECTION_VARIABLE

IsSecret = Callable[[str], bool]
"""Tells whether a dotted key is a setting of type `SecretStr`."""
VARIABLES = {
    "feature_store.connection": CONNECTION_VARIABLE,
    "lake.lock_database": "BELLWETHER_LOCK_DATABASE",
}
"""Environment variable of each setting of type `SecretStr`; `conf/dags.yaml` hands them to commands."""
ADDRESSES_WITH_LOGIN = frozenset({"tracking.uri", "tracking.registry_uri"})
"""Addresses in which a password may stand; others are written to the lake, or have their keys in options."""
WHERE = (
    "put it into a file of mode 0600 below conf/ENV/ whose name holds `secret`, such as conf/ENV/secret.yaml "
    "(git and images leave it out)"
)


def read_environment(environ: Mapping[str, str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each secret that the environment holds as nested settings, with the variable's name."""
    for key, variable in VARIABLES.items():
        if value := environ.get(variable):
            nested: Any = value
            for part in reversed(key.split(".")):
                nested = {part: nested}
            yield nested, f"${variable}"


def refuse_in_command(part: Mapping[str, Any], is_secret: IsSecret) -> None:
    """Refuse a secret of ``--set``: every account of a machine reads command lines.

    Raises
    ------
    SettingsError
        Naming the key, never the value, and where to put it.
    """
    for key, value in _leaves(part):
        if value != "" and (is_secret(key) or _holds_secret(key, value, is_secret)):
            variable = f", or into the environment as {VARIABLES[key]}" if key in VARIABLES else ""
            msg = f"--set {key}: a secret in a command line is there for everybody to read; {WHERE}{variable}"
            raise SettingsError(msg)


def check_file(path: Path, part: Mapping[str, Any], origin: str, is_secret: IsSecret) -> None:
    """Refuse a secret in a file that others may read, or that would go to git and into images.

    Raises
    ------
    SettingsError
        Naming file, key and what to do, never the value.
    """
    found = next((key for key, value in _leaves(part) if _holds_secret(key, value, is_secret)), None)
    if found is None:
        return
    if "secret" not in path.name:
        msg = f"{origin}: {found} holds a secret; {WHERE}"
        raise SettingsError(msg)
    if mode := mode_for_others(path):
        msg = f"{origin}: {found} is a secret, and others may read the file (mode {mode}); chmod 600 {path}"
        raise SettingsError(msg)


def check_addresses(merged: Mapping[str, Any], is_secret: IsSecret) -> None:
    """Refuse a password in an address that is written down with what is read there.

    Raises
    ------
    SettingsError
        Naming the key, never the value.
    """
    for key, value in _leaves(merged):
        allowed = key in ADDRESSES_WITH_LOGIN or is_secret(key) or _is_free_form(key)
        if has_password(value) and not allowed:
            msg = (
                f"{key} holds a password, and addresses are kept with the records that come from there; "
                f"give the address without it, and its keys as spark.options: {WHERE}"
            )
            raise SettingsError(msg)


def _holds_secret(key: str, value: object, is_secret: IsSecret) -> bool:
    if not isinstance(value, str) or not value:
        return False
    return is_secret(key) or has_password(value) or (_is_free_form(key) and is_secret_name(key))


def _is_free_form(key: str) -> bool:
    """Tell whether a key is a library's option, known by its name alone."""
    return key == "spark.java_options" or key.startswith("spark.options.")


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner
