"""Headlines and posts of the simulated market."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.sessions import SessionCalendar
from simulation.market_path import MarketDay
from simulation.params import SimulatedParams
from simulation.random_streams import Stream, draw_for_session
from simulation.symbols import Floats, company_of, ticker_of

TONE_LOADING = 0.4
TONE_THRESHOLD = 0.5
MAX_DELAY = timedelta(minutes=5)
AROUND_CLOSE = timedelta(minutes=10)

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "symbol": pl.String,
    "published_at": pl.Datetime("us"),
    "text": pl.String,
    "origin": pl.String,
    "received_at": pl.Datetime("us"),
}

_HEADLINES = {
    1: (
        "{name} beats quarterly profit estimates by {n}%",
        "{name} raises full-year outlook after strong demand",
        "{name} shares rally as margins improve {n} basis points",
        "Analysts upgrade {name} on robust growth",
        "{name} wins {n} million dollar contract",
        "{name} reports record revenue, up {n}%",
        "{name} announces buyback of {n} million shares",
    ),
    0: (
        "{name} to present at industry conference on day {n}",
        "{name} names new head of investor relations",
        "{name} schedules annual meeting, {n} proposals on the agenda",
        "{name} to report results before the open",
        "{name} moves headquarters to building {n}",
        "{name} files routine registration statement no. {n}",
    ),
    -1: (
        "{name} misses quarterly profit estimates by {n}%",
        "{name} cuts full-year outlook amid weak demand",
        "{name} shares slump as costs rise {n}%",
        "Analysts downgrade {name} on slowing growth",
        "{name} faces lawsuit over {n} million dollar loss",
        "{name} recalls {n} thousand units after defects",
        "{name} warns of impairment charge of {n} million",
    ),
}
_POSTS = {
    1: (
        "${symbol} looking strong, added {n} more",
        "great numbers from ${symbol}, bullish into next week",
        "${symbol} breakout above {n}, love it",
        "so glad I bought ${symbol}, up {n}% already",
    ),
    0: (
        "${symbol} anyone watching this one? day {n}",
        "holding {n} of ${symbol}, no change",
        "what time is the ${symbol} call",
        "${symbol} volume around {n}k so far",
    ),
    -1: (
        "${symbol} looks weak, sold {n}",
        "terrible guidance from ${symbol}, bearish",
        "${symbol} breakdown below {n}, avoid",
        "lost {n}% on ${symbol}, what a disaster",
    ),
}


def compose_texts(
    params: SimulatedParams, calendar: SessionCalendar, day: MarketDay, before: MarketDay
) -> pl.DataFrame:
    """Return the texts published after the close of `before` and not after the close of `day`.

    The tone follows the market-relative return of the last *completed* session (`before`): a
    latent ``0.4 * surprise + 0.92 * noise`` beyond +-0.5 is positive or negative. So texts comment on
    what has happened; they say nothing of their own about what will, and are weakly related to the
    planted alpha only as that alpha is a reversal of the same returns.

    Parameters
    ----------
    calendar : SessionCalendar
        Of the market's exchange.

    Returns
    -------
    polars.DataFrame
        `symbol`, `published_at`, `text`, `origin`, `received_at` (one to five minutes later), the
        instants in UTC and without a zone.
    """
    draw = draw_for_session(params.seed, Stream.TEXTS, day.session)
    slots, headline = _draw_authors(params, day, draw)
    if not len(slots):
        return pl.DataFrame(schema=SCHEMA)
    tone = _draw_tone(before, slots, draw)
    published = _draw_instants(calendar, day, before, len(slots), draw)
    texts = _write(day, slots, headline, tone, draw)
    delays = draw.integers(60, int(MAX_DELAY.total_seconds()), len(slots)).astype("timedelta64[s]")
    return pl.DataFrame(
        {
            "symbol": [ticker_of(identity) for identity in day.identity[slots].tolist()],
            "published_at": published,
            "text": texts,
            "origin": np.where(headline, "newswire", "social").tolist(),
            "received_at": published + delays,
        }
    )


def _draw_authors(
    params: SimulatedParams, day: MarketDay, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (slot, is it a headline) of each text."""
    count = len(day.listed)
    headlines = draw.poisson(params.headline_rate, count) * day.listed
    posts = draw.poisson(params.post_rate, count) * day.listed
    slots = np.concatenate([np.repeat(np.arange(count), headlines), np.repeat(np.arange(count), posts)])
    return slots, np.arange(len(slots)) < headlines.sum()


def _draw_tone(before: MarketDay, slots: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    known = np.where(before.listed, np.clip(before.surprise, -3, 3), 0.0)[slots]
    noise: Floats = draw.standard_normal(len(slots))
    latent = TONE_LOADING * known + np.sqrt(1 - TONE_LOADING**2) * noise
    tone: Floats = np.sign(latent) * (np.abs(latent) > TONE_THRESHOLD)
    return tone


def _draw_instants(
    calendar: SessionCalendar, day: MarketDay, before: MarketDay, count: int, draw: np.random.Generator
) -> NDArray[np.datetime64]:
    """Return instants to the second: half while trading, some around the closes, some at any time."""
    start, end = calendar.close_at(before.session), calendar.close_at(day.session)
    opening = calendar.open_at(day.session)
    ends = np.array([end, end, end, start + AROUND_CLOSE], dtype=object)
    spans = (end - opening, end - start, AROUND_CLOSE, AROUND_CLOSE)
    kinds = draw.choice(4, count, p=[0.5, 0.25, 0.15, 0.10])
    back = draw.random(count) * np.array([span.total_seconds() for span in spans])[kinds]
    latest = np.array([at.replace(tzinfo=None) for at in ends], dtype="datetime64[us]")[kinds]
    return latest - back.astype("timedelta64[s]")  # type: ignore[no-any-return]


def _write(
    day: MarketDay, slots: np.ndarray, headline: np.ndarray, tone: np.ndarray, draw: np.random.Generator
) -> list[str]:
    picks, numbers = draw.random(len(slots)), draw.integers(2, 100, len(slots))
    texts = []
    columns = (day.identity[slots], headline, tone, picks, numbers)
    for identity, news, mood, pick, number in zip(*(c.tolist() for c in columns), strict=True):
        choices = (_HEADLINES if news else _POSTS)[int(mood)]
        template = choices[int(pick * len(choices))]
        texts.append(template.format(name=company_of(identity), symbol=ticker_of(identity), n=number))
    return texts
