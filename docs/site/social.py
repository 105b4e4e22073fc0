"""What other sites show of a page that is shared: its title, a sentence and one of its figures."""

from __future__ import annotations

import html
import os
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from urllib.parse import urljoin

from layout import Example, Layout, opening
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont, ImageOps
from records import load

WIDTH, HEIGHT = 1200, 630
"""What most sites cut a shared picture to."""

_MARGIN, _HEAD, _QUALITY = 48, 118, 86
_INK, _PAPER = "#14191f", "#ffffff"
_REQUEST = re.compile(r"<!--\s*gallery-figure:\s*(\S+)")
_SHOWN = re.compile(r"gallery/(\w+)/images/(\w+?)_\d+_light\.webp")


def folder(layout: Layout) -> Path:
    """Where the pictures lie, among the pages."""
    return layout.generated / "social"


def picture(layout: Layout, example: Example) -> Path:
    """The shared picture of an example. JPEG, which every site can read."""
    return folder(layout) / f"{example.key.replace('/', '-')}.jpg"


def draw_all(layout: Layout) -> dict[str, Example]:
    """Draw what is missing or older than its figure, and delete what no example has any more.

    Args:
        layout: The folders of the checkout.

    Returns:
        The examples that have a picture, by key.
    """
    drawn = {}
    for example in layout.examples():
        source = example.figure(example.thumbnail_number, "light")
        if not source.is_file():
            continue
        target = picture(layout, example)
        if not target.is_file() or target.stat().st_mtime < source.stat().st_mtime:
            _draw(source, example.title, target)
        drawn[example.key] = example
    kept = {picture(layout, example) for example in drawn.values()}
    for path in folder(layout).glob("*"):
        if path not in kept:
            path.unlink()
    return drawn


def _draw(source: Path, title: str, target: Path) -> None:
    box = (WIDTH - 2 * _MARGIN, HEIGHT - _HEAD - _MARGIN)
    card = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    pen = ImageDraw.Draw(card)
    size = next(
        (s for s in range(42, 25, -2) if pen.textlength(title, _font("bold", s)) <= box[0]), 26
    )
    line = wrap(title, 64, max_lines=1, placeholder=" …")[0]
    pen.text((_MARGIN, 92), line, font=_font("bold", size), fill=_INK, anchor="ls")
    name = "interpviz"
    right = WIDTH - _MARGIN - pen.textlength(name, font=_font("normal", 26))
    pen.text((right, HEIGHT - 40), name, font=_font("normal", 26), fill=_INK)
    with Image.open(source) as figure:
        # A tall figure would become a strip: its top says what it is about.
        tall = figure.height * box[0] > 1.4 * figure.width * box[1]
        fit = ImageOps.fit if tall else ImageOps.contain
        options = {"centering": (0, 0)} if tall else {}
        small = fit(figure.convert("RGB"), box, Image.Resampling.LANCZOS, **options)
    card.paste(small, ((WIDTH - small.width) // 2, _HEAD + (box[1] - small.height) // 2))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    card.save(part, format="JPEG", quality=_QUALITY, optimize=True)
    os.replace(part, target)  # noqa: PTH105


def _font(weight: str, size: int) -> ImageFont.FreeTypeFont:
    # Matplotlib brings this font along, so the pictures look alike everywhere.
    path = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight))
    return ImageFont.truetype(path, size)


def default(layout: Layout, drawn: dict[str, Example]) -> Example | None:
    """Whose picture stands for a page without figures: the one that the home page shows first."""
    home = layout.docs / "index.md"
    asked = _REQUEST.findall(home.read_text(encoding="utf-8")) if home.is_file() else []
    for key in (*asked, *drawn):
        if key in drawn:
            return drawn[key]
    return None


def chosen(uri: str, page: str, layout: Layout, drawn: dict[str, Example]) -> Example | None:
    """Whose picture stands for a page.

    Args:
        uri: The page's file, seen from the folder of the pages.
        page: The rendered page.
        layout: The folders of the checkout.
        drawn: The examples that have a picture, by key.

    Returns:
        The example of the page, else that of its first figure, else that of the home page.
    """
    for example in drawn.values():
        if example.page == layout.docs / uri:
            return example
    for section, stem in _SHOWN.findall(page):
        if f"{section}/{stem}" in drawn:
            return drawn[f"{section}/{stem}"]
    return default(layout, drawn)


@dataclass(frozen=True)
class Shared:
    """What is said of a page.

    Attributes:
        title: Its title.
        description: A sentence or two.
        address: Its whole address.
        home: Whether it is the first page of the site.
    """

    title: str
    description: str
    address: str
    home: bool = False


def tags(shared: Shared, site: str, root: str, layout: Layout, example: Example | None) -> str:
    """The Open Graph tags of a page.

    Args:
        shared: What is said of the page.
        site: The name of the site.
        root: The address of the site.
        layout: The folders of the checkout.
        example: Whose picture is shown, if there is one.
    """
    found = {
        "og:site_name": site,
        "og:type": "website" if shared.home else "article",
        "og:title": shared.title,
        "og:description": opening(shared.description, 200),
        "og:url": shared.address,
    }
    if example is not None:
        path = picture(layout, example).relative_to(layout.docs).as_posix()
        record = load(example.record)[example.thumbnail_number - 1]
        found |= {
            "og:image": urljoin(f"{root.rstrip('/')}/", path),
            "og:image:type": "image/jpeg",
            "og:image:width": str(WIDTH),
            "og:image:height": str(HEIGHT),
            "og:image:alt": opening(record.alt, 300),
            "twitter:card": "summary_large_image",
        }
    return "".join(
        f'<meta {"name" if name.startswith("twitter") else "property"}="{name}" '
        f'content="{html.escape(value)}">\n'
        for name, value in found.items()
    )
