"""The lock of a lake that lies in no folder: an advisory lock of PostgreSQL, held by a session."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2.extensions import parse_dsn

from pipelines.base.errors import SettingsError, TransientError, UnavailableError

LOOK_SECONDS = 0.25
"""Between two looks whether the lock is free."""
CONNECT_SECONDS = 10
_KEEP_ALIVE = "set tcp_keepalives_idle = 60; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 6"
"""How soon the server gives up a machine that has died without a word: two minutes, not two hours."""
_OWN = """
    select count(*) from pg_locks
    where locktype = 'advisory' and granted and pid = pg_backend_pid() and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and classid::bigint = %s and objid::bigint = %s
"""


class _Held(threading.local):
    """Sessions of a thread by address and name."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, str], _Session] = {}


_held = _Held()


@contextmanager
def hold_advisory_lock(address: str, name: str, *, seconds: float) -> Iterator[None]:
    """Hold the lock of `name` in a database for the block; a thread may enter it again within itself.

    The lock is the session's: PostgreSQL lets go of it when the connection ends, however that comes. Each
    entry from the second on, and the end of the block, ask whether it is still held: who records what was
    done enters it again to do so, and finds out before the record is written.

    Parameters
    ----------
    address : str
        ``postgresql://user:password@host:port/database``, a driver's name behind ``postgresql`` allowed, or
        libpq's ``key=value`` form. Not a pooler that hands sessions on between statements.
    name : str
        Root of the lake. Homes that share it have to spell it alike, a slash at the end aside.
    seconds : float
        How long to wait for another writer.

    Raises
    ------
    TransientError
        If another writer keeps it longer, or the lock was lost while it was held.
    UnavailableError
        If the database does not answer.
    SettingsError
        If the address cannot be read.
    """
    held, place = _held.sessions, (address, name)
    if place in held:
        held[place].check()
        yield
        return
    session = _Session(address, name)
    try:
        session.acquire(seconds)
        held[place] = session
        yield
        session.check()
    finally:
        held.pop(place, None)
        session.close()


def lock_key(name: str) -> int:
    """Return the key of a lake's lock: a signed 64-bit number, the same in every release."""
    digest = hashlib.sha256(f"bellwether lake {name.rstrip('/')}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class _Session:
    """One connection, and the lock that it holds."""

    def __init__(self, address: str, name: str) -> None:
        self._name = name
        self._key = lock_key(name)
        self._connection = _connect(address)

    def acquire(self, seconds: float) -> None:
        """Wait for the lock."""
        until = time.monotonic() + seconds
        while not self._try():
            left = until - time.monotonic()
            if left <= 0:
                msg = (
                    f"another writer holds the lock of {self._name} in lake.lock_database for more than "
                    f"{seconds} s; wait for it to end, then run this again"
                )
                raise TransientError(msg)
            time.sleep(min(LOOK_SECONDS, left))

    def check(self) -> None:
        """Make sure that the session, and with it the lock, is still there."""
        unsigned = self._key % 2**64
        try:
            holds = self._ask(_OWN, unsigned >> 32, unsigned & 0xFFFFFFFF)
        except psycopg2.Error as error:
            raise self._lost(_first_line(error)) from error
        if not holds:
            raise self._lost("the session holds it no longer")

    def close(self) -> None:
        """End the session; what PostgreSQL has ended already needs none."""
        with suppress(psycopg2.Error):
            self._connection.close()

    def _try(self) -> bool:
        try:
            return bool(self._ask("select pg_try_advisory_lock(%s)", self._key))
        except psycopg2.Error as error:
            raise _silent(error) from error

    def _ask(self, query: str, *values: int) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchone()[0]

    def _lost(self, why: str) -> TransientError:
        return TransientError(
            f"the lock of {self._name} in lake.lock_database was lost ({why}): another writer may have come "
            "in between, so this run is not recorded; run it again"
        )


def _connect(address: str) -> Any:
    """Return a connection that commits each statement: an open transaction would hold up the server.

    libpq's words about an address that it cannot read may quote a password, so they are not passed on.
    """
    plain = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", address)
    try:
        parts = parse_dsn(plain)
    except psycopg2.ProgrammingError:
        parts = {"host": "@"}
    if "@" in parts.get("host", ""):
        msg = (
            "lake.lock_database cannot be read; it must be like "
            "postgresql://user:password@host:5432/database, with @, : and / of a password as %40, %3A, %2F"
        )
        raise SettingsError(msg) from None
    try:
        # A lock is held without a word for as long as a stage writes, which firewalls take for the end.
        quiet = {"connect_timeout": CONNECT_SECONDS, "keepalives_idle": 60, "keepalives_interval": 10}
        connection = psycopg2.connect(**{**quiet, **parts})
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(_KEEP_ALIVE)
    except psycopg2.OperationalError as error:
        raise _silent(error) from error
    return connection


def _silent(error: Exception) -> UnavailableError:
    said = f"lake.lock_database does not answer ({_first_line(error)}); see to it, then run this again"
    return UnavailableError(said)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
