"""The service without its transport: the same code answers over HTTP and in the packaging stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from features.sessions import SessionCalendar
from serving.answers import Clock, answer_symbols
from serving.batch import BatchLimits, ParquetRows, answer_batch, batch_frame
from serving.champion import Champion
from serving.online import OnlineReader, Published
from serving.params import ServingParams
from serving.refusals import Refusal
from serving.schemas import (
    BatchAnswer,
    BatchRequest,
    ForecastAnswer,
    ForecastRequest,
    ModelCard,
    Universe,
)


class HoldsChampion(Protocol):
    """Whatever knows which champion answers from now on."""

    @property
    def current(self) -> Champion | None:
        """The champion, None before the first one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Answers requests from the current champion and the online store.

    Attributes
    ----------
    champions : HoldsChampion
        Asked once a request, so that a promotion falls between two requests.
    reader : OnlineReader
    clock : callable
        Returns the wall clock's instant in UTC.
    """

    params: ServingParams
    champions: HoldsChampion
    reader: OnlineReader
    calendar: SessionCalendar
    clock: Callable[[], datetime]

    def forecast(self, request: ForecastRequest, request_id: str) -> ForecastAnswer:
        """Answer every symbol of the request.

        Raises
        ------
        Refusal
            503 before a champion is packaged and features are published.
        """
        champion, published = self._champion(), self._published()
        now = self.clock()
        lag = self.lag_sessions(published.session, now)
        rows = self.reader.read(request.symbols)
        return ForecastAnswer(
            request_id=request_id,
            model=describe(champion),
            session=published.session,
            decision_at=self.calendar.decision_at(published.session),
            published_at=published.published_at,
            lag_sessions=lag,
            age_seconds=(now - self.calendar.close_at(published.session)).total_seconds(),
            universe=self._universe(published),
            forecasts=answer_symbols(request.symbols, rows, champion, self._session_clock(published, lag)),
        )

    def forecast_batch(self, message: BatchRequest | ParquetRows, request_id: str) -> BatchAnswer:
        """Forecast feature rows that the caller brings.

        Raises
        ------
        Refusal
            503 before a champion is packaged; 4xx if the rows do not fit the model or the limits.
        """
        champion = self._champion()
        limits = BatchLimits(rows=self.params.max_batch_rows, bytes=self.params.max_body_bytes)
        frame = batch_frame(message, champion.manifest.feature_names, limits)
        return BatchAnswer(
            request_id=request_id, model=describe(champion), forecasts=answer_batch(frame, champion)
        )

    def why_not_ready(self) -> str | None:
        """Return what is missing before forecasts can be answered, None if nothing is."""
        try:
            self._champion()
            self._published()
            self.reader.read(["READY"])
        except Refusal as refusal:
            return refusal.message
        except Exception as error:
            return f"the online store does not answer: {error}"
        return None

    def _champion(self) -> Champion:
        champion = self.champions.current
        if champion is None:
            raise Refusal(
                503, "no_champion", "no model is packaged yet; run `bellwether package` after a promotion"
            )
        return champion

    def _published(self) -> Published:
        published = self.reader.published()
        if published is None:
            msg = "no features are published yet; run `bellwether materialize`"
            raise Refusal(503, "nothing_published", msg)
        return published

    def lag_sessions(self, session: date, now: datetime) -> int:
        """Return the sessions between a published one and the last one decided by the clock."""
        decided = self.calendar.last_decided(now)
        return max(0, self.calendar.count_between(session, decided)) if decided > session else 0

    def _session_clock(self, published: Published, lag: int) -> Clock:
        allowed = self.params.max_lag_sessions
        overdue = None
        if allowed is not None and lag > allowed:
            overdue = (
                f"the newest published session is {published.session}, {lag} sessions behind the clock; at "
                f"most {allowed} are allowed (serving.max_lag_sessions); run the daily chain"
            )
        return Clock(
            session=published.session,
            count=self.calendar.count_between,
            max_staleness=self.params.max_staleness_sessions,
            overdue=overdue,
        )

    def _universe(self, published: Published) -> Universe:
        share = published.symbols / published.expected if published.expected else 0.0
        return Universe(
            symbols=published.symbols,
            expected=published.expected,
            partial=share < self.params.min_universe_share,
        )


def describe(champion: Champion) -> ModelCard:
    """Return what an answer says about its model."""
    manifest = champion.manifest
    return ModelCard(
        model_version=manifest.model_version,
        model_key=manifest.model_key,
        family=manifest.family,
        horizon=manifest.horizon,
        bento=manifest.bento,
    )
