"""From the bytes of a request to a typed message, or to a refusal."""

from __future__ import annotations

from collections.abc import Mapping

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Scope

from serving.messages import ForecastMessage, decode_forecast
from serving.parquet_rows import ParquetRows
from serving.refusals import Refusal

JSON = "application/json"
MULTIPART = "multipart/form-data"


def check_headers(headers: Mapping[str, str], allowed: tuple[str, ...]) -> str:
    """Return the media type of a request, in lower case and without its parameters.

    Raises
    ------
    Refusal
        415 for another media type or a compressed body.
    """
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        msg = f"Content-Type {given or 'is missing'!r} is not taken; send {' or '.join(allowed)}"
        raise Refusal(415, "unsupported_media_type", msg)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise Refusal(
            415, "unsupported_encoding", f"Content-Encoding {encoding!r} is not taken; send it plain"
        )
    return given


def parse_forecast(body: bytes, *, max_symbols: int) -> ForecastMessage:
    """Return the message of ``POST /forecast``.

    Raises
    ------
    Refusal
        400 if it is not JSON, 422 if it breaks the schema or names too many symbols.
    """
    message = decode_forecast(body)
    if len(message.symbols) > max_symbols:
        msg = f"the request names {len(message.symbols)} symbols, at most {max_symbols} are allowed; split it"
        raise Refusal(422, "too_many_symbols", msg)
    return message


async def parse_parquet(scope: Scope, body: bytes, *, max_bytes: int) -> ParquetRows:
    """Return the file in the multipart field ``rows``.

    Raises
    ------
    Refusal
        400 if the form cannot be read, 422 if it does not hold that one file.
    """

    async def replay() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        reading = Request(scope, replay).form(max_files=2, max_fields=2, max_part_size=max_bytes)
        async with reading as form:
            return await _only_file(form)
    except (MultiPartException, FormParserError, HTTPException, ValueError, LookupError) as error:
        msg = f"the multipart form cannot be read ({error}); send one file in the field `rows`"
        raise Refusal(400, "malformed_form", msg) from error


async def _only_file(form: FormData) -> ParquetRows:
    files = form.getlist("rows")
    if len(form) != 1 or len(files) != 1 or not isinstance(files[0], UploadFile):
        names = ", ".join(sorted(set(form))) or "none"
        msg = f"the form must hold one file in the field `rows` and nothing else; fields sent: {names}"
        raise Refusal(422, "invalid_message", msg)
    return ParquetRows(await files[0].read())
