"""What is published beside the pages: shared links, other versions, copies for other readers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import pytest
import yaml
from mkdocs.utils import yaml_load
from PIL import Image

ROOT = Path(__file__).parents[2]
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
SITE_URL = re.search(r"^site_url: (\S+)$", CONFIG, re.MULTILINE)[1]

TINY = """
site_name: tiny
site_url: https://example.org/tiny/
site_description: A tiny site.
theme: {name: material, font: false, custom_dir: docs/overrides}
nav: [{Home: index.md}, {Gallery: generated/gallery}, {Reference: [words.md]}]
extra_css: [assets/stylesheets/theme.css, assets/stylesheets/gallery.css]
hooks: [docs/site/hooks.py, docs/site/publishing.py]
markdown_extensions: [attr_list, md_in_html, pymdownx.superfences, pymdownx.snippets: {}]
exclude_docs: |
  /site/
  /overrides/
  __pycache__/
  *.md5
  mg_execution_times.md
  /generated/gallery/inputs.json
  /generated/gallery/**/images/*.json
plugins:
  search: {}
  gallery:
    conf_script: docs/site/gallery_conf.py
    examples_dirs: gallery
    gallery_dirs: docs/generated/gallery
    within_subsection_order: FileNameSortKey
    abort_on_example_error: true
    download_all_examples: false
    show_signature: false
    inspect_global_variables: false
"""

EXAMPLE = '''"""
# What is one?

A square & what is in it. More than this is said further down.
"""

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(1, 1))
axes.set_title("A square")
'''


class Head(HTMLParser):
    """The tags in the head of a page that other sites read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.said: dict[str, str] = {}
        self.canonical = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "meta" and ("property" in found or "name" in found):
            self.said[found.get("property") or found["name"]] = found.get("content") or ""
        if tag == "link" and found.get("rel") == "canonical":
            self.canonical = found["href"]


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def lay_out(root: Path) -> Path:
    """A small checkout with the real hooks, overrides and configurations."""
    ignored = shutil.ignore_patterns("__pycache__", "generated", "students")
    for folder in ("site", "overrides", "assets"):
        shutil.copytree(ROOT / "docs" / folder, root / "docs" / folder, ignore=ignored)
    for name in ("mkdocs.offline.yml", "mkdocs.publish.yml"):
        shutil.copy(ROOT / name, root / name)
    write(root, "mkdocs.yml", TINY)
    write(root, "interpviz/__init__.py", "")
    write(root, "docs/index.md", "# Home\n\n<!-- gallery-figure: shapes/plot_one 1 -->\n")
    write(root, "docs/words.md", "# Words\n\nA *zebra* is an animal.\n")
    write(root, "gallery/README.md", "# Gallery\n\nAll of it.\n")
    write(root, "gallery/shapes/README.md", "# Shapes\n\nFlat ones.\n")
    write(root, "gallery/shapes/plot_one.py", EXAMPLE)
    return root


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = lay_out(tmp_path_factory.mktemp("published") / "tiny")
    run(root, sys.executable, "-m", "mkdocs", "build")
    return root


# Shared links


def test_shared_links_of_a_small_site(tiny):
    page = Head((tiny / "site/generated/gallery/shapes/plot_one/index.html").read_text())
    root = "https://example.org/tiny/"
    assert page.said["og:title"] == "What is one?"
    assert page.said["og:description"].startswith("A square & what is in it.")
    assert page.said["og:url"] == f"{root}generated/gallery/shapes/plot_one/" == page.canonical
    assert page.said["og:image"] == f"{root}generated/social/shapes-plot_one.jpg"
    assert page.said["og:image:alt"] == "A square"
    assert page.said["og:type"] == "article"
    home = Head((tiny / "site/index.html").read_text())
    assert home.said["og:type"] == "website"
    # A page without a figure of its own has that of the home page.
    for name in ("index.html", "words/index.html"):
        assert Head((tiny / "site" / name).read_text()).said["og:image"] == page.said["og:image"]
    assert home.said["og:description"] == "A tiny site."


def test_every_page_of_the_site_can_be_shared(site, pages):
    seen = set()
    for page in pages:
        name = f"{page}index.html"
        head = Head((site / name).read_text(encoding="utf-8"))
        assert head.said.get("og:title"), name
        assert head.said["og:url"] == head.canonical, name
        picture = head.said["og:image"].removeprefix(SITE_URL)
        assert (site / picture).is_file(), name
        assert head.said["og:image:alt"], name
        example = re.fullmatch(r"generated/gallery/(\w+)/(plot_\w+)/index.html", name)
        if example:
            assert picture == f"generated/social/{example[1]}-{example[2]}.jpg"
        seen.add(picture)
    for picture in seen:
        with Image.open(site / picture) as opened:
            assert (opened.format, opened.size) == ("JPEG", (1200, 630))
        assert (site / picture).stat().st_size < 400_000


@pytest.fixture
def layout(tmp_path):
    """A gallery of which one example has run; its figure is wider than tall."""
    from layout import Layout
    from records import FigureRecord, save

    for name in ("one", "two"):
        write(tmp_path, f"gallery/shapes/plot_{name}.py", EXAMPLE.replace("one", name))
    write(tmp_path, "docs/index.md", "# Home\n\n<!-- gallery-figure: shapes/plot_two 1 -->\n")
    layout = Layout(tmp_path, tmp_path / "docs", tmp_path / "gallery")
    for example, size in zip(layout.examples(), ((900, 300), (300, 900)), strict=True):
        example.images.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "red").save(example.figure(1, "light"))
        save(example.record, [FigureRecord(1, "Red.", size[0] // 2, size[1] // 2)])
    return layout


def test_pictures_are_drawn_once_and_kept_up_to_date(layout):
    import social

    one, two = layout.examples()
    assert list(social.draw_all(layout)) == ["shapes/plot_one", "shapes/plot_two"]
    for example in (one, two):
        with Image.open(social.picture(layout, example)) as picture:
            assert picture.size == (social.WIDTH, social.HEIGHT)
            # The figure is in the middle, on white.
            red, green, _ = picture.getpixel((600, 340))
            assert red > 200
            assert green < 100
    before = social.picture(layout, one).stat().st_mtime_ns
    social.draw_all(layout)
    assert social.picture(layout, one).stat().st_mtime_ns == before
    later = one.figure(1, "light").stat().st_mtime + 10
    os.utime(one.figure(1, "light"), (later, later))
    social.draw_all(layout)
    assert social.picture(layout, one).stat().st_mtime_ns != before
    two.source.unlink()
    assert list(social.draw_all(layout)) == ["shapes/plot_one"]
    assert [path.name for path in social.folder(layout).iterdir()] == ["shapes-plot_one.jpg"]


def test_a_page_is_shared_with_its_own_figure(layout):
    import social

    drawn = social.draw_all(layout)
    one, two = layout.examples()
    figure = '<img src="../generated/gallery/shapes/images/plot_one_1_light.webp#only-light">'
    own = one.page.relative_to(layout.docs).as_posix()
    assert social.chosen(own, "", layout, drawn) == one
    assert social.chosen("guide/x.md", figure, layout, drawn) == one
    assert social.chosen("guide/x.md", "", layout, drawn) == two
    assert social.chosen("guide/x.md", "", layout, {}) is None
    shared = social.Shared('A "b" & <c>', "d", "https://e.org/")
    assert "og:image" not in social.tags(shared, "s", "https://e.org", layout, None)
    found = Head(social.tags(shared, "s", "https://e.org", layout, one)).said
    assert found["og:title"] == 'A "b" & <c>'
    assert found["og:image"] == "https://e.org/generated/social/shapes-plot_one.jpg"


# Files at the root


def test_the_sitemap_lists_every_page(site, pages):
    space = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    listed = {loc.text for loc in ET.parse(site / "sitemap.xml").iter(f"{space}loc")}
    assert listed == {f"{SITE_URL}{page}" for page in pages}


def test_the_page_for_addresses_that_do_not_exist(site):
    text = (site / "404.html").read_text(encoding="utf-8")
    content = text[text.index("<h1") :]
    assert "There is no such page" in content
    links = re.findall(r'<li><a href="([^"]+)"', content)
    below = re.sub(r"^https?://[^/]+", "", SITE_URL)
    assert len(links) >= 4
    for link in links:
        assert link.startswith(below)
        assert (site / link.removeprefix(below) / "index.html").is_file()
    assert "location.replace" not in text


def test_the_page_for_addresses_that_do_not_exist_looks_as_the_others(tiny):
    import styles

    text = (tiny / "site/404.html").read_text(encoding="utf-8")
    assert re.findall(r'rel="stylesheet" href="([^"]+)"', text) == [f"/tiny/{styles.NAME}"]
    joined = (tiny / "site" / styles.NAME).read_text(encoding="utf-8")
    for name in ("theme.css", "gallery.css"):
        rules = (ROOT / "docs/assets/stylesheets" / name).read_text(encoding="utf-8")
        assert re.sub(r"/\*.*?\*/\s*", "", rules, flags=re.DOTALL) in joined


# Versions


def test_the_digest_of_the_cache_is_that_of_the_build(tiny):
    import digest
    from mkdocs.config import load_config

    def key() -> dict[str, str]:
        said = run(tiny, sys.executable, "docs/site/cache_key.py").stdout
        return dict(line.split("=") for line in said.split())

    first = key()
    assert set(first) == {"inputs", "scripts", "stand_ins"}
    assert first["stand_ins"] == ""
    script = tiny / "gallery/shapes/plot_one.py"
    try:
        script.write_text(f"{EXAMPLE}\n# more\n")
        second = key()
    finally:
        script.write_text(EXAMPLE)
    assert second["inputs"] == first["inputs"]
    assert second["scripts"] != first["scripts"]
    library = tiny / "interpviz/__init__.py"
    try:
        library.write_text("VERSION = 2\n")
        third = key()
    finally:
        library.write_text("")
    assert third["inputs"] != first["inputs"]
    assert third["scripts"] == first["scripts"]
    record = tiny / "docs/generated/gallery/shapes/images/plot_one.run.json"
    before = record.read_text()
    try:
        record.write_text(json.dumps(json.loads(before) | {"stand_ins": ["bert"]}))
        fourth = key()
    finally:
        record.write_text(before)
    assert fourth == first | {"stand_ins": "shapes/plot_one"}
    options = dict(load_config(str(tiny / "mkdocs.yml")).plugins["gallery"].config)
    changed = digest.inputs(tiny, {**options, "capture_repr": ("__str__",)})
    assert digest.differing(digest.inputs(tiny, options), changed)


def test_plain_text_lists_every_page_of_the_guide():
    nav = yaml_load(CONFIG)["nav"]
    guide = next(part["Guide"] for part in nav if "Guide" in part)
    pages = {entry if isinstance(entry, str) else next(iter(entry.values())) for entry in guide}
    published = yaml.safe_load((ROOT / "mkdocs.publish.yml").read_text(encoding="utf-8"))
    sections = published["plugins"]["llmstxt"]["sections"]
    assert pages <= {next(iter(entry)) for entry in sections["Guide"]}


def test_versions_are_published_side_by_side(tiny, tmp_path):
    if not (find_spec("mike") and find_spec("mkdocs_llmstxt")):
        pytest.skip("mike and mkdocs-llmstxt, which publish the site, are not installed")
    import feet

    root = tmp_path / "tiny"
    shutil.copytree(tiny, root, ignore=shutil.ignore_patterns("site-offline*"))
    shutil.copy(ROOT / ".github/workflows/pages-root.sh", root)
    run(root, "git", "init", "-q", "-b", "main")
    for name, value in (("user.name", "n"), ("user.email", "a@example.org")):
        run(root, "git", "config", name, value)
    run(root, "git", "commit", "-q", "--allow-empty", "-m", "begin")
    for names in (("0.1", "latest"), ("dev",)):
        run(root, "mike", "deploy", "-F", "mkdocs.publish.yml", "--update-aliases", *names)
    run(root, "mike", "set-default", "-F", "mkdocs.publish.yml", "latest")
    run(root, "bash", "pages-root.sh")

    def shown(name: str) -> str:
        return run(root, "git", "show", f"gh-pages:{name}").stdout

    # GitHub's API, by which Colab finds a notebook, follows no link.
    notebook = f"{feet.NOTEBOOKS.partition('/gh-pages/')[2]}generated/gallery/shapes/plot_one.ipynb"
    assert run(root, "git", "ls-tree", "gh-pages", notebook).stdout.startswith("100644 blob")
    versions = {v["version"]: v["aliases"] for v in json.loads(shown("versions.json"))}
    assert versions == {"0.1": ["latest"], "dev": []}
    assert '"provider": "mike"' in shown("0.1/index.html")
    latest = "https://example.org/tiny/latest/"
    head = Head(shown("dev/words/index.html"))
    assert head.canonical == f"{latest}words/"
    assert head.said["og:image"].startswith(latest)
    assert f"{latest}generated/gallery/shapes/plot_one/index.md" in shown("llms.txt")
    assert "Figure: A square" in shown("llms-full.txt")
    assert "location.replace" in shown("404.html")
    # Without mike nothing asks for a list of versions.
    assert "versions.json" not in (tiny / "site/index.html").read_text()
    assert '"provider": "mike"' not in (tiny / "site/index.html").read_text()


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("troubleshooting/#no-gradients", "latest/troubleshooting/#no-gradients"),
        ("latest/nowhere/", "latest/nowhere/"),
        ("0.1/nowhere/", "0.1/nowhere/"),
        ("dev/nowhere/", "dev/nowhere/"),
    ],
)
def test_addresses_without_a_version_lead_to_the_latest(browser, asked, shown):
    source = (ROOT / "docs/overrides/404.html").read_text(encoding="utf-8")
    script = re.search(r"<script>.*?</script>", source, re.DOTALL)[0]
    script = script.replace('{{ (base_url ~ "/") | tojson }}', '"/interpviz/latest/"')
    root = "http://pages.test/interpviz/"
    view = browser.new_page()
    page = f"<!doctype html><head>{script}</head><h1>There is no such page</h1>"
    view.route("**/*", lambda route: route.fulfill(body=page, content_type="text/html"))
    view.goto(root + asked)
    view.wait_for_url(root + shown)
    assert view.locator("h1").inner_text() == "There is no such page"
    view.close()


# The copy for offline


@pytest.fixture(scope="module")
def unpacked(tiny, tmp_path_factory):
    run(tiny, sys.executable, "-m", "mkdocs", "build", "-f", "mkdocs.offline.yml")
    folder = tmp_path_factory.mktemp("elsewhere") / "with space"
    with ZipFile(tiny / "site-offline.zip") as archive:
        archive.extractall(folder)
    return folder / "tiny"


def test_the_copy_for_offline_opens_from_a_folder(unpacked, browser):
    asked, failed, said = [], [], []
    view = browser.new_page()
    view.on("request", lambda request: asked.append(request.url))
    view.on("requestfailed", lambda request: failed.append(request.url))
    view.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    view.on("pageerror", lambda error: said.append(str(error)))
    pages = sorted(unpacked.rglob("*.html"))
    assert len(pages) >= 4
    for page in pages:
        view.goto(page.as_uri(), wait_until="load")
        shown = "[...document.images].filter(i => i.checkVisibility())"
        view.evaluate("for (const i of document.images) { i.loading = 'eager' }")
        view.wait_for_function(f"{shown}.every(i => i.complete && i.naturalWidth)")
    view.goto((unpacked / "index.html").as_uri())
    view.locator(".md-search__input").click()
    view.locator(".md-search__input").press_sequentially("zebra")
    view.locator(".md-search-result__link").first.wait_for()
    view.locator(".md-search-result__link").first.click()
    view.wait_for_url("**/words.html*")
    assert view.locator("h1").first.inner_text().startswith("Words")
    view.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert failed == []
    assert said == []


def test_links_of_the_copy_lead_to_files(unpacked):
    for page in unpacked.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        links = set(re.findall(r'(?:href|src)="([^"#?]+)', text))
        inside = {link for link in links if not re.match(r"[a-z]+:", link)}
        assert inside
        assert [link for link in inside if not (page.parent / link).is_file()] == []


def test_the_archive_is_the_same_for_the_same_site(tmp_path):
    import offline

    write(tmp_path, "one/index.html", "a")
    write(tmp_path, "one/sitemap.xml", "b")
    first = offline.pack(tmp_path / "one", "name").read_bytes()
    os.utime(tmp_path / "one/index.html", (0, 0))
    archive = offline.pack(tmp_path / "one", "name")
    assert archive.read_bytes() == first
    assert ZipFile(archive).namelist() == ["name/index.html"]


# Another tool


def test_pages_become_ready_for_another_tool(tiny, tmp_path):
    run(tiny, sys.executable, "docs/site/portable.py", str(tmp_path / "out"))
    home = (tmp_path / "out/docs/index.md").read_text()
    assert "generated/gallery/shapes/images/plot_one_1_light.webp" in home
    assert "<!-- gallery-figure" not in home
    config = yaml_load((tmp_path / "out/mkdocs.yml").read_text())
    assert "hooks" not in config
    assert "gallery" not in config["plugins"]
    listed = next(part["Gallery"] for part in config["nav"] if "Gallery" in part)
    assert listed == ["generated/gallery/index.md", "generated/gallery/shapes/plot_one.md"]
    assert not (tmp_path / "out/docs/site").exists()


def test_the_real_configuration_can_be_exported():
    import portable
    from layout import Layout

    text = portable.configuration(Layout(ROOT, ROOT / "docs", ROOT / "gallery"))
    assert "!!python/name:material.extensions.emoji.twemoji" in text


def test_zensical_renders_the_same_pages(tiny, tmp_path):
    if find_spec("zensical") is None:
        pytest.skip("zensical is not installed")
    run(tiny, sys.executable, "docs/site/portable.py", str(tmp_path / "out"))
    run(tmp_path / "out", sys.executable, "-m", "zensical", "build", "-f", "mkdocs.yml")
    made = tmp_path / "out/site"
    example = (made / "generated/gallery/shapes/plot_one/index.html").read_text()
    assert "What is one?" in example
    assert "plot_one_1_light.webp" in example
    assert "plot_one_1_light.webp" in (made / "index.html").read_text()
