"""Files that are read whole, and files that are written whole or not at all."""

from __future__ import annotations

import os
import re
import stat
import threading
from pathlib import Path

from interpviz.report.decode import MOST_BYTES, UndecodableError

HOME = ".interpviz"
"""The folder by which the folder of a report is known."""

_PART = re.compile(r"\.part-\d+-\d+-.+", re.DOTALL)


def file_stamp(path: Path) -> str | None:
    """Size and times of change of a file; None where it cannot be looked at.

    Args:
        path: The file.
    """
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def read_file(path: Path) -> bytes:
    """The bytes of an image file.

    Args:
        path: The file.

    Raises:
        UndecodableError: It is no ordinary file, cannot be read, or is far too large.
    """
    try:
        status = path.stat()
        # Reading a pipe or a device could last forever.
        if not stat.S_ISREG(status.st_mode):
            raise UndecodableError("not an ordinary file")
        if status.st_size > MOST_BYTES:
            raise UndecodableError(f"{status.st_size >> 20} MiB are more than {MOST_BYTES >> 20}")
        return path.read_bytes()
    except FileNotFoundError:
        raise UndecodableError("a link to a file that is not there, or removed meanwhile") from None
    except OSError as error:
        raise UndecodableError(f"cannot be read: {error.strerror or error}") from None


def write_whole(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file so that it is there whole or not at all, whenever the process ends.

    Args:
        path: The file.
        data: Its content.
        sync: Whether it must also survive the end of the machine's power.
    """
    part = path.with_name(f".part-{os.getpid()}-{threading.get_ident()}-{path.name}")
    try:
        with part.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove what `write_whole` left of files when its process was killed.

    Args:
        folder: A folder that no other process writes to.
    """
    for path in folder.glob(".part-*"):
        if _PART.fullmatch(path.name):
            path.unlink(missing_ok=True)
