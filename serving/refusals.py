"""A request that cannot be answered, as a clear HTTP answer."""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST = 300


class Refusal(Exception):
    """A request refused on purpose.

    Parameters
    ----------
    status : int
        HTTP status: 4xx for the caller's mistake, 503 while the service cannot answer yet.
    error : str
        Short code for programs.
    message : str
        What is wrong, what is allowed and what to do.
    details : sequence of str
        One line a fault.
    """

    def __init__(self, status: int, error: str, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = _readable(message)
        self.details = [_readable(detail) for detail in details]


def _readable(text: str) -> str:
    """Return printable ASCII of bounded length: callers' keys are quoted in messages."""
    plain = text.encode("ascii", "backslashreplace").decode("ascii")
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}..."
