"""Fewer bytes on a rendered page: light copies of figures, a search that loads when it is used."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_IMAGE = re.compile(r"<img\b[^>]*>")
_FIGURE = re.compile(r'(\bsrc="[^"]*/images/\w+_\d+_(?:light|dark))(\.webp)')
_LATE = Path(__file__).parents[1] / "assets" / "javascripts" / "late_search.js"
_CODE = re.compile(r'<div class="([^"]*\bhighlight\b)')

# Names, punctuation and spaces of code have the colour of its text.
_UNCOLOURED = re.compile(r'<span class="(?:n|p|w)">([^<]*)</span>')
# A hint that says what it stands on.
_ECHO = re.compile(r'<span title="(\w+)">\1</span>')
# The picture of a view, which its own script replaces, with a second copy of it to be enlarged.
_ENLARGED = re.compile(r'<a class="glightbox"[^>]*href="data:[^>]*>(<img\b[^>]*>)</a>')
_LIGHTBOX = re.compile(r'<script src="[^"]*glightbox\.min\.js"></script>')
_LIGHTBOX_STARTS = '<script id="init-glightbox">'


def unindexed(content: str) -> str:
    """Keep code and what it printed out of the search, which finds the prose about it.

    Args:
        content: The content of an example's page.
    """
    return _CODE.sub(r'<div data-search-exclude class="\1', content)


def lightened(page: str) -> str:
    """Show light copies of figures, load late what is used late, leave out what says nothing.

    The links of figures stay, so that a click shows them with every pixel.

    Args:
        page: The whole page.
    """
    page = _IMAGE.sub(_light, _ENLARGED.sub(r"\1", page))
    # It has to stand before the theme's own script, which asks for the index at once.
    page = page.replace("</head>", f"<script>{_late_search()}</script></head>", 1)
    if lightbox := _LIGHTBOX.search(page):
        page = page.replace(lightbox[0], "", 1)
        page = page.replace(_LIGHTBOX_STARTS, f"{lightbox[0]}{_LIGHTBOX_STARTS}", 1)
    # No button is made for what nobody copies.
    page = page.replace(
        'class="doc-signature highlight"', 'class="doc-signature highlight no-copy"'
    )
    return _UNCOLOURED.sub(r"\1", _ECHO.sub(r"\1", page))


def _light(found: re.Match[str]) -> str:
    image, figures = _FIGURE.subn(r"\1_small\2", found[0])
    waits = figures and "decoding=" not in image
    return image.replace("<img", '<img decoding="async"', 1) if waits else image


@cache
def _late_search() -> str:
    if not _LATE.is_file():
        return ""
    # Without the comment at its head.
    return _LATE.read_text(encoding="utf-8").partition("*/")[2].strip()
