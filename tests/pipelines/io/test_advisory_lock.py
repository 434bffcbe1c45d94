"""The lock of a lake in PostgreSQL, against a server of the test's own making: sessions and their locks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest

from pipelines.base.errors import SettingsError, TransientError, UnavailableError
from pipelines.io import advisory_lock
from pipelines.io.advisory_lock import hold_advisory_lock, lock_key

ADDRESS = "postgresql://ann:hunter2@db:5432/locks"
LAKE = "s3a://ours/lake"
KEY = -5366786015776054099


@dataclass
class Server:
    """Advisory locks by key, and who has connected how."""

    locks: dict[int, Session] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    tries: int = 0

    def connect(self, **parts: Any) -> Session:
        self.sessions.append(Session(self, parts))
        return self.sessions[-1]


@dataclass(eq=False)
class Session:
    """A connection and, in one, its cursor; PostgreSQL lets go of a session's locks when it ends."""

    server: Server
    parts: dict[str, Any]
    autocommit: bool = False
    open: bool = True
    answer: Any = None

    @contextmanager
    def cursor(self) -> Iterator[Session]:
        yield self

    def execute(self, query: str, values: tuple[int, ...] = ()) -> None:
        if not self.open:
            said = "server closed the connection unexpectedly\n\tThis probably means that it ended."
            raise psycopg2.OperationalError(said)
        if "pg_try_advisory_lock" in query:
            self.server.tries += 1
            self.answer = self.server.locks.setdefault(values[0], self) is self
        elif "pg_locks" in query:
            key = values[0] * 2**32 + values[1]
            signed = key - 2**64 if key >= 2**63 else key
            self.answer = int(self.server.locks.get(signed) is self)

    def fetchone(self) -> tuple[Any]:
        return (self.answer,)

    def close(self) -> None:
        self.open = False
        for key in [key for key, holder in self.server.locks.items() if holder is self]:
            del self.server.locks[key]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(psycopg2, "connect", made.connect)
    return made


def test_a_lock_is_held_for_the_block_and_entered_again_within_itself(server: Server) -> None:
    with hold_advisory_lock(ADDRESS, LAKE, seconds=0):
        with hold_advisory_lock(ADDRESS, LAKE, seconds=0):
            assert list(server.locks) == [lock_key(LAKE)]
        assert list(server.locks) == [lock_key(LAKE)]
    assert (server.locks, len(server.sessions), server.sessions[0].open) == ({}, 1, False)
    assert server.sessions[0].autocommit


def test_an_error_within_the_block_lets_go_of_it(server: Server) -> None:
    with pytest.raises(KeyError, match="ours"), hold_advisory_lock(ADDRESS, LAKE, seconds=0):
        raise KeyError("ours")
    assert server.locks == {}


def test_another_writer_is_waited_for_and_then_refused(server: Server) -> None:
    other = server.connect()
    server.locks[lock_key(LAKE)] = other
    refused = pytest.raises(TransientError, match=r"another writer holds the lock of s3a://ours/lake .* 0 s")
    with refused, hold_advisory_lock(ADDRESS, LAKE, seconds=0):
        pass
    assert not server.sessions[-1].open
    with hold_advisory_lock(ADDRESS, "s3a://ours/other", seconds=0):
        pass
    other.close()
    with hold_advisory_lock(ADDRESS, f"{LAKE}/", seconds=0):
        pass


def test_it_is_asked_for_again_until_it_is_free(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    other = server.connect()
    server.locks[lock_key(LAKE)] = other
    looks = []

    def wait(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            other.close()

    monkeypatch.setattr(advisory_lock.time, "sleep", wait)
    with hold_advisory_lock(ADDRESS, LAKE, seconds=600):
        assert (server.tries, looks) == (4, [advisory_lock.LOOK_SECONDS] * 3)


def test_a_database_that_ends_while_it_is_waited_for_is_unavailable(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.locks[lock_key(LAKE)] = server.connect()
    monkeypatch.setattr(advisory_lock.time, "sleep", lambda _seconds: server.sessions[-1].close())
    refused = pytest.raises(UnavailableError, match=r"does not answer \(server closed the connection")
    with refused, hold_advisory_lock(ADDRESS, LAKE, seconds=600):
        pass


def test_another_thread_is_another_writer(server: Server) -> None:
    ends = []

    def try_it() -> None:
        refused = pytest.raises(TransientError, match="another writer holds the lock")
        with refused as ended, hold_advisory_lock(ADDRESS, LAKE, seconds=0):
            pass
        ends.append(ended.value.exit_code)

    with hold_advisory_lock(ADDRESS, LAKE, seconds=0):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert ends == [75]


@contextmanager
def hold_and_lose(server: Server, *, gone: str = "connection") -> Iterator[None]:
    """Hold the lock for the block, and lose it as that begins."""
    with hold_advisory_lock(ADDRESS, LAKE, seconds=0):
        server.sessions[-1].close()
        server.sessions[-1].open = gone == "lock"
        yield


def test_a_lost_connection_is_noticed_before_anything_is_recorded(server: Server) -> None:
    losing = hold_and_lose(server)
    recorded = []
    lost = r"was lost \(server closed the connection unexpectedly\): .* run is not recorded; run it again"
    with (
        pytest.raises(TransientError, match=lost) as ended,
        losing,
        hold_advisory_lock(ADDRESS, LAKE, seconds=0),
    ):
        recorded.append("a run")
    assert (recorded, ended.value.exit_code) == ([], 75)


@pytest.mark.parametrize("gone", ["connection", "lock"])
def test_what_was_lost_is_noticed_at_the_end_of_the_block(gone: str, server: Server) -> None:
    """The session of a pooler may go on under another backend, which holds nothing."""
    with pytest.raises(TransientError, match="was lost"), hold_and_lose(server, gone=gone):
        pass
    with hold_advisory_lock(ADDRESS, LAKE, seconds=0):
        assert len(server.sessions) == 2


def test_an_error_of_the_block_is_told_rather_than_the_lost_lock(server: Server) -> None:
    with pytest.raises(KeyError, match="ours"), hold_and_lose(server):
        raise KeyError("ours")


@pytest.mark.parametrize(
    "address",
    [
        ADDRESS,
        ADDRESS.replace("postgresql:", "postgresql+psycopg2:"),
        ADDRESS.replace("postgresql:", "postgres:"),
        "host=db port=5432 dbname=locks user=ann password=hunter2",
    ],
)
def test_addresses_are_read_in_each_of_their_forms(address: str, server: Server) -> None:
    with hold_advisory_lock(address, LAKE, seconds=0):
        pass
    named = {"host": "db", "port": "5432", "dbname": "locks", "user": "ann", "password": "hunter2"}
    quiet = {"connect_timeout": 10, "keepalives_idle": 60, "keepalives_interval": 10}
    assert server.sessions[0].parts == quiet | named


@pytest.mark.parametrize(
    "address", ["hunter2", "postgresql://ann:hunt@er2@db/x", "postgresql://ann:%zz@db/x"]
)
def test_an_address_that_cannot_be_read_is_not_quoted(address: str, server: Server) -> None:
    refused = pytest.raises(SettingsError, match=r"must be like postgresql://user:password@host")
    with refused as ended, hold_advisory_lock(address, LAKE, seconds=0):
        pass
    assert "hunt" not in str(ended.value)
    assert ended.value.__suppress_context__


def test_a_database_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client library itself, at a port of this machine where nobody listens."""
    refused = pytest.raises(UnavailableError, match=r"lake.lock_database does not answer \(.*refused")
    with refused as ended, hold_advisory_lock("postgresql://ann:hunter2@127.0.0.1:1/x", LAKE, seconds=0):
        pass
    assert ended.value.exit_code == 69
    assert "hunter2" not in str(ended.value)


def test_the_key_stays_what_it_is_over_releases_and_processes() -> None:
    assert lock_key(LAKE) == lock_key(f"{LAKE}/") == KEY
    assert -(2**63) <= lock_key("s3a://ours/other") < 2**63
