"""Which device a fit runs on."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Literal


@cache
def count_gpus() -> int:
    """Return the number of CUDA devices that the driver reports, 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def resolve_device(setting: Literal["auto", "cpu", "cuda"]) -> str:
    """Return ``cpu`` or ``cuda``.

    Raises
    ------
    ValueError
        If ``cuda`` is asked for and no GPU answers.
    """
    if setting == "cuda" and not count_gpus():
        msg = "device='cuda' but the driver reports no GPU; set device to 'auto' or 'cpu'"
        raise ValueError(msg)
    if setting == "auto":
        return "cuda" if count_gpus() else "cpu"
    return setting
