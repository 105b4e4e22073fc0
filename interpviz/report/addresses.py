"""Folders on this machine, and folders that fsspec reaches: `s3://`, `gs://`, `hdfs://`, ..."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interpviz.errors import InputError


def local_path(given: str | Path) -> Path | None:
    """The path of a folder on this machine; None where fsspec is asked for it.

    Args:
        given: A path, or an address such as `"file:///data/photos"` or `"s3://bucket/photos"`.
    """
    text = str(given)
    if isinstance(given, Path) or "://" not in text:
        return Path(given).expanduser()
    kind, _, rest = text.partition("://")
    return Path(rest) if kind in ("file", "local") else None


def filesystem(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path on it.

    Args:
        address: As fsspec takes it, such as `"s3://bucket/photos"`; chains are fine.

    Raises:
        InputError: fsspec knows no such address, or what it needs for it is not installed.
    """
    from fsspec.core import url_to_fs

    try:
        found, path = url_to_fs(address)
    except (ImportError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{address} cannot be reached ({reason}): install what fsspec needs for it, such as "
            "s3fs, or pass a folder."
        ) from error
    return found, str(path).rstrip("/")
