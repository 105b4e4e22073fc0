"""What the tests of the site share: its parts, the built pages, a server and a browser."""

from __future__ import annotations

import sys
from pathlib import Path

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
def address(site):
    """Where the built site is served."""
    from browser import serve

    with serve(site) as url:
        yield url


@pytest.fixture(scope="session")
def browser():
    """A real browser."""
    from browser import chromium, launch

    if chromium() is None:
        pytest.skip("no Chromium on this machine")
    with launch() as started:
        yield started
