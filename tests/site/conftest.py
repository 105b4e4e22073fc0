"""What the tests of the site share: its parts, the built pages, a server and a browser."""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]

# The build's own modules, and the browser helper beside this file. At the end of the path, so
# that they hide nothing.
for folder in (ROOT / "docs" / "site", Path(__file__).parent):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


@pytest.fixture(scope="session")
def site() -> Path:
    """The built site."""
    folder = ROOT / "site"
    if not (folder / "index.html").is_file():
        pytest.skip("no built site: run `mkdocs build --strict` first")
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A tiny site that was built once, with what ran and how long that took."""
    from tiny_site import lay_out

    tiny = lay_out(tmp_path_factory.mktemp("built") / "tiny")
    began = time.monotonic()
    done = tiny.build()
    assert done.returncode == 0, done.stderr
    tiny.first = (tiny.ran(), time.monotonic() - began)
    return tiny


@pytest.fixture
def tiny(built, tmp_path):
    """A copy of the built site, in another folder: what was made is carried along."""
    from tiny_site import Tiny

    shutil.copytree(built.root, tmp_path / "tiny")
    return Tiny(tmp_path / "tiny")


@pytest.fixture(scope="session")
def below() -> str:
    """Where the site lies on its host; the page for unknown addresses links to there."""
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    return urlsplit(re.search(r"^site_url: (\S+)$", config, re.MULTILINE)[1]).path.lstrip("/")


@pytest.fixture(scope="session")
def address(site, below):
    """Where the built site is served."""
    from browser import serve

    with serve(site, below=below) as url:
        yield url


@pytest.fixture(scope="session")
def pages(site) -> list[str]:
    """The addresses of all pages below the root, without the report, a site of its own."""
    found = (path.parent.relative_to(site).as_posix() for path in site.rglob("index.html"))
    return sorted("" if folder == "." else f"{folder}/" for folder in found if folder != "report")


@pytest.fixture(scope="session")
def every_page(pages) -> list[str]:
    """The same, and the page for unknown addresses."""
    return [*pages, "404.html"]


@pytest.fixture(scope="session")
def example(pages) -> str:
    """The address of one example."""
    found = [page for page in pages if re.match(r"generated/gallery/\w+/\w+/", page)]
    if not found:
        pytest.skip("no example in the built site")
    return next((page for page in found if "/cam/" in page), found[0])
