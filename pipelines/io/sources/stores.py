"""Where files lie: the local disk, or any place that Hadoop can read."""

from __future__ import annotations

import glob
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.parquet as pq
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pipelines.base.errors import UnavailableError

CHUNK_BYTES = 1 << 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as its folder's listing tells of it; `at` is when it was last written, in UTC."""

    path: str
    at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class ParquetFooter:
    """What a Parquet file says of its columns.

    `names` are those of the top level. `naive` are the columns of instants without a zone, which cannot be
    told by type once Spark has read them in nanoseconds. Files of one `layout` can be read together.
    """

    names: tuple[str, ...]
    naive: frozenset[str]
    layout: str


class FileStore(Protocol):
    """The few questions that are asked of a file before its records are read."""

    def expand(self, place: str) -> list[StoredFile]:
        """Return the files that a file name, a folder or a glob stands for, by path; hidden ones left out.

        Nothing is opened.

        Raises
        ------
        UnavailableError
            If the place does not answer.
        """
        ...

    def is_file(self, place: str) -> bool:
        """Tell whether `place` names one file."""
        ...

    def head(self, file: str, lines: int) -> list[str]:
        """Return the first lines of a text file, unpacked when its name ends in ``.gz``."""
        ...

    def check_gzip(self, file: str) -> str | None:
        """Read a gzip file to its end and return what is wrong with it, None if nothing is."""
        ...

    def read_footer(self, file: str) -> ParquetFooter | str:
        """Return what a Parquet file's footer says, or why it cannot be read."""
        ...


def open_store(place: str, session: Callable[[], SparkSession]) -> FileStore:
    """Return the store that holds `place`; `session` is called for places that are not local alone."""
    return LocalStore() if is_local(place) else HadoopStore(session())


def is_local(place: str) -> bool:
    """Tell whether a place is on this machine's disk."""
    return urlparse(place).scheme in {"", "file"}


class LocalStore:
    """Files on this machine's disk."""

    def expand(self, place: str) -> list[StoredFile]:
        path = local_path(place)
        try:
            if path.is_file():
                return [_listed(path)]
            if path.is_dir():
                found = [file for file in path.rglob("*") if not _hidden(file.relative_to(path).parts)]
            else:
                found = [Path(name) for name in glob.glob(str(path), recursive=True)]
            kept = sorted(str(file) for file in found if file.is_file() and not _hidden((file.name,)))
            return [_listed(Path(file)) for file in kept]
        except OSError as error:
            msg = f"{place} cannot be listed ({error}); check that it is mounted and readable"
            raise UnavailableError(msg) from error

    def is_file(self, place: str) -> bool:
        return local_path(place).is_file()

    def head(self, file: str, lines: int) -> list[str]:
        opened = gzip.open if file.endswith(".gz") else open
        with opened(local_path(file), mode="rt", encoding="utf-8-sig", errors="replace") as stream:
            return [line.rstrip("\r\n") for line in islice(stream, lines)]

    def check_gzip(self, file: str) -> str | None:
        try:
            with gzip.open(local_path(file)) as stream:
                while stream.read(CHUNK_BYTES):
                    pass
        except (EOFError, OSError, zlib.error) as error:
            return str(error)
        return None

    def read_footer(self, file: str) -> ParquetFooter | str:
        try:
            schema = pq.read_metadata(local_path(file)).schema
        except (pa.ArrowException, OSError) as error:
            return str(error)
        leaves = [schema.column(place) for place in range(len(schema))]
        naive = frozenset(leaf.path for leaf in leaves if _is_naive(leaf))
        layout = "; ".join(f"{leaf.path} {leaf.physical_type} {leaf.logical_type}" for leaf in leaves)
        return ParquetFooter(tuple(dict.fromkeys(leaf.path.split(".")[0] for leaf in leaves)), naive, layout)


class HadoopStore:
    """Files at any Hadoop address (``s3a:``, ``abfss:``, ``gs:``, ``hdfs:``), asked through Spark's JVM."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._jvm: Any = spark._jvm

    def _opened(self, place: str) -> tuple[Any, Any]:
        path = self._jvm.org.apache.hadoop.fs.Path(place)
        return path, path.getFileSystem(self._configuration())

    def _configuration(self) -> Any:
        return self._spark._jsparkSession.sessionState().newHadoopConf()

    def expand(self, place: str) -> list[StoredFile]:
        try:
            path, system = self._opened(place)
            matches = system.globStatus(path) or []
            found = [file for status in matches for file in self._files_below(system, status)]
        except (Py4JJavaError, PySparkException) as error:
            msg = f"{place} cannot be listed ({reason_of(error)}); check address, credentials and network"
            raise UnavailableError(msg) from error
        return sorted(found, key=lambda file: file.path)

    def _files_below(self, system: Any, status: Any) -> Iterator[StoredFile]:
        if _hidden((status.getPath().getName(),)):
            return
        if status.isFile():
            at = EPOCH + timedelta(milliseconds=status.getModificationTime())
            yield StoredFile(status.getPath().toString(), at, int(status.getLen()))
            return
        for child in system.listStatus(status.getPath()):
            yield from self._files_below(system, child)

    def is_file(self, place: str) -> bool:
        path, system = self._opened(place)
        return bool(system.exists(path) and system.getFileStatus(path).isFile())

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
        try:
            with self._stream(file) as stream:
                self._jvm.org.apache.commons.io.IOUtils.consume(stream)
        except Py4JJavaError as error:
            return str(error.java_exception.getMessage())
        return None

    def read_footer(self, file: str) -> ParquetFooter | str:
        hadoop = self._jvm.org.apache.parquet.hadoop
        path, _ = self._opened(file)
        try:
            source = hadoop.util.HadoopInputFile.fromPath(path, self._configuration())
            reader = hadoop.ParquetFileReader.open(source)
        except (Py4JJavaError, PySparkException) as error:
            return reason_of(error)
        try:
            schema = reader.getFooter().getFileMetaData().getSchema()
        finally:
            reader.close()
        fields = list(schema.getFields())
        said = {field.getName(): str(field.getLogicalTypeAnnotation()) for field in fields}
        naive = frozenset(
            name for name, kind in said.items() if kind.startswith("TIMESTAMP") and kind.endswith(",false)")
        )
        return ParquetFooter(tuple(said), naive, "; ".join(str(field) for field in fields))


def reason_of(error: Exception) -> str:
    """Return the innermost cause that the JVM gives, else the first line."""
    lines = str(error).splitlines()
    causes = [line.strip() for line in lines if line.startswith("Caused by: ")]
    return causes[-1].removeprefix("Caused by: ") if causes else next(iter(lines), type(error).__name__)


def local_path(place: str) -> Path:
    """Return the path of a local place; whatever signs it holds are letters of its name."""
    if not place.startswith("file:"):
        return Path(place).expanduser()
    bare = place.removeprefix("file:")
    return Path(bare.removeprefix("//") if bare.startswith("///") else bare)


def _listed(path: Path) -> StoredFile:
    found = path.stat()
    at = EPOCH + timedelta(microseconds=found.st_mtime_ns // 1000)
    return StoredFile(str(path), at, found.st_size)


def _is_naive(leaf: Any) -> bool:
    said = json.loads(leaf.logical_type.to_json())
    return said.get("Type") == "Timestamp" and not said.get("isAdjustedToUTC", True)


def _hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith((".", "_")) for part in parts)
