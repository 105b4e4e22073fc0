"""The shell, copied beside the data of a report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from interpviz.report.files import remove_parts, write_whole
from interpviz.report.site.shell import check_renderer, render, renderer, script

_KEPT = ((), ("data",), ("images",), (".interpviz",))


def write_site(out: Path, kind: str = "images") -> Path:
    """Write the pages of a report.

    Nothing is rendered where the pages of this version are there already. Pages of another
    version that are no longer wanted are removed; all else in the folder is left alone.

    Args:
        out: The folder of the report.
        kind: What it is of: `"images"` or `"texts"`.

    Returns:
        The page to open first.

    Raises:
        InputError: MkDocs or its theme is not installed.
        OSError: The folder cannot be written.
    """
    check_renderer()
    manifest = out / ".interpviz" / "shell.json"
    digest = _digest(kind)
    written, before = _read(manifest)
    for folder in {manifest.parent, *((out / name).parent for name in before)}:
        remove_parts(folder)
    if written != digest or not _complete(out, before):
        shell = render(kind)
        # Until all is written, the list says what is there of both versions.
        _note(manifest, "", {**before, **_sizes(shell)})
        for name, data in shell.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data, sync=False)
        for name in before.keys() - shell.keys():
            _remove(out, name)
        _note(manifest, digest, _sizes(shell))
    return out / "index.html"


def _sizes(shell: dict[str, bytes]) -> dict[str, int]:
    return {name: len(data) for name, data in shell.items()}


def _note(manifest: Path, digest: str, sizes: dict[str, int]) -> None:
    manifest.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"digest": digest, "files": sizes}, indent=0, sort_keys=True)
    write_whole(manifest, text.encode(), sync=False)


def _read(manifest: Path) -> tuple[str, dict[str, int]]:
    """The version of the pages that are there, and their sizes."""
    try:
        found = json.loads(manifest.read_bytes())
        sizes = {str(name): int(size) for name, size in found["files"].items()}
        digest = str(found["digest"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "", {}
    # What the list names may be removed, so it must name nothing but pages.
    for name in map(PurePosixPath, sizes):
        if name.is_absolute() or ".." in name.parts or name.parts[:1] in _KEPT:
            return "", {}
    return digest, sizes


def _complete(out: Path, sizes: dict[str, int]) -> bool:
    try:
        return all((out / name).stat().st_size == size for name, size in sizes.items())
    except OSError:
        return False


def _remove(out: Path, name: str) -> None:
    (out / name).unlink(missing_ok=True)
    for parent in PurePosixPath(name).parents:
        folder = out / parent
        if parent == PurePosixPath() or any(folder.iterdir()):
            return
        folder.rmdir()


@cache
def _digest(kind: str) -> str:
    parts = [json.dumps({**renderer(), "interpviz": version("interpviz")}).encode()]
    parts.append(script(kind).encode())
    parts += [text.read_bytes() for text in _sources(files("interpviz.report.site"))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _sources(folder: Traversable) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda found: found.name):
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _sources(entry)
        elif entry.is_file():
            yield entry
