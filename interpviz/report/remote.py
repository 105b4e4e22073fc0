"""Images below a folder that fsspec reaches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from interpviz.errors import InputError
from interpviz.report.addresses import filesystem
from interpviz.report.decode import MOST_BYTES, UndecodableError, decode
from interpviz.report.files import HOME
from interpviz.report.items import Content, Item, is_image_name, label_of, labels_of

_CHANGES = ("ETag", "etag", "md5Hash", "CRC", "mtime", "LastModified", "last_modified", "created")


class Entry(NamedTuple):
    """A file as a listing shows it.

    Attributes:
        path: Its path below the folder, with `/`.
        size: Its bytes; None where the listing does not say.
        stamp: What changes when the file does; None where nothing tells.
    """

    path: str
    size: int | None
    stamp: str | None


@dataclass(frozen=True)
class RemoteFolder:
    """The images below an address, in the order of their paths.

    Attributes:
        address: The address of the folder.
        entries: The images.
        labels: The names of the classes, as of a folder on this machine.
    """

    address: str
    entries: Sequence[Entry]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.entries)

    def item(self, index: int) -> Item:
        """Its path, and the folder's name as its label."""
        path = self.entries[index].path
        return Item(path, label_of(path, self.labels))

    def stamp(self, index: int) -> str | None:
        """What the listing says of the file."""
        return self.entries[index].stamp

    def read(self, index: int) -> Content:
        """The bytes of the file."""
        entry = self.entries[index]
        if entry.size is not None and entry.size > MOST_BYTES:
            raise UndecodableError(f"{entry.size >> 20} MiB are more than {MOST_BYTES >> 20}")
        files, root = filesystem(self.address)
        try:
            data: bytes = files.cat_file(f"{root}/{entry.path}")
        except FileNotFoundError:
            raise UndecodableError("removed meanwhile") from None
        except Exception as error:  # each file system fails in its own way
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise UndecodableError(f"cannot be read: {reason}") from None
        return Content(hashlib.sha256(data).hexdigest(), lambda: decode(data))

    def part(self, indices: Iterable[int]) -> RemoteFolder:
        """Some of the images, with the same labels."""
        return replace(self, entries=tuple(self.entries[index] for index in indices))


def scan_remote(address: str) -> RemoteFolder:
    """Find the images below an address, as `scan_folder` does on this machine.

    Args:
        address: As fsspec takes it.

    Raises:
        InputError: It cannot be reached, or there is no image below it.
    """
    files, root = filesystem(address)
    entries: list[Entry] = []
    try:
        for where, folders, found in files.walk(root, detail=True, on_error="raise"):
            if HOME in folders:
                folders.clear()
                continue
            for name in [name for name in folders if name.startswith(".")]:
                del folders[name]
            below = str(where)[len(root) :].strip("/")
            entries += [
                _entry(f"{below}/{name}".lstrip("/"), info)
                for name, info in found.items()
                if name and is_image_name(name)
            ]
    except Exception as error:  # each file system fails in its own way
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(
            f"{address} cannot be listed ({reason}): check the address and your rights."
        ) from error
    if not entries:
        raise InputError(f"There are no images below {address}: pass a folder that holds some.")
    entries.sort()
    parents = {PurePosixPath(entry.path).parent for entry in entries}
    return RemoteFolder(address, tuple(entries), labels_of(parents))


def _entry(path: str, info: Mapping[str, Any]) -> Entry:
    size, changes = info.get("size"), [info[name] for name in _CHANGES if info.get(name)]
    return Entry(path, size, f"{size}-{changes[0]}" if changes else None)
