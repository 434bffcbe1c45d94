"""The messages as they are decoded: the first fault ends it, so that a hostile body costs what it weighs.

`serving.schemas` describes the same messages for people; a test holds both equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import msgspec

from serving.refusals import Refusal
from serving.schemas import HARD_MAX_FEATURES, HARD_MAX_ROWS, HARD_MAX_SYMBOLS

Symbol = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,32}\Z")]


class ForecastMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The symbols to forecast; see `serving.schemas.ForecastRequest`."""

    symbols: Annotated[list[Symbol], msgspec.Meta(min_length=1, max_length=HARD_MAX_SYMBOLS)]


class RowMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The features of one symbol at one session; see `serving.schemas.FeatureRow`."""

    symbol: Symbol
    session: date
    features: Annotated[
        dict[Annotated[str, msgspec.Meta(max_length=128)], float | None],
        msgspec.Meta(max_length=HARD_MAX_FEATURES),
    ]


class BatchMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Feature rows to forecast; see `serving.schemas.BatchRequest`."""

    rows: Annotated[list[RowMessage], msgspec.Meta(min_length=1, max_length=HARD_MAX_ROWS)]


_FORECAST = msgspec.json.Decoder(ForecastMessage)
_BATCH = msgspec.json.Decoder(BatchMessage)


def decode_forecast(body: bytes) -> ForecastMessage:
    """Return the message of ``POST /forecast``.

    Raises
    ------
    Refusal
        400 if it is not JSON, 422 if it breaks the schema.
    """
    message: ForecastMessage = _decode(body, _FORECAST)
    check_each_once(message.symbols)
    return message


def decode_batch(body: bytes) -> BatchMessage:
    """Return the JSON message of ``POST /forecast_batch``; raises as `decode_forecast` does."""
    message: BatchMessage = _decode(body, _BATCH)
    return message


def check_each_once(symbols: Sequence[str]) -> None:
    """Refuse symbols that are named more than once."""
    repeated = sorted(symbol for symbol, count in Counter(symbols).items() if count > 1)
    if repeated:
        fault = f"repeated symbols {repeated[:5]}; name each symbol once"
        raise Refusal(422, "invalid_message", f"the body breaks the schema: {fault}", [f"$.symbols: {fault}"])


def _decode(body: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message = f"the body breaks the schema: {error}; /docs.json shows it"
        raise Refusal(422, "invalid_message", message, [str(error)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = "the body is not valid JSON; send one JSON object in UTF-8"
        raise Refusal(400, "malformed_json", message, [str(error)]) from error
