"""What the service takes and gives, with its limits: the contract that the Swagger page shows."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

HARD_MAX_SYMBOLS = 5_000
HARD_MAX_ROWS = 100_000
HARD_MAX_FEATURES = 2_000
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
SYMBOL_PATTERN = r"^[!-~]{1,32}$"

Symbol = Annotated[
    str, Field(pattern=SYMBOL_PATTERN, description="Ticker: 1 to 32 printable ASCII signs, no space.")
]
Number = Annotated[float, Field(allow_inf_nan=False)]
Status = Literal["ok", "unknown_symbol", "stale", "invalid", "other_session", "not_issued", "no_history"]


class Strict(BaseModel):
    """Base of all messages: unknown keys are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ForecastRequest(Strict):
    """The symbols to forecast from their newest published features."""

    symbols: list[Symbol] = Field(
        min_length=1,
        max_length=HARD_MAX_SYMBOLS,
        description="Symbols, each once. The setting serving.max_symbols may allow fewer than the schema.",
        examples=[["AAPL", "MSFT"]],
    )

    @field_validator("symbols")
    @classmethod
    def _each_once(cls, symbols: list[str]) -> list[str]:
        repeated = sorted(symbol for symbol, count in Counter(symbols).items() if count > 1)
        if repeated:
            msg = f"repeated symbols {repeated[:5]}; name each symbol once"
            raise ValueError(msg)
        return symbols


class FeatureRow(Strict):
    """The features of one symbol at one session."""

    symbol: Symbol
    session: Annotated[date, Field(strict=False, description="Session of the features, YYYY-MM-DD.")]
    features: Annotated[
        dict[Annotated[str, Field(max_length=128)], Number | None],
        Field(
            max_length=HARD_MAX_FEATURES,
            description="Value by feature name, null where unknown; names that the model lacks are ignored.",
        ),
    ]

    @field_validator("session", mode="before")
    @classmethod
    def _iso_text(cls, session: object) -> object:
        if isinstance(session, date):
            return session
        if not isinstance(session, str):
            msg = f"session must be text such as 2024-03-28, not a {type(session).__name__}"
            raise ValueError(msg)
        if not ISO_DATE.fullmatch(session):
            msg = f"session must be written YYYY-MM-DD, not {session[:20]!r}"
            raise ValueError(msg)
        return date.fromisoformat(session)


class BatchRequest(Strict):
    """Feature rows to forecast; as JSON, or as a Parquet file in the multipart field `rows`.

    The Parquet file has the columns `symbol`, `session` and one column a feature.
    """

    rows: list[FeatureRow] = Field(
        min_length=1,
        max_length=HARD_MAX_ROWS,
        description="One row a symbol and session. The setting serving.max_batch_rows may allow fewer.",
    )


class Quantiles(Strict):
    """Quantiles of the forecast, in the unit of the value."""

    q10: float
    q50: float
    q90: float


class SymbolForecast(Strict):
    """The forecast of one symbol, or why there is none."""

    symbol: str
    status: Status = Field(description="`ok`, or why there is no number.")
    reason: str | None = Field(
        default=None, description="What is wrong and what to do, unless the status is `ok`."
    )
    value: float | None = Field(
        default=None,
        description="Forecast score: the higher, the better the symbol is expected to do within its session.",
    )
    rank: float | None = Field(
        default=None,
        description="Rank among the session's issued forecasts, (r - 0.5)/n: near 0 lowest, near 1 "
        "highest; null while this model has issued none for this value.",
    )
    quantiles: Quantiles | None = None
    session: date | None = Field(default=None, description="Session of the features.")
    staleness_sessions: int | None = Field(
        default=None, description="Sessions behind the newest published session."
    )
    feature_timestamps: dict[str, datetime | None] | None = Field(
        default=None,
        description="Close of the session that the features are of, by feature view; null where a view has "
        "none of this session.",
    )
    served_from: Literal["live", "issued"] | None = Field(
        default=None,
        description="`live`: computed now from online features; `issued`: issued for the session before.",
    )


class ModelCard(Strict):
    """The champion that answered."""

    model_version: str
    model_key: str
    family: str
    horizon: int = Field(description="Sessions between the trade and the end of the forecast return.")
    bento: str = Field(description="Tag of the Bento that holds the model.")
    superseded_by: str | None = Field(
        default=None,
        description="Version that should answer instead and could not be loaded; null if this one is meant.",
    )


class Universe(Strict):
    """How much of the known universe the session covers."""

    symbols: int | None = Field(description="Symbols with valid features in the session.")
    expected: int | None = Field(description="Symbols that the online store knows.")
    partial: bool | None = Field(
        description="Whether the share is below serving.min_universe_share; null if unknown."
    )


class ForecastAnswer(Strict):
    """One answer for all symbols of a request, in their order."""

    request_id: str
    model: ModelCard
    session: date | None = Field(
        description="Newest published session: the one that the forecasts are made with."
    )
    decision_at: datetime | None = Field(description="Instant at which the session's forecasts had to exist.")
    published_at: datetime | None = Field(description="When the session's features were published.")
    lag_sessions: int | None = Field(
        description="Sessions between the published one and the clock's last decided one."
    )
    age_seconds: float | None = Field(description="Wall-clock seconds since the published session's close.")
    universe: Universe
    forecasts: list[SymbolForecast]


class BatchForecast(Strict):
    """The forecast of one feature row, or why there is none."""

    symbol: str
    session: date
    status: Status
    reason: str | None = None
    value: float | None = None
    rank: float | None = Field(
        default=None, description="Rank within the request's rows of the same session, (r - 0.5)/n."
    )
    quantiles: Quantiles | None = None


class BatchAnswer(Strict):
    """Forecasts of a batch, in the order of its rows."""

    request_id: str
    model: ModelCard
    forecasts: list[BatchForecast]


class Problem(Strict):
    """Why a request was refused."""

    error: str = Field(description="Short code, such as `malformed_json`.")
    message: str = Field(description="What is wrong, what is allowed and what to do.")
    request_id: str
    details: list[str] = []
