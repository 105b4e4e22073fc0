"""The copy for offline, opened from the file system: interactive views and the filter work."""

from __future__ import annotations

import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
from tiny_site import CONFIG, finish, lay_out

ROOT = Path(__file__).parents[2]
VIEW = '''"""
# Which token looks at the next one?

A head that is written down, not learned.
"""

import os
from pathlib import Path

import torch

from interpviz.attention import AttentionMaps, LayerWeights

with Path(os.environ["RAN"]).open("a") as log:
    log.write("view\\n")
tokens = ["one", "two", "three", "four"]
weights = torch.eye(4).roll(1, dims=-1).expand(1, 2, 4, 4)
maps = AttentionMaps(LayerWeights({"first": weights, "last": weights.flip(-1)}), tokens=[tokens])
maps.view()
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The unpacked copy of a small site with two topics and a view."""
    tiny = lay_out(tmp_path_factory.mktemp("offline") / "tiny")
    # What an example imports is the library itself, not a stand-in.
    shutil.rmtree(tiny.root / "interpviz")
    shutil.copytree(ROOT / "docs" / "assets", tiny.root / "docs" / "assets")
    shutil.copy(ROOT / "mkdocs.offline.yml", tiny.root)
    hooks = "hooks: [docs/site/hooks.py, docs/site/publishing.py]"
    config = CONFIG.replace("hooks: [docs/site/hooks.py]", hooks)
    tiny.write("mkdocs.yml", config.replace("plugins:\n", "plugins:\n  search: {}\n"))
    tiny.write("gallery/words/README.md", "# Words\n\nRead and shown.\n")
    tiny.write("gallery/words/plot_view.py", VIEW)
    done = finish(tiny.start("build", "-f", "mkdocs.offline.yml"))
    assert done.returncode == 0, done.stderr
    folder = tmp_path_factory.mktemp("elsewhere") / "with space"
    with ZipFile(tiny.root / "site-offline.zip") as archive:
        archive.extractall(folder)
    return folder / "tiny" / "generated" / "gallery"


@pytest.fixture
def view(browser):
    """A page that says when something goes wrong, or when it asks for more than files."""
    said: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.on("requestfailed", lambda request: said.append(request.url))
    allowed = ("file:", "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(allowed) else said.append(r.url))
    yield page
    page.close()
    assert said == []


def test_a_view_starts_from_a_file(copy, view):
    view.goto((copy / "words" / "plot_view.html").as_uri())
    host = view.locator("[data-interpviz-view]")
    host.scroll_into_view_if_needed()
    host.locator(".view").wait_for()
    assert not host.locator("img").first.is_visible()
    assert "three" in host.locator(".view").inner_text()


def test_the_index_filters_from_a_file(copy, view):
    view.goto((copy / "index.html").as_uri())
    titles = view.locator(".iv-section .iv-card__link:visible")
    assert titles.count() == 3
    view.locator(".iv-chip[data-kind=topic][data-value=words]").click()
    assert titles.all_inner_texts() == ["Which token looks at the next one?"]
    assert view.locator(".iv-filter [role=status]").inner_text() == "1 of 3 examples"
    titles.first.click()
    view.wait_for_url("**/words/plot_view.html")
