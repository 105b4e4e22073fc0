"""What was done so far, kept so that a run that is cut off at any moment goes on where it was.

`OUT/.interpviz/journal.jsonl` is append-only. A line is either what came of one content,
`{"key": ..., ...}`, or what content an image had when it was last read, `{"id": ..., "stamp": ...,
"digest": ...}`. A result is written behind its picture, so a line that is there is true; a line
that was cut off is dropped. The key is a digest of the content, the model and the options.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from interpviz.errors import InputError
from interpviz.report.files import HOME, write_whole

_SYNC_SECONDS = 2.0
_PICTURE = re.compile(r"(\.part-\d+-\d+-)?([0-9a-f]{20})\.webp")


@dataclass(frozen=True, slots=True)
class Seen:
    """What an image was when it was last read.

    Attributes:
        stamp: What would have changed with it.
        digest: A digest of its content.
        label: The name of its class.
    """

    stamp: str
    digest: str
    label: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int
    length: int
    picture: int


def is_picture(name: str) -> bool:
    """Whether a file is a picture that a store wrote.

    Args:
        name: Its path below the folder of the report, with `/`.
    """
    home, _, file = name.rpartition("/")
    own = _PICTURE.fullmatch(file)
    return own is not None and own[1] is None and home == f"images/{own[2][:2]}"


class Store:
    """The journal and the pictures of a report.

    Args:
        out: The folder of the report.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._path = out / HOME / "journal.jsonl"
        self._part = self._path.with_name("journal.part")
        self._places: dict[str, _Place] = {}
        self._seen: dict[str, Seen] = {}
        self._file: IO[bytes] = self._open()
        self._synced = time.monotonic()

    def _open(self) -> IO[bytes]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part.unlink(missing_ok=True)
        self._path.touch()
        file = self._path.open("r+b")
        end = 0
        for line in file:
            if not line.endswith(b"\n") or not self._learn(line, end):
                break
            end += len(line)
        # What stands behind a line that was cut off cannot be trusted.
        file.truncate(end)
        file.seek(end)
        self._reader = self._path.open("rb")
        return file

    def _learn(self, line: bytes, offset: int) -> bool:
        try:
            entry = json.loads(line)
        except ValueError:
            return False
        if not isinstance(entry, dict):
            return False
        if "key" in entry:
            place = _Place(offset, len(line), int(entry.get("picture", 0)))
            self._places[entry["key"]] = place
        elif "id" in entry:
            seen = Seen(entry["stamp"], entry["digest"], entry.get("label"))
            self._seen[entry["id"]] = seen
        return True

    def picture_path(self, key: str) -> Path:
        """Where the picture of a content lies.

        Args:
            key: The content's key.
        """
        return self.out / "images" / key[:2] / f"{key}.webp"

    def put_picture(self, key: str, data: bytes) -> None:
        """Write a picture; several threads may.

        Args:
            key: The content's key.
            data: The encoded picture.
        """
        path = self.picture_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        # A picture that a power cut took is noticed by its size, and made again.
        write_whole(path, data, sync=False)

    def seen(self, identity: str) -> Seen | None:
        """What an image was when it was last read.

        Args:
            identity: The image's id.
        """
        return self._seen.get(identity)

    def has(self, key: str) -> bool:
        """Whether the result of a content is there, with its picture.

        Args:
            key: The content's key.
        """
        place = self._places.get(key)
        if place is None or not place.picture:
            return place is not None
        try:
            return self.picture_path(key).stat().st_size == place.picture
        except OSError:
            return False

    def keys(self) -> list[str]:
        """The keys of all results that are there, with their pictures."""
        return [key for key in self._places if self.has(key)]

    def is_failure(self, key: str) -> bool:
        """Whether what is there of a content is a reason for its having no result.

        Args:
            key: The content's key.
        """
        return key in self._places and not self._places[key].picture

    def get(self, key: str) -> dict[str, Any]:
        """The result of a content.

        Args:
            key: The content's key.
        """
        self._file.flush()
        place = self._places[key]
        return json.loads(self._line(place))  # type: ignore[no-any-return]

    def _line(self, place: _Place) -> bytes:
        self._reader.seek(place.offset)
        return self._reader.read(place.length)

    def put(self, entry: dict[str, Any]) -> None:
        """Add a line.

        Args:
            entry: A result, with its `key`, or what was seen, with its `id`.
        """
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        offset = self._file.tell()
        self._file.write(line)
        self._learn(line, offset)

    def flush(self, *, now: bool = False) -> None:
        """Hand all lines to the system, and from time to time, or now, to the disk.

        Args:
            now: Whether to wait for the disk.
        """
        self._file.flush()
        if now or time.monotonic() - self._synced > _SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def tidy(self, keys: Iterable[str], identities: Iterable[str]) -> None:
        """Forget what is no longer asked for, and remove its pictures, but no file of another.

        Args:
            keys: The keys of all results that stay.
            identities: The ids of all images that stay.
        """
        self.flush(now=True)
        kept, ids = set(keys), set(identities)
        lines = len(self._places.keys() & kept) + len(self._seen.keys() & ids)
        with self._path.open("rb") as file:
            total = sum(1 for _ in file)
        if lines < total:
            self._rewrite(kept, ids)
        for path in (self.out / "images").glob("[0-9a-f][0-9a-f]/*"):
            own = _PICTURE.fullmatch(path.name)
            if own and (own[1] or own[2] not in kept):
                path.unlink(missing_ok=True)

    def _rewrite(self, keys: set[str], ids: set[str]) -> None:
        with self._part.open("wb") as file:
            for key, place in self._places.items():
                if key in keys:
                    file.write(self._line(place))
            for identity, seen in self._seen.items():
                if identity in ids:
                    entry = {"id": identity, "stamp": seen.stamp, "digest": seen.digest}
                    line = json.dumps({**entry, "label": seen.label}, separators=(",", ":"))
                    file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._file.close()
        self._reader.close()
        self._part.replace(self._path)
        self._places, self._seen = {}, {}
        self._file = self._open()

    def close(self) -> None:
        """Write all lines and close the journal."""
        try:
            self.flush(now=True)
        finally:
            self._reader.close()
            # Where the disk is full, this fails as well, and closes it all the same.
            self._file.close()


@contextmanager
def opened(out: Path) -> Iterator[Store]:
    """The store of a report, for one process at a time.

    Args:
        out: The folder of the report, which is made where it is not there.

    Raises:
        InputError: Another process is making a report there, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        (out / HOME).mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / HOME / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"Another process is making a report in {out}: wait for it, or use another folder."
        ) from None
    except OSError as error:
        raise InputError(
            f"The report cannot be written to {out} ({error.strerror or error}): choose a folder "
            "that you can write."
        ) from error
    try:
        store = Store(out)
        try:
            yield store
        finally:
            store.close()
    finally:
        lock.release()
