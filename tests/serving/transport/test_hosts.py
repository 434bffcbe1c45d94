from __future__ import annotations

import pytest

from serving.transport.hosts import is_loopback, why_foreign


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:3000", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:65535", "127.9.9.9", "[::1]:3000",
     "desk.example:3000"],
)  # fmt: skip
def test_loopback_and_what_is_named_is_served(host: str) -> None:
    assert why_foreign("/forecast", {"host": host}, ["Desk.example"]) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:3000",
     "192.168.evil.example", "localhost@evil.example", "localhost:3000@evil", "localhost, evil", "localhost/",
     "0.0.0.0",  # noqa: S104 - a name to refuse
     "169.254.1.1", "[::ffff:10.0.0.1]", "desk.example.evil", "localhost:", "127.0.0.1:x", "::1"],
)  # fmt: skip
def test_any_other_name_is_not(host: str) -> None:
    assert "is not served here" in str(why_foreign("/forecast", {"host": host}, ["desk.example"]))


@pytest.mark.parametrize(
    ("origin", "own"),
    [("http://localhost:3000", True), ("https://localhost:3000", True), ("http://LOCALHOST:3000", True),
     ("http://localhost:8080", False), ("http://127.0.0.1:3000", False), ("null", False), ("", False),
     ("http://evil.example", False), ("http://localhost:3000.evil.example", False), ("http://[", False)],
)  # fmt: skip
def test_only_the_addresss_own_page_may_ask(origin: str, own: bool) -> None:
    headers = {"host": "localhost:3000", "origin": origin}
    assert (why_foreign("/forecast", headers, ()) is None) == own


def test_loopback_is_an_address_not_a_name_that_looks_like_one() -> None:
    assert [is_loopback(name) for name in ("127.0.0.1", "::1", "localhost", "192.0.2.7", "127.1.evil")] == [
        True, True, True, False, False,
    ]  # fmt: skip
