"""Small worlds of prices written by hand: closes as given, one action, and a home to play them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.world import calendar as exchange
from tests.world.commands import Answer, Home
from tests.world.priced_market import PricedMarket
from tests.world.priced_play import STAGES, returns_of
from tests.world.priced_records import Corporate, Key, TrueBar
from tests.world.priced_vendor import PricedPlayer, PricedWorld, deliveries_of

USUAL: Mapping[str, Any] = {
    "basis": "split", "layout": "all in a new file", "window": 5, "channel": "none", "cumulative": False,
    "decimals": 2, "stamped": False, "volume_restated": True,
}  # fmt: skip


def example(
    days: Sequence[date],
    loaded: int,
    closes: Mapping[str, Sequence[float]],
    corporate: Mapping[Key, Corporate] | None = None,
    heavy: Sequence[Key] = (),
    **habits: Any,
) -> PricedWorld:
    """Return a world whose closes are given; volume is 100,000 shares, nine times that on a heavy day."""
    days = days[: len(next(iter(closes.values())))]
    market = PricedMarket(1, dict.fromkeys(closes, 1.0), days, {}, {})
    for symbol, prices in closes.items():
        for day, close in zip(days, prices, strict=True):
            volume = 900_000 if (symbol, day) in heavy else 100_000
            market.bars[symbol, day] = TrueBar(close, close * 1.01, close * 0.99, close, volume)
    market.corporate.update(corporate or {})
    return PricedWorld(seed=1, past=days[:loaded], live=days[loaded:], market=market, **{**USUAL, **habits})


@dataclass
class PricedHome:
    """A home that follows a world evening by evening.

    Attributes
    ----------
    world : PricedWorld
    home : Home
    player : PricedPlayer
    """

    world: PricedWorld
    home: Home
    player: PricedPlayer
    followed: list[date] = field(default_factory=list)

    def run(self, evening: date) -> Answer:
        """Write an evening's files and make its run, or the load of the history."""
        self.player.write(evening)
        days = ("--as-of", str(evening))
        if evening == self.world.past[-1]:
            days = ("--start", str(self.world.past[0]), "--end", str(evening))  # type: ignore[assignment]
        return self.home.run("run", "--stages", STAGES, *days, clock=exchange.cut(evening))

    def follow(self, until: date) -> Answer:
        """Make every run up to an evening that has not been made, each of which must end well."""
        answer = Answer(exit_code=0, line={}, said="")
        for evening in self.world.evenings:
            if evening <= until and evening not in self.followed:
                answer = self.run(evening)
                self.followed.append(evening)
                assert answer.exit_code == 0, f"{evening}: {answer.said[-2000:]}"
        return answer

    def value(self, symbol: str, session: date, cut: date, window: int = 1) -> float | None:
        """Return a return as known at the cut of a session."""
        rows = self.home.show("gold.features_daily", "--known-at", exchange.cut(cut).isoformat())
        return returns_of(rows, f"mom_return_{window}d").get((symbol, session))

    def label(self, symbol: str, signal: date, cut: date) -> float | None:
        """Return the outcome of one session after a signal, as known at the cut of a session."""
        rows = self.home.show("gold.labels", "--known-at", exchange.cut(cut).isoformat())
        return returns_of(rows.filter(rows["horizon"] == "1"), "value").get((symbol, signal))

    def actions(self, kind: str, cut: date) -> list[tuple[str, str, float, bool]]:
        """Return symbol, session, value and validity of the actions of a kind, as known at a cut."""
        rows = self.home.show("silver.actions", "--known-at", exchange.cut(cut).isoformat())
        if rows.is_empty():
            return []
        chosen = rows.filter(rows["kind"] == kind).select("symbol", "session", "value", "valid").rows()
        return sorted((one[0], one[1], round(float(one[2]), 3), one[3] == "true") for one in chosen)

    def closes(self, symbol: str, session: date) -> list[tuple[str | None, str]]:
        """Return close and validity of every version of a bar, in the order in which they were known."""
        rows = self.home.show("silver.bars", "--session", str(session), "--symbol", symbol)
        return rows.sort("known_at").select("close", "valid").rows() if rows.height else []

    def accept_jump(self, symbol: str, session: date, evening: date) -> Answer:
        """Let a person say an hour after an evening's run that a move was real."""
        words = ("--symbol", symbol, "--session", str(session), "--why", "a fraud came out")
        return self.home.run("accept-jump", *words, clock=exchange.cut(evening) + timedelta(hours=1))


def open_priced(folder: Path, world: PricedWorld, *settings: str) -> PricedHome:
    """Open a home beside a world's vendor."""
    player = PricedPlayer(folder / "vendor", world, deliveries_of(world))
    more = tuple(part for setting in settings for part in ("--set", setting))
    return PricedHome(world, Home(folder / "home", (*player.options(), *more)), player)
