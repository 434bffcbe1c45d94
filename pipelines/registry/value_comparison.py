"""What changed between two computations of features: values, on how many rows, by how much, and digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

Change = Literal["same", "values", "digest alone", "values, same digest", "only in A", "only in B"]

KEY = ("symbol", "session")
SCHEMA: dict[str, Any] = {
    "feature": pl.String,
    "change": pl.String,
    "rows": pl.Int64,
    "changed": pl.Int64,
    "null_in_a": pl.Int64,
    "null_in_b": pl.Int64,
    "largest_absolute": pl.Float64,
    "largest_relative": pl.Float64,
    "digest_a": pl.String,
    "digest_b": pl.String,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """The features that one revision of the code computes from some rows.

    Attributes
    ----------
    values : mapping of view to polars.DataFrame
        `symbol`, `session` and one Float64 column a feature; null means unknown.
    digests : mapping of feature to str or None
        Of every feature computed; None where the revision tells none.
    left_out : mapping of view to str
        Views that could not be computed from these rows, and why.
    not_computed : frozenset of str
        Their features: whether they changed is not known.
    """

    values: Mapping[str, pl.DataFrame]
    digests: Mapping[str, str | None]
    left_out: Mapping[str, str]
    not_computed: frozenset[str] = frozenset()


def compare_computed(a: Computed, b: Computed) -> pl.DataFrame:
    """Return what changed, one row a feature, in the order of A's features and then B's new ones.

    A feature that either side could not compute is left out.

    Returns
    -------
    polars.DataFrame, shape (n_features, 10)
        `feature`; `change` (`Change`); `rows` of (symbol, session) on either side; how many of them have
        other values (`changed`), among these those that are unknown in A alone (`null_in_a`) and in B alone
        (`null_in_b`); the `largest_absolute` and `largest_relative` difference where both are known, null
        without a difference; the digests. Numbers are null for a feature of one side.
    """
    unknown = a.not_computed | b.not_computed
    homes_a, homes_b = (_views_by_feature(side, unknown) for side in (a, b))
    counted: dict[str, dict[str, Any]] = {}
    for view_a, view_b in dict.fromkeys((homes_a[n], homes_b[n]) for n in homes_a if n in homes_b):
        names = [n for n in homes_a if homes_a[n] == view_a and homes_b.get(n) == view_b]
        counted |= compare_values(a.values[view_a], b.values[view_b], names)
    rows = []
    for name in dict.fromkeys([*homes_a, *homes_b]):
        digests = {"digest_a": a.digests.get(name), "digest_b": b.digests.get(name)}
        side = "only in A" if name not in homes_b else "only in B"
        numbers = counted.get(name, {})
        change = judge(numbers["changed"], **digests) if numbers else side
        rows.append({"feature": name, "change": change, **numbers, **digests})
    return pl.DataFrame(rows, schema=SCHEMA)


def compare_values(a: pl.DataFrame, b: pl.DataFrame, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return, for each feature, how many rows have other values and by how much.

    Parameters
    ----------
    a, b : polars.DataFrame
        `symbol`, `session` and the features; unique by the first two. A row that one side lacks is unknown
        there. Null equals null; any other difference counts, to the last bit.
    """
    both = a.select(*KEY, *names).join(b.select(*KEY, *names), on=list(KEY), how="full", coalesce=True)
    return {name: _count(both.select(a=name, b=f"{name}_right")) for name in names}


def judge(changed: int, *, digest_a: str | None, digest_b: str | None) -> Change:
    """Return what a feature's change is called, given how many rows of it changed."""
    same_digest = digest_a == digest_b or None in (digest_a, digest_b)
    if changed:
        told = None not in (digest_a, digest_b)
        return "values, same digest" if told and same_digest else "values"
    return "same" if same_digest else "digest alone"


def _count(pair: pl.DataFrame) -> dict[str, Any]:
    """Return the numbers of one feature from its values on either side, ``a`` and ``b``."""
    changed = pair.filter(pl.col("a").ne_missing(pl.col("b")))
    distance = (pl.col("b") - pl.col("a")).abs()
    largest = changed.select(
        absolute=distance.max(),
        relative=(distance / pl.max_horizontal(pl.col("a").abs(), pl.col("b").abs())).max(),
    )
    return {
        "rows": pair.height,
        "changed": changed.height,
        "null_in_a": changed["a"].null_count(),
        "null_in_b": changed["b"].null_count(),
        "largest_absolute": largest.item(0, "absolute"),
        "largest_relative": largest.item(0, "relative"),
    }


def _views_by_feature(computed: Computed, unknown: frozenset[str]) -> dict[str, str]:
    return {
        name: view
        for view, values in computed.values.items()
        for name in values.columns
        if name not in KEY and name not in unknown
    }
