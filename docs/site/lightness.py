"""Fewer bytes on a rendered page: light copies of figures, a search that loads when it is used."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_IMAGE = re.compile(r"<img\b[^>]*>")
_FIGURE = re.compile(r'(\bsrc="[^"]*/images/\w+_\d+_(?:light|dark))(\.webp)')
_LATE = Path(__file__).parents[1] / "assets" / "javascripts" / "late_search.js"
_CODE = re.compile(r'<div class="([^"]*\bhighlight\b)')


def unindexed(content: str) -> str:
    """Keep code and what it printed out of the search, which finds the prose about it.

    Args:
        content: The content of an example's page.
    """
    return _CODE.sub(r'<div data-search-exclude class="\1', content)


def lightened(page: str) -> str:
    """Show light copies of figures, and load the search when somebody searches.

    The links of figures stay, so that a click shows them with every pixel.

    Args:
        page: The whole page.
    """

    def light(found: re.Match[str]) -> str:
        image, figures = _FIGURE.subn(r"\1_small\2", found[0])
        waits = figures and "decoding=" not in image
        return image.replace("<img", '<img decoding="async"', 1) if waits else image

    # It has to stand before the theme's own script, which asks for the index at once.
    page = page.replace("</head>", f"<script>{_late_search()}</script></head>", 1)
    return _IMAGE.sub(light, page)


@cache
def _late_search() -> str:
    if not _LATE.is_file():
        return ""
    # Without the comment at its head.
    return _LATE.read_text(encoding="utf-8").partition("*/")[2].strip()
