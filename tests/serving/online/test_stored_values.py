from __future__ import annotations

import math
import struct

import polars as pl
import pytest
from feast.protos.feast.types.Value_pb2 import Value

from serving.online.stored_values import decode_numbers, decode_values


def number(value: float) -> bytes:
    return Value(double_val=value).SerializeToString()


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1.5, -1e-308, 1e308, math.inf, -math.inf, struct.unpack("<d", b"\x29" * 8)[0]]
)
def test_numbers_come_back_bit_for_bit(value: float) -> None:
    found = decode_numbers([[number(value), number(2.0)]], ["a", "b"])
    assert struct.pack("<d", found["a"][0]) == struct.pack("<d", value)
    assert found["b"].to_list() == [2.0]


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, -1e-44, 3e38, struct.unpack("<f", b"\x35" * 4)[0]])
def test_single_precision_comes_back_bit_for_bit_in_its_own_type(value: float) -> None:
    stored, other = Value(float_val=value).SerializeToString(), number(2.0)
    found = decode_numbers([[stored, None], [other, stored]], ["a", "b"], pl.Float32)
    assert found.schema == {"a": pl.Float32, "b": pl.Float32}
    assert struct.pack("<f", found["a"][0]) == struct.pack("<f", found["b"][1]) == struct.pack("<f", value)
    assert (found["b"][0], found["a"][1]) == (None, None)


def test_unknown_values_are_null_where_they_are() -> None:
    unset = Value().SerializeToString()
    found = decode_numbers([[number(1.0), None], [unset, number(4.0)], [b"", number(6.0)]], ["a", "b"])
    assert found.to_dict(as_series=False) == {"a": [1.0, None, None], "b": [None, 4.0, 6.0]}


def test_without_rows_there_are_columns() -> None:
    assert decode_numbers([], ["a", "b"]).schema.names() == ["a", "b"]
    assert decode_numbers([[], []], []).width == 0


@pytest.mark.parametrize("stored", [Value(int64_val=7), Value(string_val="123456x"), Value(float_val=1.0)])
def test_a_value_of_another_type_is_unknown_and_spoils_no_other(stored: Value) -> None:
    found = decode_numbers([[stored.SerializeToString(), number(2.0)]], ["a", "b"])
    assert found.row(0) == (None, 2.0)


def test_what_is_no_number_is_unknown_whatever_stands_beside_it() -> None:
    assert decode_numbers([[number(math.nan)]], ["a"])["a"].to_list() == [None]
    assert decode_numbers([[number(math.nan)], [None]], ["a"])["a"].to_list() == [None, None]


def test_other_columns_are_decoded_one_by_one() -> None:
    cells = [Value(string_val="x").SerializeToString(), b"", None, Value(int64_val=0).SerializeToString()]
    assert decode_values(cells, "string_val") == ["x", None, None, None]
    assert decode_values(cells, "int64_val") == [None, None, None, 0]
    assert decode_values([Value(bool_val=False).SerializeToString()], "bool_val") == [False]
