"""One build at a time in a checkout, and a sentence where the disk does not take what it makes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout
from layout import Layout

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_WAY = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)


def lock_file(layout: Layout) -> Path:
    """What a build locks. It lies among the pages, which `mkdocs serve` does not watch."""
    return layout.gallery / ".build.lock"


def lock(layout: Layout, say: Callable[[str], None]) -> FileLock:
    """Wait until no other build writes to this checkout, and keep others from it.

    The system gives the lock back when the process ends, in whatever way.

    Args:
        layout: The folders of the checkout.
        say: Called with a sentence if there is another build.

    Returns:
        The lock, to be released when the site is written.
    """
    path = lock_file(layout)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The same one for a second build of the same process, as `mkdocs serve` makes them.
    held = FileLock(path, is_singleton=True)
    if held.is_locked:
        return held
    try:
        held.acquire(timeout=0)
    except Timeout:
        say("Another build of this checkout is running: this one goes on when that one is done.")
        held.acquire()
    return held


def concerns(error: OSError, folder: Path) -> bool:
    """Whether an error says that the pages cannot be written, and not that an example is wrong."""
    if error.errno in _NO_ROOM:
        return True
    named = Path(os.fsdecode(error.filename)) if error.filename else None
    return error.errno in _NO_WAY and named is not None and folder in (named, *named.parents)


def sentence(error: OSError, folder: Path) -> str:
    """Say what keeps the build from writing, and what to do.

    Args:
        error: What the system said.
        folder: Where the build wanted to write.
    """
    where = os.fsdecode(error.filename) if error.filename else str(folder)
    advice = (
        "free some space, then build again; finished examples are kept."
        if error.errno in _NO_ROOM
        else "give yourself the right to write there, then build again."
    )
    return f"The build cannot write {where} ({error.strerror}): {advice}"
