"""The room that a stage must find before it writes."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.base.context import Context
from pipelines.base.errors import TransientError
from pipelines.io.lake_params import LakeParams, folder_of

GIB = 1024**3


def check_free_space(context: Context) -> None:
    """Refuse to begin where the disk of the home, or of a lake in a folder, is nearly full.

    A disk that fills in the midst of a stage tears what Spark, SQLite and MLflow write; before the first
    write there is nothing to mend.

    Raises
    ------
    TransientError
        Naming folder, room, floor and what to do.
    """
    params = context.params(LakeParams)
    for folder in _folders(context.home.root, params.root):
        free = shutil.disk_usage(_existing(folder)).free / GIB
        if free < params.min_free_gib:
            msg = (
                f"{folder} has {free:.1f} GiB free, below lake.min_free_gib={params.min_free_gib}; run "
                "`bellwether maintain`, which removes old files, or make room there, or lower the setting"
            )
            raise TransientError(msg)


def _folders(home: Path, root: str) -> list[Path]:
    lake = folder_of(root) if root else None
    return [home] if lake is None else [home, lake.absolute()]


def _existing(folder: Path) -> Path:
    """Return the folder or the nearest above it that is there: a first run has not made its home yet."""
    return next(one for one in (folder, *folder.parents) if one.exists())
