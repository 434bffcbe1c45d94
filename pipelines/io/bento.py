"""The Bento store of a home: build, find, import, export, and the pointer to the current one."""

from __future__ import annotations

import ast
import hashlib
import io
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml

from models.families import find_family
from pipelines.base.errors import BadDataError, TransientError
from pipelines.base.project import PROJECT_ROOT
from pipelines.base.quiet_telemetry import QUIET_TELEMETRY
from pipelines.base.small_files import replace_bytes, sync_tree
from serving.pointer import Pointer, read_pointer, write_pointer
from serving.served_model import MANIFEST_FILE, Manifest, digest_folder, read_manifest

if TYPE_CHECKING:
    from bentoml import Bento

log = logging.getLogger(__name__)

NAME = "bellwether"
SERVICE = "serving.service:BellwetherService"
CHAMPION_FOLDER = "champion"
ISSUED_FOLDER = "issued"
ISSUED_COLUMNS = ("symbol", "session", "model_key", "value", "rank", "q10", "q50", "q90")
CODE = ("serving", "models")
"""Carried whole, the service and what it loads; of `features` come the modules that these import."""
_LIBRARIES = (
    "exchange-calendars", "feast", "hiredis", "msgspec", "numpy", "pandas", "polars", "prometheus-client",
    "pyarrow", "pydantic", "python-multipart", "redis", "scipy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BuiltBento:
    """A Bento in the store.

    Attributes
    ----------
    tag : str
        ``bellwether:version``.
    folder : Path
        Where it is.
    """

    tag: str
    folder: Path

    @property
    def champion(self) -> Path:
        """Folder of the champion within the Bento."""
        return self.folder / "src" / CHAMPION_FOLDER


class BentoRepository:
    """The Bentos of one home.

    Parameters
    ----------
    folder : Path
        The home's Bento folder, which is also BentoML's home for the service.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def bentos(self) -> Path:
        """BentoML's own store below the folder."""
        return self.folder / "bentos"

    def _store(self) -> Any:
        """Return BentoML's store of this home; BentoML itself knows one home a process, under the user's."""
        os.environ.update(QUIET_TELEMETRY)
        from bentoml._internal.bento import BentoStore
        from bentoml._internal.configuration.containers import BentoMLContainer

        for name in ("bentos", "models", "envs", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        BentoMLContainer.bentoml_home.set(str(self.folder))
        BentoMLContainer.tmp_bento_store_dir.set(str(self.folder / "tmp"))
        # The newer image layout calls pip to install uv, even where nothing is to be locked.
        BentoMLContainer.enabled_features.set(["no_image"])
        return BentoStore(self.bentos)

    def find(self, tag: str) -> BuiltBento | None:
        """Return the Bento of a tag if it is whole, None if there is none or a build was interrupted."""
        name, _, number = tag.partition(":")
        folder = self.bentos / name / number
        built = BuiltBento(tag, folder)
        whole = _is_described(folder / "bento.yaml") and (built.champion / MANIFEST_FILE).is_file()
        return built if whole else None

    def is_whole(self, pointer: Pointer) -> bool:
        """Return whether the Bento of a pointer is there, with the champion and forecasts that it names."""
        found = self.find(pointer.tag)
        if found is None or digest_folder(found.champion) != pointer.digest:
            return False
        issued = self.folder / pointer.issued
        if not pointer.issued:
            return True
        return issued.is_file() and hashlib.sha256(issued.read_bytes()).hexdigest() == pointer.issued_digest

    def build(self, tag: str, champion: Path) -> BuiltBento:
        """Build a Bento with the code and a champion's folder, or return the existing one.

        One whose champion differs was torn or changed: it makes place for a new one, and is kept beside.

        Parameters
        ----------
        tag : str
            ``bellwether:version``; its version names model and code, so equal tags have equal content.
        champion : Path
            Folder with manifest and forecaster; its bytes are copied as they are.

        Raises
        ------
        BadDataError
            If the Bento that was built holds another champion.
        """
        existing = self.find(tag)
        if existing is not None:
            if digest_folder(existing.champion) == digest_folder(champion):
                return existing
            self._set_aside(existing)
        # What an interrupted build has left under this tag would be refused by the store.
        name, _, number = tag.partition(":")
        shutil.rmtree(self.bentos / name / number, ignore_errors=True)
        with _build_context(champion) as context:
            self._build(tag, context, read_manifest(champion).family)
        built = self.find(tag)
        if built is None:
            msg = f"BentoML built {tag}, but it is not whole under {self.bentos}; run this again"
            raise TransientError(msg)
        _check_same(built, champion)
        return built

    def _set_aside(self, built: BuiltBento) -> None:
        """Move a Bento out of BentoML's sight; the last one that was moved goes."""
        place = self.folder / "damaged" / built.folder.name
        log.warning("%s at %s is not what was built; it is kept at %s", built.tag, built.folder, place)
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        built.folder.rename(place)

    def _build(self, tag: str, context: Path, family: str) -> None:
        store = self._store()
        import bentoml

        bentoml.bentos.build(
            SERVICE,
            name=NAME,
            version=tag.partition(":")[2],
            build_ctx=str(context),
            include=["*"],
            labels={"owner": "bellwether", "family": family},
            python={"packages": requirements(family), "lock_packages": False},
            _bento_store=store,
        )
        # The one file to which BentoML gives a mode, and rights to everybody.
        (self.bentos / NAME / tag.partition(":")[2] / "env" / "docker" / "entrypoint.sh").chmod(0o700)
        log.info("built %s", tag)

    def point_at(self, built: BuiltBento, *, issued: pl.DataFrame | None = None, decision: str = "") -> bool:
        """Make a Bento the current one in one step; return whether that changed anything.

        Parameters
        ----------
        issued : polars.DataFrame, optional
            Forecasts that the service answers with until the online store holds them: `ISSUED_COLUMNS` at
            least, one row a symbol.
        decision : str
            Kind of the decision that it follows.
        """
        manifest = read_manifest(built.champion)
        carried, carried_digest = self._keep_issued(issued)
        pointer = Pointer(
            tag=built.tag,
            champion=built.champion.relative_to(self.folder).as_posix(),
            model_version=manifest.model_version,
            model_key=manifest.model_key,
            digest=digest_folder(built.champion),
            issued=carried,
            issued_digest=carried_digest,
            decision=decision,
        )
        if self.current() == pointer:
            return False
        # The pointer must not outlive a power cut that its Bento does not.
        sync_tree(built.folder)
        write_pointer(self.folder, pointer)
        for former in (self.folder / ISSUED_FOLDER).glob("*.parquet"):
            if former.relative_to(self.folder).as_posix() != carried:
                former.unlink(missing_ok=True)
        return True

    def _keep_issued(self, issued: pl.DataFrame | None) -> tuple[str, str]:
        """Write forecasts beside the Bentos; return their file, relative to the folder, and its digest."""
        if issued is None or issued.is_empty():
            return "", ""
        buffer = io.BytesIO()
        issued.select(ISSUED_COLUMNS).sort("symbol").write_parquet(buffer)
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        path = self.folder / ISSUED_FOLDER / f"{digest[:16]}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(path, buffer.getvalue())
        return path.relative_to(self.folder).as_posix(), digest

    def current(self) -> Pointer | None:
        """Return the pointer to the current Bento, None before the first; a torn one is written anew."""
        try:
            return read_pointer(self.folder)
        except ValueError as error:
            log.warning("%s", error)
            return None

    def export_to(self, tag: str, path: Path) -> Path:
        """Write a Bento to one archive, such as ``x.bento``, and return its path."""
        bento: Bento = self._store().get(tag)
        return Path(bento.export(str(path)))

    def import_from(self, path: Path) -> BuiltBento:
        """Take a Bento from an archive into the store; an existing one is kept."""
        store = self._store()
        from bentoml import Bento

        bento = Bento.import_from(str(path))
        if not (self.bentos / bento.tag.path()).exists():
            bento.save(store)
        return BuiltBento(str(bento.tag), self.bentos / bento.tag.path())


def _is_described(path: Path) -> bool:
    """Tell whether BentoML's own record of a Bento is there as far as its end; a power cut tears it."""
    try:
        text = path.read_text(encoding="utf-8")
        said = yaml.load(text, Loader=yaml.CSafeLoader)
    except (FileNotFoundError, ValueError, yaml.YAMLError):
        return False
    return isinstance(said, dict) and {"service", "version", "python"} <= set(said) and text.endswith("\n")


def bento_tag(manifest: Manifest) -> str:
    """Return the tag of a model with the code of today, which decide together what a Bento answers.

    All of the manifest enters but the tag itself: default settings and views too, so that Bentos of equal
    tags have equal content.
    """
    digest = hashlib.sha256(f"{code_digest()}\n{replace(manifest, bento='').to_json()}".encode()).hexdigest()
    return f"{NAME}:v{manifest.model_version}-{manifest.model_key[:12]}-{digest[:8]}"


def release() -> str:
    """Return the version of the installed platform."""
    return version(NAME)


def code_digest() -> str:
    """Return a digest of every source file that a Bento carries, and of no other."""
    digest = hashlib.sha256()
    for path in code_files():
        digest.update(path.relative_to(PROJECT_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def code_files() -> list[Path]:
    """Return the source files that a Bento carries, sorted."""
    found = {path for name in CODE for path in (PROJECT_ROOT / name).rglob("*.py")}
    pending = list(found)
    while pending:
        reached = {path for path in _imports_of_features(pending.pop()) if path not in found}
        found |= reached
        pending += reached
    return sorted(found)


def _imports_of_features(path: Path) -> set[Path]:
    """Return the files of `features` that a source file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = {name for name in names if name.partition(".")[0] == "features"}
    files = {PROJECT_ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in ours}
    reached = {file for file in files if file.is_file()}
    return reached | ({PROJECT_ROOT / "features" / "__init__.py"} if ours else set())


def requirements(family: str) -> list[str]:
    """Return the libraries that a Bento of a family needs, pinned to what runs here."""
    names = [*_LIBRARIES, *find_family(family).libraries]
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


@contextmanager
def _build_context(champion: Path) -> Iterator[Path]:
    """Lay out what the Bento carries: the code, and the champion beside it."""
    with tempfile.TemporaryDirectory(prefix="bellwether-bento-") as scratch:
        context = Path(scratch)
        for path in code_files():
            target = context / path.relative_to(PROJECT_ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        shutil.copytree(champion, context / CHAMPION_FOLDER)
        yield context


def _check_same(built: BuiltBento, champion: Path) -> None:
    if digest_folder(built.champion) != digest_folder(champion):
        msg = (
            f"{built.tag} at {built.folder} holds another champion than {champion}; a model version never "
            "changes, so find out who changed it, delete that Bento and run this again"
        )
        raise BadDataError(msg)
