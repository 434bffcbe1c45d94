"""Who runs this process, asked of the system."""

from __future__ import annotations

import os
import pwd
import socket

import pytest

from pipelines.base import signature


def test_the_account_is_the_systems_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody else")
    assert signature.account() == pwd.getpwuid(os.getuid()).pw_name != "somebody else"
    assert signature.host() == socket.gethostname()


def test_an_account_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_123)
    assert signature.account() == "4000000123"
