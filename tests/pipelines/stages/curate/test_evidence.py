"""What is gathered around actions: closes as last delivered, part by part, and when a basis stops a load."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from pipelines.base.errors import SettingsError
from pipelines.stages.curate.evidence import check_bases, describe_bases, gather_evidence, judge_bases
from tests.pipelines.stages.curate.deliveries import cut

MOMENT = pl.Datetime("us", "UTC")
KEYS: dict[str, Any] = {
    "source": pl.String,
    "symbol": pl.String,
    "session": pl.Date,
    "position": pl.Int64,
    "known_at": MOMENT,
    "valid": pl.Boolean,
}
BARS = KEYS | {"close": pl.Float64}
CHAINS = KEYS | {"kind": pl.String, "value": pl.Float64}
SEAMS = KEYS | {"value": pl.Float64}
QUIET = [100.0 + place % 2 for place in range(30)]
"""Thirty closes that move by one percent a day."""


def row(symbol: str, position: int, day: int | None = None, **columns: Any) -> dict[str, Any]:
    day = position if day is None else day
    same = {"source": "feed", "symbol": symbol, "session": cut(position).date(), "position": position}
    return {**same, "known_at": cut(day), "valid": True, **columns}


def path(symbol: str, closes: list[float]) -> list[dict[str, Any]]:
    return [row(symbol, position, close=close) for position, close in enumerate(closes)]


def halved(symbol: str, ex: int) -> list[dict[str, Any]]:
    """Closes that fall by half on a session."""
    return path(symbol, [close / (2 if place >= ex else 1) for place, close in enumerate(QUIET)])


def split(symbol: str, ex: int = 25, ratio: float = 2.0, **columns: Any) -> dict[str, Any]:
    return row(symbol, ex, kind="split", value=ratio, **columns)


def gather(
    bars: list[dict[str, Any]], chains: list[dict[str, Any]], seams: list[dict[str, Any]] | None = None
) -> pl.DataFrame:
    return gather_evidence(
        pl.DataFrame(bars, schema=BARS),
        pl.DataFrame(seams or [], schema=SEAMS),
        pl.DataFrame(chains, schema=CHAINS),
    )


def votes(evidence: pl.DataFrame) -> list[str]:
    return evidence.filter(part="splits").sort("symbol")["vote"].to_list()


def test_each_split_votes_by_the_closes_around_it() -> None:
    found = gather([*halved("AAA", 25), *path("BBB", QUIET)], [split("AAA"), split("BBB")])
    assert votes(found) == ["raw", "adjusted"]
    assert found.filter(symbol="AAA").select("source", "value", "before", "close").rows() == [
        ("feed", 2.0, 100.0, 50.5)
    ]


def test_without_actions_there_is_none() -> None:
    assert gather(path("AAA", QUIET), []).is_empty()


def test_of_bars_and_announcements_the_newest_version_counts() -> None:
    corrected = [*halved("AAA", 25), *(row("AAA", place, 99, close=100.0) for place in range(25, 30))]
    assert votes(gather(corrected, [split("AAA")])) == ["adjusted"]
    withdrawn = split("AAA", day=28, ratio=1.0) | {"valid": False}
    assert gather(halved("AAA", 25), [split("AAA"), withdrawn]).is_empty()


def test_closes_over_a_seam_are_compared_as_the_vendor_last_wrote_them() -> None:
    # Before the seam the old units stand; the vendor's own past is adjusted.
    rebase = row("AAA", 25, value=2.0)
    assert votes(gather(halved("AAA", 25), [split("AAA")], [rebase])) == ["adjusted"]
    back = row("AAA", 25, 26, value=1.0) | {"valid": False}
    assert votes(gather(halved("AAA", 25), [split("AAA")], [rebase, back])) == ["raw"]


def test_feeds_are_judged_apart() -> None:
    other = [one | {"source": "other"} for one in (*path("AAA", QUIET), split("AAA"))]
    found = gather([*halved("AAA", 25), *other[:-1]], [split("AAA"), other[-1]])
    verdicts = judge_bases(found, {"feed": "raw", "other": "split"})
    assert {source: (told.raw_votes, told.adjusted_votes) for source, told in verdicts.items()} == {
        "feed": (1, 0),
        "other": (0, 1),
    }
    check_bases(verdicts)


def test_evidence_of_parts_is_that_of_the_whole() -> None:
    symbols = ["AAA", "BBB"]
    bars = {"AAA": halved("AAA", 25), "BBB": path("BBB", QUIET)}
    parts = [gather(bars[symbol], [split(symbol)]) for symbol in symbols]
    whole = gather([*bars["AAA"], *bars["BBB"]], [split("AAA"), split("BBB")])
    told = {"feed": "raw"}
    assert describe_bases(judge_bases(pl.concat(parts), told)) == describe_bases(judge_bases(whole, told))


@pytest.mark.parametrize(
    ("declared", "raw", "said"),
    [
        ("split", True, "around 3 of 4 splits prices moved as raw ones do"),
        ("raw", False, "around 3 of 4 splits prices moved as adjusted ones do"),
    ],
)
def test_a_majority_against_the_declared_basis_stops_the_load(declared: str, raw: bool, said: str) -> None:
    names = ["AAA", "BBB", "CCC", "DDD"]
    falls = [raw, raw, raw, not raw]
    bars = [
        one
        for name, fell in zip(names, falls, strict=True)
        for one in (halved(name, 25) if fell else path(name, QUIET))
    ]
    verdicts = judge_bases(gather(bars, [split(name) for name in names]), {"feed": declared})
    with pytest.raises(SettingsError, match=f"sources.feed.price_basis={declared}, but {said}"):
        check_bases(verdicts)


def test_as_many_votes_for_as_against_stop_nothing() -> None:
    bars = [*halved("AAA", 25), *path("BBB", QUIET)]
    verdicts = judge_bases(gather(bars, [split("AAA"), split("BBB")]), {"feed": "raw"})
    assert describe_bases(verdicts)["feed"]["splits"] == {"raw": 1, "adjusted": 1, "unclear": 0}
    check_bases(verdicts)
