"""A file that stands for gigabytes ends the process that reads it, and nothing else."""

from __future__ import annotations

import json
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
from tests.serving.parts import NAMES, SESSION

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
    with pytest.raises(Refusal, match="the upload took too long; send it again"):
        reader.read(content, NAMES, LIMITS)
    assert reader.read(content, NAMES, LIMITS).height == 1


def test_a_footer_that_owns_up_to_one_row_of_many_is_not_believed(reader: UploadReader) -> None:
    rows = 60_000
    frame = pl.DataFrame({"symbol": [f"S{row}" for row in range(rows)], "session": [SESSION] * rows})
    honest = parquet_of(frame.with_columns(pl.lit(0.5).alias(name) for name in NAMES))
    footer = int.from_bytes(honest[-8:-4], "little")
    meta = honest[-8 - footer : -8]
    # Thrift's compact form: field 3 of the file's description is the count, a zigzag varint.
    told, lie = varint(rows), varint(1)
    assert meta.count(b"\x16" + told) >= 1
    forged = meta.replace(b"\x16" + told, b"\x16" + lie + b"", 1)
    sent = honest[: -8 - footer] + forged + len(forged).to_bytes(4, "little") + b"PAR1"
    assert pq.ParquetFile(BytesIO(sent)).metadata.num_rows == 1
    with pytest.raises(Refusal, match="the batch has 60000 rows, allowed are 1 to 20000"):
        reader.read(sent, NAMES, LIMITS)


def varint(number: int) -> bytes:
    """Return a number as thrift's compact form writes it."""
    zigzag, digits = number << 1, bytearray()
    while zigzag >= 0x80:
        digits.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    return bytes([*digits, zigzag])


def test_a_child_that_does_not_start_keeps_nobody(tmp_path: Path) -> None:
    hanging = UploadReader(command=["sleep", "60"], longest_seconds=0.2)
    hanging._command = ["sleep", "60"]
    hanging.start()
    with pytest.raises(Refusal, match="uploads cannot be read; send it again") as refusal:
        hanging.read(b"", NAMES, LIMITS)
    assert refusal.value.status == 503
    hanging.stop()
    with pytest.raises(Refusal, match="the service ends"):
        hanging.read(b"", NAMES, LIMITS)


def test_the_child_sees_no_secret_and_outlives_an_order_to_end(
    reader: UploadReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEAST_REDIS_CONNECTION", "host:6379,password=s3cret")
    own = UploadReader()
    before = {one.pid for one in children()}
    own.start()
    (child,) = [one for one in children() if one.pid not in before]
    assert "FEAST_REDIS_CONNECTION" not in child.environ()
    child.terminate()
    assert own.read(parquet_of(good_frame()), NAMES, LIMITS).height == 1
    assert child.is_running()
    own.stop()


def test_what_was_not_taken_whole_is_no_question_of_the_next_caller() -> None:
    """The body alone is more than the child may take: what is left of it must answer nobody."""
    small = UploadReader(memory_bytes=72 * 2**20)
    forged = json.dumps({"names": [], "rows": 9, "bytes": 9, "size": 0}).encode() + b"\n"
    with pytest.raises(Refusal, match="more memory or time"):
        small.read(forged * (80 * 2**20 // len(forged)), NAMES, LIMITS)
    for _ in range(3):
        assert small.read(parquet_of(good_frame()), NAMES, LIMITS).height == 1
    small.stop()


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
