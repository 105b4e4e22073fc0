"""A disk of a few megabytes that the tests may fill, where the system lets them mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A mounted file system with little room.

    Args:
        path: Where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, left: int) -> None:
        """Leave so many bytes of room, in whole blocks."""
        status = os.statvfs(self.path)
        taken = status.f_bavail - left // status.f_bsize
        self._filler.write_bytes(bytes(taken * status.f_bsize))

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a disk in memory.

    Args:
        folder: Where to; it is made.
        size: As `mount` takes it, such as `"2m"`.
    """
    folder.mkdir()
    if not shutil.which("mount"):
        pytest.skip("there is no mount to make a small disk with")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk may not be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
