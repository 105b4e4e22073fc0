"""Folders that are converted once: complete or absent, whoever asks and whatever breaks."""

from __future__ import annotations

import errno
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from interpviz.errors import AssetError
from interpviz.zoo.converted import converted_folder

pytest.importorskip("filelock")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("INTERPVIZ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(folder: Path) -> None:
    (folder / "weights").write_bytes(b"w" * 100)
    (folder / "config").write_text("c")


def visible(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def test_it_is_made_once(cache: Path) -> None:
    home = converted_folder("net", write)
    assert home == cache / "net"
    assert (home / "weights").read_bytes() == b"w" * 100
    assert converted_folder("net", lambda _: pytest.fail("made twice")) == home
    assert visible(cache) == ["net"]


@pytest.mark.parametrize("content", [b"w" * 99, None])
def test_a_damaged_one_is_made_again(content: bytes | None, cache: Path) -> None:
    path = converted_folder("net", write) / "weights"
    path.unlink() if content is None else path.write_bytes(content)
    assert (converted_folder("net", write) / "weights").read_bytes() == b"w" * 100
    assert visible(cache) == ["net"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot be used"),
        (AssetError("no wheel."), "no wheel"),
    ],
)
def test_a_failure_leaves_nothing(error: Exception, expected: str, cache: Path) -> None:
    def fail(folder: Path) -> None:
        write(folder)
        raise error

    with pytest.raises(AssetError, match=expected):
        converted_folder("net", fail)
    assert visible(cache) == []


def test_a_fault_of_the_converter_is_not_hidden(cache: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        converted_folder("net", lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    assert visible(cache) == []


def test_threads_wait_for_the_first(cache: Path) -> None:
    made = []

    def slow(folder: Path) -> None:
        made.append(threading.get_ident())
        time.sleep(0.2)
        write(folder)

    with ThreadPoolExecutor(4) as pool:
        homes = set(pool.map(lambda _: converted_folder("net", slow), range(4)))
    assert homes == {cache / "net"}
    assert len(made) == 1
