"""How kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from features.kernels.kernel_cache_folder import kept_in

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Return the function compiled at its first call, without the interpreter's lock, and kept."""
    before, folder = numba.config.CACHE_DIR, kept_in()
    numba.config.CACHE_DIR = str(folder or before)
    try:
        # NumPy's division gives what is not finite; Python's would look at every divisor and raise.
        options = {"cache": folder is not None, "nogil": True, "error_model": "numpy"}
        return cast(F, numba.njit(**options)(function))
    finally:
        numba.config.CACHE_DIR = before
