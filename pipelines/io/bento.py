"""The Bento store of a home: build, find, import, export, and the pointer to the current one."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.families import find_family
from pipelines.base.errors import BadDataError, TransientError
from pipelines.base.project import PACKAGES, PROJECT_ROOT
from serving.pointer import Pointer, read_pointer, write_pointer
from serving.served_model import MANIFEST_FILE, digest_folder, read_manifest

if TYPE_CHECKING:
    from bentoml import Bento

log = logging.getLogger(__name__)

NAME = "bellwether"
SERVICE = "serving.service:BellwetherService"
CHAMPION_FOLDER = "champion"
CODE = ("conf", *PACKAGES)
_LIBRARIES = (
    "exchange-calendars", "feast", "numpy", "pandas", "polars", "prometheus-client", "pyarrow",
    "pydantic", "python-multipart", "pyyaml", "scipy",
)  # fmt: skip
_QUIET = {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1"}


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


class BentoShelf:
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
        os.environ.update(_QUIET)
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
        whole = (folder / "bento.yaml").is_file() and (built.champion / MANIFEST_FILE).is_file()
        return built if whole else None

    def build(self, tag: str, champion: Path) -> BuiltBento:
        """Build a Bento with the code and a champion's folder, or return the one that stands.

        Parameters
        ----------
        tag : str
            ``bellwether:version``; its version names model and code, so equal tags have equal content.
        champion : Path
            Folder with manifest and forecaster; its bytes are copied as they are.

        Raises
        ------
        BadDataError
            If a Bento of that tag holds another champion.
        """
        standing = self.find(tag)
        if standing is not None:
            _check_same(standing, champion)
            return standing
        self._discard_partial(tag)
        with _build_context(champion) as context:
            self._build(tag, context, read_manifest(champion).family)
        built = self.find(tag)
        if built is None:
            msg = f"BentoML built {tag}, but it is not whole under {self.bentos}; run package again"
            raise TransientError(msg)
        _check_same(built, champion)
        return built

    def _discard_partial(self, tag: str) -> None:
        name, _, number = tag.partition(":")
        shutil.rmtree(self.bentos / name / number, ignore_errors=True)

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
        log.info("built %s", tag)

    def point_at(self, built: BuiltBento) -> bool:
        """Make a Bento the current one in one step; return whether that changed anything."""
        manifest = read_manifest(built.champion)
        pointer = Pointer(
            tag=built.tag,
            champion=built.champion.relative_to(self.folder).as_posix(),
            model_version=manifest.model_version,
            model_key=manifest.model_key,
            digest=digest_folder(built.champion),
        )
        if self.current() == pointer:
            return False
        write_pointer(self.folder, pointer)
        return True

    def current(self) -> Pointer | None:
        """Return the pointer to the current Bento, None before the first."""
        return read_pointer(self.folder)

    def export_to(self, tag: str, path: Path) -> Path:
        """Write a Bento to one archive, such as ``x.bento``, and return its path."""
        bento: Bento = self._store().get(tag)
        return Path(bento.export(str(path)))

    def import_from(self, path: Path) -> BuiltBento:
        """Take a Bento from an archive into the store; one that stands there is kept."""
        store = self._store()
        from bentoml import Bento

        bento = Bento.import_from(str(path))
        if not (self.bentos / bento.tag.path()).exists():
            bento.save(store)
        return BuiltBento(str(bento.tag), self.bentos / bento.tag.path())


def bento_tag(model_version: str, model_key: str) -> str:
    """Return the tag of a model with the code of today: both decide what a Bento answers."""
    return f"{NAME}:v{model_version}-{model_key[:12]}-{code_digest()[:8]}"


def code_digest() -> str:
    """Return a digest of every source and settings file that a Bento carries."""
    digest = hashlib.sha256()
    for path in _code_files():
        digest.update(path.relative_to(PROJECT_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _code_files() -> list[Path]:
    found = (path for name in CODE for path in (PROJECT_ROOT / name).rglob("*"))
    return sorted(
        path for path in found if path.suffix in {".py", ".yaml"} and "__pycache__" not in path.parts
    )


def requirements(family: str) -> list[str]:
    """Return the libraries that a Bento of a family needs, pinned to what runs here."""
    names = [*_LIBRARIES, *find_family(family).libraries]
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


@contextmanager
def _build_context(champion: Path) -> Iterator[Path]:
    """Lay out what the Bento carries: the code, and the champion beside it."""
    with tempfile.TemporaryDirectory(prefix="bellwether-bento-") as scratch:
        context = Path(scratch)
        for path in _code_files():
            target = context / path.relative_to(PROJECT_ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        shutil.copytree(champion, context / CHAMPION_FOLDER)
        yield context


def _check_same(built: BuiltBento, champion: Path) -> None:
    if digest_folder(built.champion) != digest_folder(champion):
        msg = (
            f"{built.tag} at {built.folder} holds another champion than {champion}; a model version never "
            "changes, so find out who changed it, delete that Bento and run package again"
        )
        raise BadDataError(msg)
