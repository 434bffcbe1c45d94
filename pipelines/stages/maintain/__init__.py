"""Maintain: keep the lake quick and the disk free."""

from pipelines.base.stage import Stage

STAGE = Stage(
    name="maintain",
    help="Join small files, remove what has outlived its retention.",
    chain="upkeep",
    reads=("*",),
    writes=("*",),
)
