"""Answers kept until anything that they rest on changes."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Sequence

from serving.schemas import SymbolForecast


class ResponseCache:
    """Keeps one answer a symbol for one basis: store version, publication, model and what is allowed.

    Reading 50 symbols of a hundred features through Feast takes longer than all the rest of a request, and
    the answer is the same until something is published or promoted. Whoever asks names the basis that holds
    now; answers that rest on another one are forgotten.

    Parameters
    ----------
    max_symbols : int
        Symbols kept, unknown ones included, before the cache starts afresh.
    """

    def __init__(self, *, max_symbols: int = 20_000) -> None:
        self._max_symbols = max_symbols
        self._lock = threading.Lock()
        self._basis: Hashable = None
        self._answers: dict[str, SymbolForecast] = {}

    def find(self, basis: Hashable, symbols: Sequence[str]) -> dict[str, SymbolForecast]:
        """Return the answers of those symbols that are kept for this basis."""
        with self._lock:
            if basis != self._basis:
                return {}
            return {symbol: self._answers[symbol] for symbol in symbols if symbol in self._answers}

    def keep(self, basis: Hashable, answers: Iterable[SymbolForecast]) -> None:
        """Keep answers for this basis and forget those of any other."""
        with self._lock:
            if basis != self._basis or len(self._answers) > self._max_symbols:
                self._basis, self._answers = basis, {}
            self._answers.update((answer.symbol, answer) for answer in answers)
