"""Choice of the device."""

from __future__ import annotations

import pytest

from models import device


@pytest.mark.parametrize(
    ("setting", "gpus", "chosen"),
    [("auto", 0, "cpu"), ("auto", 1, "cuda"), ("cpu", 1, "cpu"), ("cuda", 2, "cuda")],
)
def test_that_auto_takes_a_gpu_where_one_answers(
    monkeypatch: pytest.MonkeyPatch, setting: str, gpus: int, chosen: str
) -> None:
    monkeypatch.setattr(device, "count_gpus", lambda: gpus)
    assert device.resolve_device(setting) == chosen  # type: ignore[arg-type]


def test_that_a_machine_without_a_driver_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise OSError

    monkeypatch.setattr(device.ctypes, "CDLL", missing)
    assert device.count_gpus.__wrapped__() == 0
