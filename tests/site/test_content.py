"""What a reader finds on the pages: live figures, and what each example took and uses."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r'<img[^>]*\ssrc="([^"#]*/images/plot_\w+\.webp)#only-light"')
FACT = re.compile(r'<dl class="iv-fact">\s*<dt>(\w+)</dt>(.*?)</dl>', re.DOTALL)
TAG = re.compile(r"<[^>]+>")


def read(site: Path, page: str) -> str:
    path = site / page
    return (path / "index.html" if path.is_dir() else path).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def examples(pages) -> list[str]:
    found = [page for page in pages if re.match(r"generated/gallery/\w+/plot_\w+/", page)]
    assert found
    return found


def test_the_home_page_shows_both_ideas_with_figures_of_the_gallery(site):
    figures = [path for path in SHOWN.findall(read(site, "")) if "/thumb/" not in path]
    sections = {path.split("/")[2] for path in figures}
    assert {"cam", "attention"} <= sections
    for path in figures:
        assert path.startswith("generated/gallery/")
        assert (site / path).is_file(), path


def facts(page: str) -> dict[str, str]:
    """The facts at the foot of an example: what each says, without its tags."""
    return {name: html.unescape(TAG.sub("", said)).strip() for name, said in FACT.findall(page)}


def test_every_example_says_what_it_took_and_what_it_uses(site, examples):
    for name in examples:
        page = read(site, name)
        found = facts(page)
        assert {"Took", "Weights", "Uses"} <= found.keys(), name
        assert re.match(r"[\d.]+ (seconds|minutes)", found["Took"]), name
        assert found["Weights"], name
        uses = next(said for fact, said in FACT.findall(page) if fact == "Uses")
        assert re.search(r'href="[^"]*reference/\w+/#interpviz\.', uses), name


def test_every_example_can_be_taken_away(site, examples):
    for name in examples:
        page, stem = read(site, name), name.rstrip("/").split("/")[-1]
        for ending in ("py", "ipynb"):
            assert f'download="" href="../{stem}.{ending}"' in page, name
        colab = r'href="https://colab\.research\.google\.com/github/[^"]*/([^"/]*/[^"/]*\.ipynb)"'
        assert re.findall(colab, page) == [f"{name.split('/')[2]}/{stem}.ipynb"], name


def test_every_example_leads_to_three_others(site, examples):
    for name in examples:
        related = read(site, name).partition('<h2 id="related-examples')[2]
        links = re.findall(r'class="iv-card__link" href="([^"]+)"', related)
        assert len(set(links)) == 3, name
        stem = name.rstrip("/").split("/")[-1]
        assert all(stem != link.rstrip("/").split("/")[-1] for link in links), name


def test_only_pages_with_figures_load_what_enlarges_them(site, every_page):
    enlarging = set()
    for name in every_page:
        page = read(site, name)
        if "glightbox.min" in page:
            enlarging.add(name)
            assert 'class="glightbox"' in page, name
        else:
            assert "glightbox" not in page, name
    assert "" not in enlarging
    assert "404.html" not in enlarging
    assert [name for name in every_page if "/plot_" in name and name not in enlarging] == []


# Pictures for eyes


def screenshots(*words: str) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).with_name("screenshots.py")
    return subprocess.run(
        [sys.executable, str(script), *words], capture_output=True, text=True, check=False
    )


@pytest.mark.usefixtures("site", "browser")
def test_one_command_takes_pictures_in_both_schemes_and_three_widths(tmp_path):
    done = screenshots(str(tmp_path), "about/")
    assert done.returncode == 0, done.stderr
    made = {}
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as picture:
            made[path.stem] = (picture.width, sum(picture.convert("RGB").getpixel((2, 300))) / 3)
    assert {name: width for name, (width, _) in made.items()} == {
        f"about-{scheme}-{width}": width
        for scheme in ("light", "dark")
        for width in (360, 768, 1440)
    }
    assert all((ground > 200) == ("light" in name) for name, (_, ground) in made.items())


@pytest.mark.usefixtures("site", "browser")
def test_no_picture_is_taken_of_a_page_that_is_not_there(tmp_path):
    done = screenshots(str(tmp_path), "nowhere/")
    assert done.returncode != 0
    assert "nowhere/: status 404" in done.stderr
    assert list(tmp_path.glob("*.png")) == []
