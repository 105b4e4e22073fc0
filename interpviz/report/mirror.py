"""A report at an address that fsspec reaches: made in a folder of this machine, and copied there.

Object stores cannot append, so the journal is written here. From time to time pictures are copied,
then the journal, so that what the journal at the address tells of is there. Another machine fetches
both and goes on. `.interpviz/copy.txt` names the last copy, by which the newer side is known.
"""

from __future__ import annotations

import hashlib
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
from interpviz.report.progress import shown
from interpviz.zoo.assets import cache_dir

if TYPE_CHECKING:
    from interpviz.report.building import Summary

P = ParamSpec("P")

_TOKEN = f"{HOME}/copy.txt"
_JOURNAL = f"{HOME}/journal.jsonl"
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
        self._due = time.monotonic() + _EVERY

    def fetch(self) -> None:
        """Bring what is at the address here, where this machine did not write it last.

        Raises:
            InputError: Other files are there.
        """
        self._files.invalidate_cache()
        found = self._listed()
        self._there = {n: s for n, s in found.items() if n.startswith("images/")}
        if found and _TOKEN not in found:
            if any(not name.startswith(("images/", HOME)) for name in found):
                raise InputError(
                    f"{self.address} holds other files: choose a new folder for the report."
                )
            return
        if found and self._files.cat_file(self._remote(_TOKEN)) != self._token():
            self._move(self._files.get, [n for n, size in found.items() if not self._has(n, size)])

    def copy(self, *, whole: bool = False) -> None:
        """Copy what is new to the address.

        Args:
            whole: Whether the report is finished: then its pages are copied too, and pictures that
                are no longer wanted are removed.
        """
        pictures = {n: s for n, s in self._own() if n.startswith("images/")}
        fresh = [name for name, size in pictures.items() if self._there.get(name) != size]
        self._move(self._files.put, fresh)
        self._there.update((name, pictures[name]) for name in fresh)
        if whole:
            pages = [n for n, _ in self._own() if not n.startswith("images/")]
            self._move(self._files.put, pages)
        self._move(self._files.put, [_JOURNAL])
        token = self.folder / _TOKEN
        token.write_text(uuid.uuid4().hex)
        self._move(self._files.put, [_TOKEN])
        if whole:
            self._remove([name for name in self._there if name not in pictures])
            own = {name for name, _ in self._own()}
            shards = (n for n in self._listed("data") if n.startswith("data/records-"))
            self._remove([name for name in shards if name not in own])

    def copy_if_due(self) -> None:
        """Copy what is new, unless it was done lately."""
        started = time.monotonic()
        if started >= self._due:
            self.copy()
            ended = time.monotonic()
            self._due = ended + max(_EVERY, (ended - started) / _SHARE)

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
        return {str(path)[start:]: int(info.get("size") or 0) for path, info in found.items()}

    def _has(self, name: str, size: int) -> bool:
        path = self.folder / name
        return name.startswith("images/") and path.is_file() and path.stat().st_size == size

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
        build: Takes `out` as its third argument, and `progress`.
    """

    @wraps(build)
    def anywhere(*args: P.args, **kwargs: P.kwargs) -> Summary:
        bound = signature(build).bind(*args, **kwargs)
        out, given = bound.arguments["out"], bound.arguments.get("progress", False)
        if local_path(out) is not None:
            bound.arguments["out"] = local_path(out)
            return build(*bound.args, **bound.kwargs)
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
