"""Names that a person has typed, checked against those that there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pipelines.base.errors import SettingsError


def check_known(name: str, known: Iterable[str], asked: str) -> None:
    """Refuse a name that is not among the known ones.

    Parameters
    ----------
    name : str
    known : iterable of str
    asked : str
        What was asked for, as the reader wrote it: ``--view`` or ``feature_set``.

    Raises
    ------
    SettingsError
        With near matches and all that there are.
    """
    known = list(known)
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"near matches: {', '.join(near)}; " if near else ""
    msg = f"{asked}={name!r} is not known; {hint}there are {', '.join(known)}"
    raise SettingsError(msg)
