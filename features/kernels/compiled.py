"""How kernels are compiled and where the machine code is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

F = TypeVar("F", bound=Callable[..., object])


@cache
def cache_folder() -> Path | None:
    """Return where machine code of these very sources is kept, None where they are not plain files.

    Numba notices a change of the file that holds a kernel, not of another file whose functions it has taken
    in. So the folder is named by a digest of all kernels.
    """
    folder = Path(__file__).parent
    if not folder.is_dir():  # workers of a cluster are handed an archive, a new one for each version
        return None
    digest = hashlib.sha256()
    for place in sorted(folder.glob("*.py")):
        digest.update(place.read_bytes())
    return folder / "__pycache__" / digest.hexdigest()[:16]


def compiled(function: F) -> F:
    """Return the function compiled at its first call, without the interpreter's lock; kept on disk."""
    before, folder = numba.config.CACHE_DIR, cache_folder()
    if folder is not None:
        numba.config.CACHE_DIR = str(folder)
    try:
        # NumPy's division gives what is not finite; Python's would look at every divisor and raise.
        return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    finally:
        numba.config.CACHE_DIR = before
