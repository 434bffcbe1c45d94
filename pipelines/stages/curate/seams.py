"""Seams: where a feed that restates its past went over to other units, read from the overlap of deliveries.

A vendor of adjusted prices divides its whole past at each action. What stands is left in the units in which
it was first delivered; a delivery that shows the past in others, by a ratio that is constant between actions,
shows a seam, and every later delivery is read through it. What differs beyond the vendor's rounding is a
correction, and so is what is too little to tell: a few bars, or a stretch with the same past before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.stages.curate.seam_evidence import NOISE, find_change, ratio_bounds, room_of, share_ratio

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_OVERLAP = 3
"""Standing sessions that must show a ratio before it is one of units and not a correction."""
VOLUME_ROOM = 1e-4
"""Relative distance within which a volume that is read through a seam is the one that stands."""
MOST_SHARES = 20
"""A ratio that agrees with one of so few old shares is that one."""
RECENT = timedelta(hours=12)
"""What one evening's files are apart at most."""
UNTOUCHED = 0.2
"""Share of a piece's sessions that may stand unchanged beside it, where rounding hides the ratio."""
TICK = timedelta(microseconds=1)
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """A change of units, shown by one delivery.

    Attributes
    ----------
    position : int
        First session in the new units.
    price, share : float
        Old price units in one new, new volume units for one old: 2 and 2 where two shares come for one.
    known_at : datetime
        UTC.
    order : tuple of (datetime, str)
        Time and id of the delivery that showed it: that one and later ones are in the new units.
    """

    position: int
    price: float
    share: float
    known_at: datetime
    order: tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """Overlapping sessions, oldest to newest, whose delivered prices stand to the old ones in one ratio.

    `low` and `high` bound the natural logarithm of the ratio.
    """

    low: float
    high: float
    places: tuple[int, ...]

    def meets(self, other: Piece) -> bool:
        """Tell whether both may be of one ratio."""
        return max(self.low, other.low) <= min(self.high, other.high)

    def joined(self, other: Piece) -> Piece:
        """Return both as one."""
        places = tuple(sorted(self.places + other.places))
        return Piece(max(self.low, other.low), min(self.high, other.high), places)

    @property
    def middle(self) -> float:
        """The logarithm of the ratio."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Said:
    """What one delivery says of sessions of one symbol, each once, ascending.

    `rows` are row numbers in the frame, `at` places among the symbol's sessions, `prices` of shape (4, n),
    `tick` the vendor's rounding in currency, `equal` how many records of the symbol in this delivery only
    repeated what stood (None: not counted), `order` time and id, by which deliveries follow one another.
    """

    rows: Integers
    at: Integers
    prices: Floats
    volumes: Floats
    dividends: Floats
    tick: float
    equal: int | None
    order: tuple[datetime, str]


def read_through(
    records: pl.DataFrame,
    *,
    given: Sequence[Seam] = (),
    announced: Mapping[int, Sequence[tuple[datetime, float]]] | None = None,
    detect: bool = True,
) -> tuple[pl.DataFrame, list[Seam]]:
    """Return one symbol's records of one feed in the units in which its sessions stand, and the seams.

    Parameters
    ----------
    records : polars.DataFrame
        `said_at`, `delivery`, `received_at`, `record_hash`, `position`, `known_at`, open to close, `volume`,
        `dividend`, `decimals` (of the prices as sent), `closed_until` and `overlap`.
    given : sequence of Seam
        Seams that are known already.
    announced : mapping of position to (known_at, ratio)
        Splits: a seam that agrees with one takes its exact value.
    detect : bool
        Whether the records are all there are of the symbol, so that new seams may be looked for.

    Returns
    -------
    records : polars.DataFrame
        The same rows, prices, volume and dividend converted; `news` is false where a record read through a
        seam says within rounding what stands already.
    seams : list of Seam
        Those given, then those found, in the order of the deliveries.
    """
    ordered = records.sort("said_at", "delivery", "position", "received_at", "record_hash")
    reader = _Reader(ordered, list(given), announced or {}, detect=detect)
    for said in _deliveries(ordered):
        reader.take(said)
    converted = [pl.Series(name, column) for name, column in zip(PRICES, reader.prices, strict=True)]
    return (
        ordered.with_columns(
            *converted,
            pl.Series("volume", reader.volumes),
            pl.Series("dividend", reader.dividends),
            pl.Series("news", reader.news),
        ),
        reader.seams,
    )


def _deliveries(ordered: pl.DataFrame) -> Iterator[Said]:
    """Yield what each delivery says, in order; a second record of a session is a saying of its own."""
    places = np.unique(ordered["position"].to_numpy())
    at = np.searchsorted(places, ordered["position"].to_numpy())
    prices = np.stack([ordered[name].to_numpy() for name in PRICES])
    volumes, dividends = (ordered[name].to_numpy() for name in ("volume", "dividend"))
    numbered = ordered.with_row_index("row").with_columns(
        turn=pl.int_range(pl.len()).over("said_at", "delivery", "position")
    )
    groups = numbered.group_by("said_at", "delivery", "turn", maintain_order=True).agg(
        "row", pl.col("decimals").max(), pl.col("overlap").max()
    )
    for group in groups.sort("said_at", "delivery", "turn", maintain_order=True).iter_rows(named=True):
        rows = np.asarray(group["row"], dtype=np.int64)
        yield Said(
            rows,
            at[rows],
            prices[:, rows],
            volumes[rows],
            dividends[rows],
            10.0 ** -(group["decimals"] or 0),
            group["overlap"],
            (group["said_at"], group["delivery"] or ""),
        )


class _Reader:
    """What stands of one symbol while its deliveries are taken in one after the other."""

    def __init__(
        self,
        ordered: pl.DataFrame,
        given: list[Seam],
        announced: Mapping[int, Sequence[tuple[datetime, float]]],
        *,
        detect: bool,
    ) -> None:
        self._known_at = ordered["known_at"].to_list()
        self._closed_until = ordered["closed_until"].to_list()
        self._announced, self._detect = announced, detect
        self._waiting = sorted(given, key=lambda seam: seam.order)
        self.seams = list(self._waiting)
        self._positions = np.unique(ordered["position"].to_numpy())
        size = self._positions.size
        self._standing = np.full((4, size), np.nan)
        self._volume, self._tick = np.full(size, np.nan), np.zeros(size)
        self._dividend, self._sent = np.full(size, np.nan), np.full(size, np.nan)
        self._price, self._share, self._first = np.ones(size), np.ones(size), np.full(size, np.nan)
        self.prices, self.volumes = np.full((4, ordered.height), np.nan), np.full(ordered.height, np.nan)
        self.dividends, self.news = np.full(ordered.height, np.nan), np.ones(ordered.height, dtype=np.bool_)

    def take(self, said: Said) -> None:
        """Read one delivery: find what seams it shows, convert it, and let it stand."""
        while self._waiting and self._waiting[0].order <= said.order:
            self._apply(self._waiting.pop(0))
        known = ~np.isnan(self._standing[3, said.at])
        if self._detect and known.sum() >= LEAST_OVERLAP:
            for seam in self._find(said, known):
                self.seams.append(seam)
                self._apply(seam)
        self._stand(said, known)

    def _apply(self, seam: Seam) -> None:
        before = self._positions < seam.position
        self._price[before] *= seam.price
        self._share[before] /= seam.share

    def _stand(self, said: Said, known: NDArray[np.bool_]) -> None:
        self._first[said.at[~known]] = said.order[0].timestamp()
        price, share = self._price[said.at], self._share[said.at]
        prices, volumes = said.prices * price, said.volumes * share
        ticks = said.tick * price
        # Only what was converted may differ by rounding alone.
        through = known & ((price != 1.0) | (share != 1.0))
        apart = np.abs(prices - self._standing[:, said.at]) > room_of(ticks, self._tick[said.at], prices)
        # Both are of whole shares: half of one here, half of one there times what was converted by.
        moved = np.abs(volumes - self._volume[said.at]) > 0.5 + 0.5 * share + VOLUME_ROOM * volumes
        news = ~through | apart.any(axis=0) | moved
        self.news[said.rows] = news
        self.prices[:, said.rows], self.volumes[said.rows] = prices, volumes
        self.dividends[said.rows] = self._paid(said, price, ticks)
        taken = said.at[news]
        self._standing[:, taken], self._volume[taken] = prices[:, news], volumes[news]
        self._tick[taken] = ticks[news]

    def _paid(self, said: Said, price: Floats, ticks: Floats) -> Floats:
        """Return dividends in the units of their session; a vendor may restate that column, or leave it."""
        before, sent = self._dividend[said.at], self._sent[said.at]
        converted = said.dividends * price
        rounded = (price != 1.0) & (np.abs(converted - before) <= ticks + NOISE * converted)
        as_before = (said.dividends == sent) | rounded
        paid: Floats = np.where(~np.isnan(before) & as_before, before, converted)
        self._dividend[said.at], self._sent[said.at] = paid, said.dividends
        return paid

    def _find(self, said: Said, known: NDArray[np.bool_]) -> list[Seam]:
        """Return the seams that a delivery shows, the newest first."""
        at = said.at[known]
        prices = said.prices[:, known] * self._price[at]
        low, high = ratio_bounds(prices, said.tick * self._price[at], self._standing[:, at], self._tick[at])
        pieces = _find_pieces(low, high)
        if not pieces or self._leaves_past(said, at, pieces[0]):
            return []
        volumes = said.volumes[known] * self._share[at]
        # A piece's ratio holds all actions after it: a seam's own is what that of the piece after it leaves.
        seams, outer, outer_share = [], Piece(0.0, 0.0, ()), 1.0
        known_at = self._shown_at(said, known)
        for piece in pieces:
            within = np.asarray(piece.places)
            low_ratio, high_ratio = outer.low - piece.high, outer.high - piece.low
            first = int(self._positions[at[within[-1]]]) + 1
            if within[-1] == at.size - 1:
                first = self._after_last(first, said, piece.middle)
            first, price = self._snap(said, first, (low_ratio, high_ratio), known_at)
            shares = share_ratio(volumes[within], self._volume[at[within]], price * outer_share, outer_share)
            share = shares / outer_share
            seams.append(Seam(position=first, price=price, share=share, known_at=known_at, order=said.order))
            outer, outer_share = piece, shares
        return seams

    def _after_last(self, first: int, said: Said, move: float) -> int:
        """Return the session of a seam that lies after all that its delivery repeats: see `find_change`."""
        new = self._positions[said.at[self._positions[said.at] >= first]]
        there = (self._positions >= first - 1) & ~np.isnan(self._standing[3])
        there &= self._positions < new.min(initial=self._positions[-1] + 1)
        # What only repeats what stands is not among the records, and was delivered all the same.
        if said.equal is None or said.equal >= there.sum() - 1:
            return first
        recent = self._first[there] > said.order[0].timestamp() - RECENT.total_seconds()
        return find_change(self._positions[there], self._standing[3, there], recent, move)

    def _leaves_past(self, said: Said, at: Integers, newest: Piece) -> bool:
        """Tell whether the delivery repeats what stands before the newest piece: then it restates nothing."""
        if said.equal is None:
            return False
        last = at[newest.places[-1]]
        # What repeats after the piece is in our units anyway, and says nothing of what lies before it.
        after = int((~np.isnan(self._standing[3, last + 1 :])).sum())
        return said.equal - after > max(LEAST_OVERLAP - 1, UNTOUCHED * len(newest.places))

    def _shown_at(self, said: Said, known: NDArray[np.bool_]) -> datetime:
        """Return when a seam counts as known: with the first of the bars that its delivery brings anew."""
        rows = said.rows[~known] if (~known).any() else said.rows
        instants: list[datetime] = [self._known_at[row] for row in rows]
        closed = [moment + TICK for row in said.rows if (moment := self._closed_until[row]) is not None]
        return max(min(instants), *closed) if closed else min(instants)

    def _snap(
        self, said: Said, first: int, bounds: tuple[float, float], known_at: datetime
    ) -> tuple[int, float]:
        """Return session and ratio of a seam, those of an announced action where one agrees."""
        # Up to the next bar that stands, or comes now, any session may be the one at which the units changed.
        there = ~np.isnan(self._standing[3])
        there[said.at] = True
        later = self._positions[(self._positions >= first) & there]
        last = int(later[0]) if later.size else first
        for position in range(first, max(last, first) + 1):
            for heard_at, ratio in self._announced.get(position, ()):
                if heard_at <= known_at and bounds[0] - NOISE <= np.log(ratio) <= bounds[1] + NOISE:
                    return position, ratio
        ratio = float(np.exp((bounds[0] + bounds[1]) / 2))
        simple = float(Fraction(ratio).limit_denominator(MOST_SHARES))
        agrees = simple > 0 and bounds[0] <= np.log(simple) <= bounds[1]
        return first, simple if agrees else ratio


def _find_pieces(low: Floats, high: Floats) -> list[Piece]:
    """Return the pieces of the restated past, the newest first, none where the past is not restated.

    Sessions whose prices bound no ratio in common are corrections, and so are short pieces and those with one
    ratio on both sides.
    """
    regular = low <= high
    changed = regular & ((low > 0) | (high < 0))
    if changed.sum() < LEAST_OVERLAP:
        return []
    kept: list[Piece] = []
    for piece in _runs(low, high, regular):
        same = next((place for place, other in enumerate(kept) if other.meets(piece)), None)
        if same is not None:
            kept = [*kept[:same], kept[same].joined(piece)]
        else:
            kept.append(piece)
    long = [piece for piece in kept if len(piece.places) >= LEAST_OVERLAP]
    # A newest piece of ratio one is in our units already, and no seam follows on it.
    return long[1:] if long and long[0].low <= 0 <= long[0].high else long


def _runs(low: Floats, high: Floats, regular: NDArray[np.bool_]) -> Iterator[Piece]:
    """Yield runs of sessions that may share a ratio, the newest first."""
    run: Piece | None = None
    for place in np.flatnonzero(regular)[::-1]:
        one = Piece(float(low[place]), float(high[place]), (int(place),))
        if run is not None and not run.meets(one):
            yield run
            run = None
        run = one if run is None else run.joined(one)
    if run is not None:
        yield run


def chain_of(seams: Sequence[Seam]) -> list[dict[str, Any]]:
    """Return the states of each session's change of units: all seams at it together, a row when it changed.

    Returns
    -------
    list of dict
        `position`, `value`, `share_value`, `valid` (false where the units are those of before again),
        `known_at`, `delivered_at` and `delivery`.
    """
    rows: dict[tuple[int, datetime], dict[str, Any]] = {}
    for position in sorted({seam.position for seam in seams}):
        price = share = 1.0
        instant = datetime.min.replace(tzinfo=seams[0].known_at.tzinfo)
        for seam in sorted((one for one in seams if one.position == position), key=lambda one: one.order):
            price, share = price * seam.price, share * seam.share
            # Stamps may call a later delivery's bars known earlier; its state still follows the one before.
            instant = max(instant, seam.known_at)
            rows[position, instant] = {
                "position": position,
                "value": price,
                "share_value": share,
                "valid": not (abs(price - 1) < 1e-9 and abs(share - 1) < 1e-9),
                "known_at": instant,
                "delivered_at": seam.order[0],
                "delivery": seam.order[1],
            }
    return list(rows.values())
