"""Where images come from: a folder, a PyTorch dataset, or a Hugging Face dataset."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from interpviz.errors import InputError
from interpviz.report.addresses import local_path
from interpviz.report.datasets import DatasetSource
from interpviz.report.decode import UndecodableError, decode
from interpviz.report.files import HOME, file_stamp, read_file
from interpviz.report.items import Content, Item, is_image_name, label_of, labels_of
from interpviz.report.remote import scan_remote


class Source(Protocol):
    """A sequence of images that is read one at a time, by several threads."""

    @property
    def labels(self) -> list[str]:
        """The names of the classes that are known before reading, sorted or in their order."""

    def __len__(self) -> int:
        """The number of images."""

    def item(self, index: int) -> Item:
        """What is known of an image before it is read."""

    def stamp(self, index: int) -> str | None:
        """What changes when the image does, without reading it; None where nothing tells."""

    def read(self, index: int) -> Content:
        """The image's content.

        Raises:
            UndecodableError: It cannot be read.
        """


@dataclass(frozen=True)
class Folder:
    """The images below a folder, in the order of their paths.

    Attributes:
        root: The folder.
        paths: Their paths below it, with `/`.
        labels: The names of the classes, sorted: the folders that directly hold images, where
            there are at least two.
        others: How many files there are no images by their names.
        unread: Folders that cannot be listed, which stand among the paths, and the reasons.
    """

    root: Path
    paths: Sequence[str]
    labels: list[str]
    others: int = 0
    unread: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.paths)

    def item(self, index: int) -> Item:
        """Its path, and the folder's name as its label."""
        path = self.paths[index]
        return Item(path, label_of(path, self.labels))

    def stamp(self, index: int) -> str | None:
        """Size and times of change of the file."""
        return file_stamp(self.root / self.paths[index])

    def read(self, index: int) -> Content:
        """The bytes of the file."""
        path = self.paths[index]
        if path in self.unread:
            raise UndecodableError(f"a folder that cannot be read: {self.unread[path]}")
        data = read_file(self.root / path)
        return Content(hashlib.sha256(data).hexdigest(), lambda: decode(data))

    def part(self, indices: Iterable[int]) -> Folder:
        """Some of the images, with the same labels."""
        return replace(self, paths=tuple(self.paths[index] for index in indices))


def scan_folder(folder: str | Path) -> Folder:
    """Find the images below a folder.

    Files whose names are not those of images are left alone, and so are hidden ones. Linked
    folders are followed, each folder once. Folders that hold a report are left out. A folder that
    cannot be listed takes the place of an image that cannot be read.

    Args:
        folder: Where to look.

    Raises:
        InputError: There is no such folder, or no image in it that can be read.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise InputError(f"There is no folder {root}: pass one that holds images.")
    paths, others = [], 0
    seen: set[tuple[int, int]] = set()
    refused: list[OSError] = []
    for where, folders, files in os.walk(root, followlinks=True, onerror=refused.append):
        status = Path(where).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if HOME in folders:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if is_image_name(name):
                paths.append(_below(root, Path(where) / name))
            else:
                others += 1
    unread = {_below(root, error.filename): error.strerror or str(error) for error in refused}
    if not paths:
        reason = "".join(f" ({name} cannot be read: {unread[name]})" for name in list(unread)[:1])
        raise InputError(
            f"There are no images below {root}{reason}: pass a folder that holds some."
        )
    parents = {PurePosixPath(path).parent for path in paths}
    return Folder(root, tuple(sorted([*paths, *unread])), labels_of(parents), others, unread)


def _below(root: Path, path: str | Path) -> str:
    return Path(path).relative_to(root).as_posix()


def find_source(dataset: Any) -> Source:
    """What a user passes as images.

    Args:
        dataset: A folder, or its address as fsspec takes it; a PyTorch `Dataset` of images, or of
            pairs of image and class; or a Hugging Face dataset with a column of images.

    Raises:
        InputError: It is something else, or empty.
    """
    if isinstance(dataset, str | Path):
        folder = local_path(dataset)
        return scan_remote(str(dataset)) if folder is None else scan_folder(folder)
    if hasattr(dataset, "item") and hasattr(dataset, "stamp") and hasattr(dataset, "read"):
        return dataset  # type: ignore[no-any-return]
    return DatasetSource.of(dataset)
