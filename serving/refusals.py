"""A request that cannot be answered, as a clear HTTP answer."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

_SHOWN = 10
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


def refuse_message(error: ValidationError) -> Refusal:
    """Return the refusal of a message that pydantic did not take."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(str(part) for part in fault['loc']) or 'body'}: {fault['msg']}" for fault in faults]
    if any(fault["type"] == "json_invalid" for fault in faults):
        return Refusal(
            400, "malformed_json", "the body is not valid JSON; send one JSON object in UTF-8", lines
        )
    more = f" (the first {_SHOWN} are shown)" if len(lines) > _SHOWN else ""
    message = f"the body breaks the schema in {len(lines)} places{more}; /docs.json shows the schema"
    return Refusal(422, "invalid_message", message, lines[:_SHOWN])


def _readable(text: str) -> str:
    """Return printable ASCII of bounded length: callers' keys are quoted in messages."""
    plain = text.encode("ascii", "backslashreplace").decode("ascii")
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}..."
