"""What the prices around splits and dividends say of the basis that a feed's settings declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.base.errors import SettingsError
from pipelines.io.sources.params import PriceBasis
from pipelines.stages.curate.basis import BasisVerdict, dividend_returns, judge_evidence, split_votes
from pipelines.stages.curate.units import PLACE

SPLITS, DIVIDENDS = "splits", "dividends"
EVIDENCE: dict[str, Any] = {
    **dict.fromkeys(("before", "move", "dividend_yield", "excess", "sigma"), pl.Float64),
    "vote": pl.String,
}
"""Columns beside `source`, `symbol`, `session`, `value`, `close` and ``part`` (`SPLITS`, `DIVIDENDS`)."""


def gather_evidence(versions: pl.DataFrame, seams: pl.DataFrame, chains: pl.DataFrame) -> pl.DataFrame:
    """Return what the closes around each announced action show, of every feed that has announced any.

    Parameters
    ----------
    versions : polars.DataFrame
        Judged bars with `position`; the newest version of each counts, prices in the units that stand.
    seams : polars.DataFrame
        The restatements that deliveries have shown: closes are compared as those last delivered.
    chains : polars.DataFrame
        Announced splits and dividends; of each the newest version counts.

    Returns
    -------
    polars.DataFrame
        `source`, ``part``, `symbol`, `session`, `value`, `close` and `EVIDENCE`, a row an action.
    """
    said = _newest(chains, (*PLACE, "kind")).filter("valid")
    feeds = said.partition_by("source", as_dict=True)
    found = [_of_feed(str(source), own, versions, seams) for (source,), own in feeds.items()]
    schema = {"source": pl.String, "part": pl.String, "symbol": pl.String, "session": pl.Date}
    schema |= {"value": pl.Float64, "close": pl.Float64} | EVIDENCE
    none = pl.DataFrame(schema=schema)
    return pl.concat([none, *(part.select(none.columns) for part in found)])


def _of_feed(source: str, said: pl.DataFrame, versions: pl.DataFrame, seams: pl.DataFrame) -> pl.DataFrame:
    # Symbols without an action are the market that a dividend's return is held against: some do.
    own = said.select("symbol").unique()
    of_source = versions.filter(pl.col("source") == source)
    bars = _newest(of_source.join(own, on="symbol", how="semi"), PLACE).filter("valid")
    units = _newest(seams.filter(pl.col("source") == source), PLACE).filter("valid")
    scaled = _in_first_units(bars, units, "close")
    actions = _in_first_units(said, units, "amount")
    paid = pl.when(pl.col("kind") == "dividend").then("amount").otherwise("value")
    told = actions.with_columns(value=paid).select("symbol", "session", "position", "kind", "value")
    closes = scaled.select("symbol", "session", "position", "close").sort("symbol", "position")
    parts = [
        split_votes(closes, told).with_columns(part=pl.lit(SPLITS)),
        dividend_returns(closes, told).with_columns(part=pl.lit(DIVIDENDS)),
    ]
    whole = pl.concat(parts, how="diagonal").with_columns(source=pl.lit(source))
    return whole.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in EVIDENCE.items() if name not in whole.columns
    )


def _newest(rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    return rows.sort(*key, "known_at").unique(list(key), keep="last", maintain_order=True)


def _in_first_units(rows: pl.DataFrame, units: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return rows with `column` (`close`, or `value` as `amount`) in the units of each symbol's first bar."""
    given = rows.with_columns(amount=pl.col("value")) if column == "amount" else rows
    if units.is_empty():
        return given
    steps = units.select("symbol", "position", unit=pl.col("value").log()).sort("symbol", "position")
    total = steps.with_columns(pl.col("unit").cum_sum().over("symbol")).sort("position")
    placed = given.sort("position").join_asof(
        total, on="position", by="symbol", strategy="backward", check_sortedness=False
    )
    return placed.with_columns(pl.col(column) * pl.col("unit").fill_null(0.0).exp()).drop("unit")


def judge_bases(evidence: pl.DataFrame, declared: Mapping[str, str]) -> dict[str, BasisVerdict]:
    """Return the verdict on each feed's declared basis."""
    verdicts = {}
    for source, basis in declared.items():
        own = evidence.filter(pl.col("source") == source)
        votes, rows = (own.filter(pl.col("part") == part) for part in (SPLITS, DIVIDENDS))
        known: PriceBasis = basis  # type: ignore[assignment]
        verdicts[source] = judge_evidence(votes, rows, known)
    return verdicts


def check_bases(verdicts: Mapping[str, BasisVerdict]) -> None:
    """Stop where the splits of a load contradict what its feed's settings declare.

    A refutation by dividends alone is one of statistics: it is reported, and stops nothing.

    Raises
    ------
    SettingsError
        With at most three rows of evidence and the setting to change.
    """
    for source, told in verdicts.items():
        votes_raw = told.raw_votes > told.adjusted_votes
        if told.raw_votes == told.adjusted_votes or (told.declared == "raw") == votes_raw:
            continue
        said, other = told.raw_votes, "raw"
        if told.raw_votes < told.adjusted_votes:
            said, other = told.adjusted_votes, " or ".join(told.possible)
        clear = told.raw_votes + told.adjusted_votes
        msg = (
            f"sources.{source}.price_basis={told.declared}, but around {said} of {clear} splits prices moved "
            f"as {'raw' if other == 'raw' else 'adjusted'} ones do ({'; '.join(told.evidence)}): set "
            f"sources.{source}.price_basis to {other}, then run this again (`--set sources.{source}."
            "price_basis=…` with every command, or once and for all in an overlay of conf/)"
        )
        raise SettingsError(msg)


def describe_bases(verdicts: Mapping[str, BasisVerdict]) -> dict[str, Any]:
    """Return what is told of each feed's basis, for the report."""
    return {
        source: {
            "declared": told.declared,
            "verdict": told.verdict,
            "splits": {"raw": told.raw_votes, "adjusted": told.adjusted_votes, "unclear": told.unclear_votes},
            "dividends": {
                "count": told.dividends.count,
                "slope": told.dividends.slope,
                "standard_error": told.dividends.standard_error,
            },
            "evidence": list(told.evidence),
        }
        for source, told in verdicts.items()
    }
