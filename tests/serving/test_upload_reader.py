"""A file that stands for gigabytes ends the process that reads it, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import polars as pl
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.parquet_rows import BatchLimits, read_parquet_rows
from serving.refusals import Refusal
from serving.upload_reader import UploadReader
from tests.serving.hostile import good_frame, parquet_of
from tests.serving.parts import NAMES

LIMITS = BatchLimits(rows=20_000, bytes=2**25)


@pytest.fixture(scope="module")
def reader() -> Iterator[UploadReader]:
    """A reader whose child runs."""
    reader = UploadReader(memory_bytes=256 * 2**20, cpu_seconds=2)
    reader.start()
    yield reader
    reader.stop()


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "serving.upload_child" in one.cmdline()]


def bomb(names: Sequence[str] = NAMES, rows: int = 20_000) -> bytes:
    """A few kilobytes that unpack to six gigabytes: one long text, repeated by its number in a dictionary."""
    days = pa.DictionaryArray.from_arrays(
        pa.array([0] * rows, pa.int32()), pa.array(["2018-02-07" + " " * 300_000])
    )
    symbols = pa.array([f"S{row}" for row in range(rows)])
    table = pa.table({"symbol": symbols, "session": days, **{name: pa.array([0.5] * rows) for name in names}})
    file = BytesIO()
    pq.write_table(table, file, compression="zstd", store_schema=False)
    return file.getvalue()


def test_it_reads_what_is_read_in_the_process_and_refuses_the_same(reader: UploadReader) -> None:
    for frame in (good_frame(), good_frame(mom_return_5d=float("nan")), pl.concat([good_frame()] * 3)):
        content = parquet_of(frame)
        assert reader.read(content, NAMES, LIMITS).equals(read_parquet_rows(content, NAMES, LIMITS))
    for content in (b"", b"PAR1", parquet_of(good_frame().drop("symbol")), parquet_of(good_frame())[:-9]):
        with pytest.raises(Refusal) as here:
            read_parquet_rows(content, NAMES, LIMITS)
        with pytest.raises(Refusal) as there:
            reader.read(content, NAMES, LIMITS)
        assert (there.value.status, there.value.error) == (here.value.status, here.value.error)
        assert there.value.message == here.value.message
    assert len(children()) == 1


def test_what_takes_too_much_is_refused_and_the_next_file_is_read(reader: UploadReader) -> None:
    before, sent = psutil.Process().memory_info().rss, bomb()
    assert len(sent) < 200_000
    for _ in range(2):
        with pytest.raises(Refusal) as refusal:
            reader.read(sent, NAMES, LIMITS)
        assert (refusal.value.status, refusal.value.error) == (413, "batch_size")
    content = parquet_of(good_frame())
    assert [reader.read(content, NAMES, LIMITS).height for _ in range(5)] == [1] * 5
    assert psutil.Process().memory_info().rss - before < 64 * 2**20
    (child,) = children()
    assert child.memory_info().rss < 512 * 2**20
    assert child.nice() >= 10


def test_a_child_that_is_killed_is_replaced(reader: UploadReader) -> None:
    (child,) = children()
    child.kill()
    child.wait()
    content = parquet_of(good_frame())
    assert reader.read(content, NAMES, LIMITS).height == 1
    (another,) = children()
    assert another.pid != child.pid
    another.suspend()
    stopped = threading.Timer(0.5, another.kill)
    stopped.start()
    with pytest.raises(Refusal, match="more memory or time"):
        reader.read(content, NAMES, LIMITS)
    assert reader.read(content, NAMES, LIMITS).height == 1


def test_a_caller_too_many_is_asked_to_come_again(reader: UploadReader) -> None:
    content, (child,) = parquet_of(good_frame()), children()
    child.suspend()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(reader.read, content, NAMES, LIMITS) for _ in range(2)]
        while reader._places._value:  # type: ignore[attr-defined]
            pass
        with pytest.raises(Refusal) as refusal:
            reader.read(content, NAMES, LIMITS)
        child.resume()
        assert [one.result().height for one in waiting] == [1, 1]
    assert (refusal.value.status, refusal.value.error) == (503, "busy")


def test_it_ends_with_its_reader(tmp_path: Path) -> None:
    reader = UploadReader()
    before = {one.pid for one in children()}
    reader.start()
    (child,) = [one for one in children() if one.pid not in before]
    reader.stop()
    assert not child.is_running()
