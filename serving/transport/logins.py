"""Who may see a page and ask for forecasts: a person by name and password, a machine by token."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from serving.stamped_file import StampedFile

log = logging.getLogger(__name__)

LOG_IN = "log in to see this page: Airflow's user and password, or a token of serving.token_file as Bearer\n"


class Credentials:
    """What a file of credentials says; torn, emptied or gone, what it said before still holds."""

    def __init__(self, path: Path, parse: Callable[[bytes], tuple[str, ...]]) -> None:
        self._file = StampedFile(path, partial(_parsed, path, parse))
        self._last: tuple[str, ...] = ()

    def read(self) -> tuple[str, ...]:
        """Return the credentials, none before the file has held any."""
        try:
            self._last = self._file.read() or self._last
        except OSError as error:
            log.warning("%s cannot be read (%s); what it said before still holds", self._file.path, error)
        return self._last


class Login:
    """Credentials, read again whenever their file is replaced.

    Parameters
    ----------
    passwords : Path, optional
        JSON object of names and passwords, asked for by Basic authentication. It may come into being later:
        until then no name is known.
    token_file : str
        File with one token a line, sent as Bearer; during a rotation it holds the old and the new one.
        Emptied or removed it goes on as it was: who would take every token back writes a new one.

    Raises
    ------
    ValueError
        If the token file holds none: an empty token would let everyone in.
    """

    def __init__(self, *, passwords: Path | None = None, token_file: str = "") -> None:
        self.has_pages = passwords is not None
        self.is_needed = passwords is not None or bool(token_file)
        self._passwords = Credentials(passwords, _read_passwords) if passwords is not None else None
        self._tokens = Credentials(Path(token_file), _read_tokens) if token_file else None
        if self._tokens is not None and not self._tokens.read():
            msg = f"serving.token_file={token_file} is missing or empty; write the token into it"
            raise ValueError(msg)

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a request carries one of the credentials, or needs none."""
        if not self.is_needed:
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._tokens is not None:
            return _is_one_of(given.strip(), self._tokens.read())
        if kind.lower() == "basic" and self._passwords is not None:
            return _is_one_of(_decode(given.strip()), self._passwords.read())
        return False

    def challenge(self) -> str:
        """Return what a caller is asked for, as ``WWW-Authenticate`` has it."""
        return 'Basic realm="Bellwether", charset="UTF-8"' if self.has_pages else "Bearer"


def _is_one_of(given: str, known: tuple[str, ...]) -> bool:
    # All are compared, so that the time taken says nothing; bytes, because others than ASCII may be sent.
    matches = [hmac.compare_digest(given.encode(), one.encode()) for one in known]
    return bool(given) and any(matches)


def _decode(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _parsed(path: Path, parse: Callable[[bytes], tuple[str, ...]], content: bytes) -> tuple[str, ...] | None:
    try:
        return parse(content)
    except (ValueError, AttributeError) as error:
        log.warning("%s is torn (%s); what it said before still holds", path, error)
        return None


def _read_tokens(content: bytes) -> tuple[str, ...]:
    return tuple(line.strip() for line in content.decode().splitlines() if line.strip())


def _read_passwords(content: bytes) -> tuple[str, ...]:
    known = json.loads(content)
    return tuple(f"{name}:{password}" for name, password in known.items() if name and password)
