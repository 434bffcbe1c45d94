"""Where the machine code of kernels is kept. No value depends on it, so digests of features leave it out."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

import numba

OWN = Path(__file__).parent / "__pycache__"


@cache
def kept_in() -> Path | None:
    """Return the folder of these very sources' machine code, None where there is none to write to.

    Numba notices a change of the file that holds a kernel, not of another file whose functions it has
    taken in. So the folder is named by a digest of all kernels. It lies in `NUMBA_CACHE_DIR` where that
    is set, else beside the sources, else in the user's cache. Sources in an archive, as workers of a
    cluster have them, are compiled anew.
    """
    folder = Path(__file__).parent
    if not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for place in sorted(folder.glob("*.py")):
        digest.update(place.read_bytes())
    named = numba.config.CACHE_DIR
    homes = [Path(named)] if named else [OWN, Path("~/.cache/bellwether-kernels").expanduser()]
    return next((home / digest.hexdigest()[:16] for home in homes if _is_writable(home)), None)


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
