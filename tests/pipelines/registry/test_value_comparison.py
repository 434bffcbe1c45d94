"""What changed between two computations, on tables that can be read at a glance."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from pipelines.registry.value_comparison import Computed, compare_computed, compare_values, judge

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8)]


def values(**columns: list[float | None]) -> pl.DataFrame:
    """Five sessions of one symbol."""
    frame = pl.DataFrame({"symbol": ["S"] * 5, "session": DAYS})
    return frame.with_columns(**{name: pl.Series(part, dtype=pl.Float64) for name, part in columns.items()})


def computed(digests: dict[str, str | None], **columns: list[float | None]) -> Computed:
    return Computed(values={"features_daily": values(**columns)}, digests=digests, left_out={})


def test_values_are_compared_to_the_last_bit_and_null_is_a_value() -> None:
    a = values(mom_x=[1.0, 2.0, None, 4.0, None])
    b = values(mom_x=[1.0, 2.5, 3.0, None, None]).reverse()
    assert compare_values(a, b, ["mom_x"]) == {
        "mom_x": {
            "rows": 5, "changed": 3, "null_in_a": 1, "null_in_b": 1,
            "largest_absolute": 0.5, "largest_relative": 0.2,
        }
    }  # fmt: skip
    shifted = values(mom_x=[1.0, 2.0 + 2**-51, None, 4.0, None])
    assert compare_values(a, shifted, ["mom_x"])["mom_x"]["changed"] == 1


def test_differences_keep_their_size_whatever_the_sign() -> None:
    found = compare_values(values(mom_x=[-2.0] * 5), values(mom_x=[2.0] * 5), ["mom_x"])["mom_x"]
    assert (found["largest_absolute"], found["largest_relative"]) == (4.0, 2.0)
    from_nothing = compare_values(values(mom_x=[0.0] * 5), values(mom_x=[1e-9] * 5), ["mom_x"])["mom_x"]
    assert (from_nothing["largest_absolute"], from_nothing["largest_relative"]) == (1e-9, 1.0)


def test_a_row_that_one_side_lacks_is_unknown_there() -> None:
    a = values(mom_x=[1.0, 2.0, 3.0, 4.0, None])
    found = compare_values(a, a.head(2), ["mom_x"])["mom_x"]
    assert (found["rows"], found["changed"], found["null_in_a"], found["null_in_b"]) == (5, 2, 0, 2)
    assert found["largest_absolute"] is None


@pytest.mark.parametrize(
    ("changed", "a", "b", "called"),
    [
        (0, "d1", "d1", "same"),
        (0, "d1", "d2", "digest alone"),
        (3, "d1", "d2", "values"),
        (3, "d1", "d1", "values, same digest"),
        (0, None, "d1", "same"),
        (3, None, "d1", "values"),
        (3, None, None, "values"),
    ],
)
def test_a_change_is_called_by_values_and_digests(
    changed: int, a: str | None, b: str | None, called: str
) -> None:
    assert judge(changed, digest_a=a, digest_b=b) == called


def test_features_of_one_side_stand_beside_those_of_both() -> None:
    ones, twos = [1.0] * 5, [2.0] * 5
    a = computed({"mom_x": "d1", "mom_gone": "d2"}, mom_x=ones, mom_gone=ones)
    b = computed({"mom_x": "d3", "mom_new": "d4"}, mom_x=twos, mom_new=ones)
    found = compare_computed(a, b)
    assert found.select("feature", "change", "changed", "digest_a", "digest_b").rows() == [
        ("mom_x", "values", 5, "d1", "d3"),
        ("mom_gone", "only in A", None, "d2", None),
        ("mom_new", "only in B", None, None, "d4"),
    ]


def test_a_feature_that_moved_to_another_view_is_compared_by_its_name() -> None:
    a = Computed(values={"features_a": values(mom_x=[1.0] * 5)}, digests={"mom_x": "d1"}, left_out={})
    b = Computed(values={"features_b": values(mom_x=[1.0] * 5)}, digests={"mom_x": "d2"}, left_out={})
    assert compare_computed(a, b).select("feature", "change").rows() == [("mom_x", "digest alone")]


def test_what_one_side_could_not_compute_is_not_called_new() -> None:
    a = Computed(
        values={}, digests={}, left_out={"features_text": "no rows"}, not_computed=frozenset({"text_x"})
    )
    b = computed({"mom_x": "d", "text_x": "d"}, mom_x=[1.0] * 5, text_x=[1.0] * 5)
    assert compare_computed(a, b)["feature"].to_list() == ["mom_x"]
    assert compare_computed(a, a).is_empty()
