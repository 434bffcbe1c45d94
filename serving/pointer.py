"""The pointer to the current Bento: one small file, replaced in one step."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

POINTER_FILE = "current.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Which Bento is current.

    Attributes
    ----------
    tag : str
        Bento tag, ``name:version``.
    champion : str
        Folder of its champion, relative to the folder that holds the pointer.
    model_version, model_key : str
        The model in it.
    digest : str
        Digest of the champion folder's files.
    issued : str
        File of forecasts that a sequence model has issued for the session that was published when it took
        over, relative to the same folder; empty where there are none. They are served from there until the
        online store holds them.
    issued_digest : str
        SHA-256 of that file.
    decision : str
        Kind of the decision that made the model champion, such as ``rollback``.
    """

    tag: str
    champion: str
    model_version: str
    model_key: str
    digest: str
    issued: str = ""
    issued_digest: str = ""
    decision: str = ""


def read_pointer(folder: Path) -> Pointer | None:
    """Return the pointer under `folder`, None where nothing was packaged yet.

    Raises
    ------
    ValueError
        If the file is not a pointer of ours.
    """
    path = folder / POINTER_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        said = json.loads(text)
        # A later release may say more than this one understands.
        return Pointer(**{part.name: said[part.name] for part in fields(Pointer) if part.name in said})
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"{path} is not a pointer to a Bento ({error}); run `bellwether install`"
        raise ValueError(msg) from error


def write_pointer(folder: Path, pointer: Pointer) -> None:
    """Replace the pointer under `folder` in one step: a reader sees the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{POINTER_FILE}.{os.getpid()}"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(asdict(pointer), file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / POINTER_FILE)
