"""The service without its transport: the same code answers over HTTP and in the packaging stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from features.sessions import SessionCalendar
from serving.answers import Clock, answer_symbols, answer_unknown
from serving.batch import answer_batch, batch_frame
from serving.messages import BatchMessage, ForecastMessage
from serving.online.store import OnlineStore, Published
from serving.params import ServingParams
from serving.parquet_rows import BatchLimits, ParquetRows, ReadParquet, read_parquet_rows
from serving.refusals import Refusal
from serving.response_cache import ResponseCache
from serving.schemas import (
    BatchAnswer,
    ForecastAnswer,
    ModelCard,
    SymbolForecast,
    Universe,
)
from serving.served_model import ServedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastHandler:
    """Answers requests from the current model and the online store.

    Attributes
    ----------
    current_model : callable
        Returns the model that answers from now on, None before the first. Asked once a request, so that a
        promotion falls between two requests.
    store : OnlineStore
    clock : callable
        Returns the wall clock's instant in UTC.
    why_not_following : callable
        Returns why `current_model` may be out of date, None if it is not.
    awaited_version : callable
        Returns the version that should answer instead and could not be loaded, None if there is none.
    read_parquet : callable
        Reads an uploaded file; the service hands it to a process with limits of its own.
    """

    params: ServingParams
    current_model: Callable[[], ServedModel | None]
    store: OnlineStore
    calendar: SessionCalendar
    clock: Callable[[], datetime]
    why_not_following: Callable[[], str | None] = lambda: None
    awaited_version: Callable[[], str | None] = lambda: None
    read_parquet: ReadParquet = read_parquet_rows
    cache: ResponseCache = field(default_factory=ResponseCache)

    def forecast(self, request: ForecastMessage, request_id: str) -> ForecastAnswer:
        """Answer every symbol of the request.

        Raises
        ------
        Refusal
            503 before a champion is installed and features are published, and where the champion must not
            score these: they are made otherwise than when it was trained.
        """
        model, published = self._model(), self._published()
        self._check_admitted(model)
        now = self.clock()
        lag = self.lag_sessions(published.session, now)
        share = published.symbols / published.expected if published.expected else 0.0
        return ForecastAnswer(
            request_id=request_id,
            model=describe(model, self.awaited_version()),
            session=published.session,
            decision_at=self.calendar.decision_at(published.session),
            published_at=published.published_at,
            lag_sessions=lag,
            age_seconds=(now - self.calendar.close_at(published.session)).total_seconds(),
            universe=Universe(
                symbols=published.symbols,
                expected=published.expected,
                partial=share < self.params.min_universe_share,
            ),
            forecasts=self._answer_all(request.symbols, model, published, self._overdue(published, lag)),
        )

    def _answer_all(
        self, symbols: Sequence[str], model: ServedModel, published: Published, overdue: str | None
    ) -> list[SymbolForecast]:
        """Return the answers; what was never published is answered without a read, and kept nowhere."""
        listed = self.store.symbols()
        if listed is None:
            return self._answers(symbols, model, published, overdue)
        asked = [symbol for symbol in symbols if symbol in listed]
        found = {answer.symbol: answer for answer in self._answers(asked, model, published, overdue)}
        return [found.get(symbol) or answer_unknown(symbol) for symbol in symbols]

    def _answers(
        self, symbols: Sequence[str], model: ServedModel, published: Published, overdue: str | None
    ) -> list[SymbolForecast]:
        """Return the answers, from the cache as far as they rest on the store's present version.

        The version is read before the rows and again after them, so that no answer is older than the last
        publication that had ended when the request came, and no two publications meet in one answer.
        """
        clock = Clock(
            session=published.session,
            count=self.calendar.count_between,
            max_staleness=self.params.max_staleness_sessions,
            overdue=overdue,
        )
        views = model.manifest.views
        version = self.store.version() if self.params.cache else None
        if version is None:
            return answer_symbols(symbols, self.store.read(symbols, views), model, clock)
        basis = (version, published, model, overdue)
        known = self.cache.find(basis, symbols)
        missing = [symbol for symbol in symbols if symbol not in known]
        if missing:
            learnt = answer_symbols(missing, self.store.read(missing, views), model, clock)
            if self.store.version() != version:
                return answer_symbols(symbols, self.store.read(symbols, views), model, clock)
            self.cache.keep(basis, learnt)
            known |= {answer.symbol: answer for answer in learnt}
        return [known[symbol] for symbol in symbols]

    def forecast_batch(self, message: BatchMessage | ParquetRows, request_id: str) -> BatchAnswer:
        """Forecast feature rows that the caller brings.

        Raises
        ------
        Refusal
            503 before a champion is packaged; 4xx if the rows do not fit the model or the limits.
        """
        model = self._model()
        limits = BatchLimits(rows=self.params.max_batch_rows, bytes=self.params.max_body_bytes)
        frame = batch_frame(message, model.manifest.feature_names, limits, self.read_parquet)
        card = describe(model, self.awaited_version())
        return BatchAnswer(request_id=request_id, model=card, forecasts=answer_batch(frame, model))

    def why_not_ready(self) -> str | None:
        """Return what is missing before forecasts can be answered, None if nothing is."""
        try:
            model = self._model()
            self._published()
            self._check_admitted(model)
            self.store.read(["READY"], model.manifest.views)
        except Refusal as refusal:
            return refusal.message
        except Exception as error:
            # Told to whoever asks, without a login: what the error says may name places.
            return f"the online store does not answer: {type(error).__name__}"
        return self.why_not_following()

    def _model(self) -> ServedModel:
        model = self.current_model()
        if model is None:
            raise Refusal(
                503, "no_champion", "no model is installed yet; run `bellwether install` after a promotion"
            )
        return model

    def _check_admitted(self, model: ServedModel) -> None:
        why = self.store.refused(model.manifest.model_key)
        if why:
            raise Refusal(503, "lineage_differs", why)

    def _published(self) -> Published:
        published = self.store.published()
        if published is None:
            msg = "no features are published yet, or the record of it is torn; run `bellwether materialize`"
            raise Refusal(503, "nothing_published", msg)
        return published

    def lag_sessions(self, session: date, now: datetime) -> int:
        """Return the sessions between a published one and the last one decided by the clock."""
        decided = self.calendar.last_decided(now)
        return max(0, self.calendar.count_between(session, decided)) if decided > session else 0

    def _overdue(self, published: Published, lag: int) -> str | None:
        """Return why the publication itself is too old to be used, None if it is not."""
        allowed = self.params.max_lag_sessions
        if allowed is None or lag <= allowed:
            return None
        return (
            f"the newest published session is {published.session}, {lag} sessions behind the clock; at "
            f"most {allowed} are allowed (serving.max_lag_sessions); run the daily chain"
        )


def describe(model: ServedModel, awaited_version: str | None = None) -> ModelCard:
    """Return what an answer says about its model."""
    manifest = model.manifest
    return ModelCard(
        model_version=manifest.model_version,
        model_key=manifest.model_key,
        family=manifest.family,
        horizon=manifest.horizon,
        bento=manifest.bento,
        superseded_by=awaited_version,
    )
