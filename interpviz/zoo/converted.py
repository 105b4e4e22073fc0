"""Weights that are converted once and then kept in the cache, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from interpviz.errors import AssetError
from interpviz.zoo.assets import cache_dir, cache_error, file_sha256, holds
from interpviz.zoo.extras import require

_MANIFEST = "digests.json"


def converted_folder(name: str, convert: Callable[[Path], None]) -> Path:
    """Get a folder of converted weights, and make it where the cache has none.

    One process or thread converts while the others wait; a folder appears under its name only
    when it is complete, and its files are checked against the digests taken then.

    Args:
        name: Name of the folder in the cache; it must change when the source changes.
        convert: Writes the converted files into an empty folder that it is given.

    Returns:
        The folder.

    Raises:
        AssetError: If `convert` raises it, or the cache cannot be written.
    """
    cache = cache_dir()
    home = cache / name
    if _whole(home):
        return home
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with require("filelock").FileLock(cache / f".{name}.lock"):
            if not _whole(home):
                _make(home, convert)
    except AssetError:
        raise
    except Exception as error:
        # Libraries that write weights wrap a full disk in errors of their own.
        if isinstance(error, OSError) or "os error" in str(error):
            raise cache_error(error, cache) from error
        raise
    return home


def _make(home: Path, convert: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=home.parent) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        convert(fresh)
        digests = {path.name: file_sha256(path) for path in sorted(fresh.iterdir())}
        (fresh / _MANIFEST).write_text(json.dumps(digests, indent=1), encoding="utf-8")
        for path in fresh.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        if home.exists():
            shutil.move(home, Path(temporary) / "damaged")
        fresh.rename(home)


def _whole(home: Path) -> bool:
    try:
        digests = json.loads((home / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(digests, dict) and holds(home, digests)
