"""Where files lie: the local disk, or any place that Hadoop can read."""

from __future__ import annotations

import glob
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

CHUNK_BYTES = 1 << 20


class FileStore(Protocol):
    """The few questions that are asked of a file before Spark reads it."""

    def expand(self, place: str) -> list[str]:
        """Return the files that a file name, a folder or a glob stands for, sorted; hidden ones left out."""
        ...

    def is_file(self, place: str) -> bool:
        """Tell whether `place` names one file."""
        ...

    def size(self, file: str) -> int:
        """Return the file's length in bytes."""
        ...

    def head(self, file: str, lines: int) -> list[str]:
        """Return the first lines of a text file, unpacked when its name ends in ``.gz``."""
        ...

    def check_gzip(self, file: str) -> str | None:
        """Read a gzip file to its end and return what is wrong with it, None if nothing is."""
        ...

    def parquet_columns(self, file: str) -> list[str]:
        """Return the column names in a Parquet file's footer."""
        ...


def open_store(place: str, session: Callable[[], SparkSession]) -> FileStore:
    """Return the store that holds `place`; `session` is called for places that are not local alone."""
    if urlparse(place).scheme in {"", "file"}:
        return LocalStore()
    return HadoopStore(session())


class LocalStore:
    """Files on this machine's disk."""

    def expand(self, place: str) -> list[str]:
        path = _local(place)
        if path.is_file():
            return [str(path)]
        if path.is_dir():
            found = (file for file in path.rglob("*") if not _hidden(file.relative_to(path).parts))
        else:
            found = (Path(name) for name in glob.glob(str(path), recursive=True))
        return sorted(str(file) for file in found if file.is_file() and not _hidden((file.name,)))

    def is_file(self, place: str) -> bool:
        return _local(place).is_file()

    def size(self, file: str) -> int:
        return _local(file).stat().st_size

    def head(self, file: str, lines: int) -> list[str]:
        opened = gzip.open if file.endswith(".gz") else open
        with opened(_local(file), mode="rt", encoding="utf-8-sig", errors="replace") as stream:
            return [line.rstrip("\r\n") for line in islice(stream, lines)]

    def check_gzip(self, file: str) -> str | None:
        try:
            with gzip.open(_local(file)) as stream:
                while stream.read(CHUNK_BYTES):
                    pass
        except (EOFError, OSError, zlib.error) as error:
            return str(error)
        return None

    def parquet_columns(self, file: str) -> list[str]:
        return list(pq.read_schema(_local(file)).names)


class HadoopStore:
    """Files at any Hadoop address (``s3a:``, ``abfss:``, ``gs:``, ``hdfs:``), asked through Spark's JVM."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._jvm: Any = spark._jvm

    def _opened(self, place: str) -> tuple[Any, Any]:
        path = self._jvm.org.apache.hadoop.fs.Path(place)
        return path, path.getFileSystem(self._spark._jsparkSession.sessionState().newHadoopConf())

    def expand(self, place: str) -> list[str]:
        path, system = self._opened(place)
        matches = system.globStatus(path) or []
        return sorted(name for status in matches for name in self._files_below(system, status))

    def _files_below(self, system: Any, status: Any) -> Iterator[str]:
        if _hidden((status.getPath().getName(),)):
            return
        if status.isFile():
            yield status.getPath().toString()
            return
        for child in system.listStatus(status.getPath()):
            yield from self._files_below(system, child)

    def is_file(self, place: str) -> bool:
        path, system = self._opened(place)
        return bool(system.exists(path) and system.getFileStatus(path).isFile())

    def size(self, file: str) -> int:
        path, system = self._opened(file)
        return int(system.getFileStatus(path).getLen())

    @contextmanager
    def _stream(self, file: str) -> Iterator[Any]:
        path, system = self._opened(file)
        stream = system.open(path)
        try:
            yield self._jvm.java.util.zip.GZIPInputStream(stream) if file.endswith(".gz") else stream
        finally:
            stream.close()

    def head(self, file: str, lines: int) -> list[str]:
        with self._stream(file) as stream:
            reader = self._jvm.java.io.BufferedReader(self._jvm.java.io.InputStreamReader(stream, "UTF-8"))
            read = (reader.readLine() for _ in range(lines))
            return [line.removeprefix("\ufeff") for line in read if line is not None]

    def check_gzip(self, file: str) -> str | None:
        from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]

        try:
            with self._stream(file) as stream:
                self._jvm.org.apache.commons.io.IOUtils.consume(stream)
        except Py4JJavaError as error:
            return str(error.java_exception.getMessage())
        return None

    def parquet_columns(self, file: str) -> list[str]:
        return list(self._spark.read.parquet(file).columns)


def _local(place: str) -> Path:
    return Path(urlparse(place).path if place.startswith("file:") else place).expanduser()


def _hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith((".", "_")) for part in parts)
