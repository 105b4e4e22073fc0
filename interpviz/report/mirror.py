"""A report at an address that fsspec reaches: made in a folder of this machine, and copied there.

Object stores cannot append, so the journal is written here. From time to time pictures are copied,
then the journal, so that what the journal at the address tells of is there. Another machine fetches
both and goes on. `.interpviz/copy.txt` names the last copy, by which the newer side is known. It is
the first file that is written, so a folder that holds files and nothing in `.interpviz` is no
report; and whatever a report does not write is neither fetched nor removed.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import wraps
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from interpviz.errors import InputError, InterpvizError
from interpviz.report.addresses import filesystem, local_path
from interpviz.report.files import HOME
from interpviz.report.ledger import Counts, Watch
from interpviz.report.places import check_apart
from interpviz.report.progress import shown
from interpviz.report.store import is_picture
from interpviz.zoo.assets import cache_dir

if TYPE_CHECKING:
    from interpviz.report.summary import Summary

P = ParamSpec("P")

_TOKEN = f"{HOME}/copy.txt"
_JOURNAL = f"{HOME}/journal.jsonl"
_KIND = f"{HOME}/texts"
_SHARD = re.compile(r"data/records-\d{3,}\.js")
_LOCAL = (f"{HOME}/lock", f"{HOME}/journal.part", _JOURNAL, _TOKEN)
_EVERY = 60.0  # seconds between copies
_SHARE = 0.1  # of the time, at most, is spent on copies
_AT_ONCE = 256


class Mirror:
    """A report at an address.

    Args:
        address: Where the report is to be, as fsspec takes it.

    Attributes:
        folder: Where it is made.

    Raises:
        InputError: It cannot be reached, or holds other files.
    """

    def __init__(self, address: str) -> None:
        self._files, self._root = filesystem(address)
        self.address = address.rstrip("/")
        name = hashlib.sha256(self.address.encode()).hexdigest()[:16]
        self.folder = cache_dir() / "reports" / name
        self._there: dict[str, int] = {}
        self._signed = False
        self._due = time.monotonic() + _EVERY

    def fetch(self) -> None:
        """Bring what is at the address here, where this machine did not write it last.

        Raises:
            InputError: Other files are there.
        """
        self._files.invalidate_cache()
        found = self._listed()
        self._there = {n: s for n, s in found.items() if is_picture(n)}
        self._signed = any(name.startswith(f"{HOME}/") for name in found)
        if found and not self._signed:
            raise InputError(
                f"{self.address} holds other files: choose a new folder for the report."
            )
        newer = _TOKEN not in found or self._files.cat_file(self._remote(_TOKEN)) != self._token()
        if found and newer:
            fresh = [name for name, size in self._there.items() if not self._has(name, size)]
            # The token at last: until then, this side is not what it names.
            for names in (fresh, (_KIND, _JOURNAL), (_TOKEN,)):
                self._move(self._files.get, [name for name in names if name in found])

    def copy(self, *, whole: bool = False) -> None:
        """Copy what is new to the address.

        Args:
            whole: Whether the report is finished: then its pages are copied too, and pictures that
                are no longer wanted are removed.
        """
        if not self._signed:
            self._sign()
        pictures = {n: s for n, s in self._own() if n.startswith("images/")}
        fresh = [name for name, size in pictures.items() if self._there.get(name) != size]
        self._move(self._files.put, fresh)
        self._there.update((name, pictures[name]) for name in fresh)
        if whole:
            pages = [n for n, _ in self._own() if not n.startswith("images/")]
            self._move(self._files.put, pages)
        self._move(self._files.put, [_JOURNAL])
        self._sign()
        if whole:
            self._remove([name for name in self._there if name not in pictures])
            own = {name for name, _ in self._own()}
            shards = (name for name in self._listed("data") if _SHARD.fullmatch(name))
            self._remove([name for name in shards if name not in own])

    def copy_if_due(self) -> None:
        """Copy what is new, unless it was done lately."""
        started = time.monotonic()
        if started >= self._due:
            self.copy()
            ended = time.monotonic()
            self._due = ended + max(_EVERY, (ended - started) / _SHARE)

    def _sign(self) -> None:
        token = self.folder / _TOKEN
        token.parent.mkdir(parents=True, exist_ok=True)
        token.write_text(uuid.uuid4().hex)
        self._move(self._files.put, [_TOKEN])
        self._signed = True

    def _own(self) -> Iterator[tuple[str, int]]:
        for path in self.folder.rglob("*"):
            name = path.relative_to(self.folder).as_posix()
            if name not in _LOCAL and not path.name.startswith(".part-") and path.is_file():
                yield name, path.stat().st_size

    def _listed(self, below: str = "") -> dict[str, int]:
        try:
            found: dict[str, Any] = self._files.find(self._remote(below), detail=True)
        except FileNotFoundError:
            return {}
        start = len(self._root) + 1
        # Some stores list a folder as an empty file whose name ends with a slash.
        names = {str(path)[start:]: int(info.get("size") or 0) for path, info in found.items()}
        return {name: size for name, size in names.items() if name and not name.endswith("/")}

    def _has(self, name: str, size: int) -> bool:
        path = self.folder / name
        return path.is_file() and path.stat().st_size == size

    def _token(self) -> bytes | None:
        path = self.folder / _TOKEN
        return path.read_bytes() if path.is_file() else None

    def _remote(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _move(self, how: Callable[[list[str], list[str]], object], names: list[str]) -> None:
        fetching = how == self._files.get
        waiting = iter(names)
        while some := list(islice(waiting, _AT_ONCE)):
            here = [str(self.folder / name) for name in some]
            for path in here:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            there = [self._remote(name) for name in some]
            how(*((there, here) if fetching else (here, there)))

    def _remove(self, names: list[str]) -> None:
        for name in names:
            self._files.rm_file(self._remote(name))
            self._there.pop(name, None)


@contextmanager
def mirrored(address: str) -> Iterator[Mirror]:
    """A report at an address, for one process of this machine at a time.

    Args:
        address: Where the report is to be.

    Raises:
        InputError: It cannot be reached, holds other files, or is being made by another process.
    """
    from filelock import FileLock, Timeout

    mirror = Mirror(address)
    mirror.folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(mirror.folder.with_suffix(".lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"Another process is making a report in {address}: wait for it, or use another folder."
        ) from None
    try:
        with _reachable(address):
            mirror.fetch()
        yield mirror
    finally:
        lock.release()


@contextmanager
def _reachable(address: str) -> Iterator[None]:
    try:
        yield
    except InterpvizError:
        raise
    except Exception as error:  # each file system fails in its own way
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(
            f"The report cannot be copied to {address} ({reason}): mend that and run it again, and "
            "it goes on where it was."
        ) from error


def at_any_address(build: Callable[P, Summary]) -> Callable[P, Summary]:
    """Let a function that makes a report in a folder make it at an address too.

    Args:
        build: Takes `dataset`, `out` and `progress`.
    """

    @wraps(build)
    def anywhere(*args: P.args, **kwargs: P.kwargs) -> Summary:
        bound = signature(build).bind(*args, **kwargs)
        out, given = bound.arguments["out"], bound.arguments.get("progress", False)
        if local_path(out) is not None:
            bound.arguments["out"] = local_path(out)
            return build(*bound.args, **bound.kwargs)
        check_apart(str(out), bound.arguments["dataset"])
        with mirrored(str(out)) as mirror:
            with shown() if given is True else nullcontext(given or None) as watch:
                bound.arguments["out"] = mirror.folder
                bound.arguments["progress"] = _both(watch, mirror)
                summary = build(*bound.args, **bound.kwargs)
            with _reachable(mirror.address):
                mirror.copy(whole=True)
        return replace(summary, out=mirror.address)

    return anywhere


def _both(shown_too: Watch | None, mirror: Mirror) -> Watch:
    def watch(counts: Counts) -> None:
        if shown_too is not None:
            shown_too(counts)
        with _reachable(mirror.address):
            mirror.copy_if_due()

    return watch
