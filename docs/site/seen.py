"""Reference pages say which examples show a name, and where a guide explains it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import thumbnails
from layout import Example, Layout
from records import load
from uses import public_names, uses

_PLACE = re.compile(r'<backlinks identifier="([^"]+)"')
_BACKLINKS = re.compile(r'<div class="doc doc-backlinks">.*?</div>', re.DOTALL)
_LAST = re.compile(
    r'<span class="doc doc-backlink-crumb last">\s*<a href="([^"]+)">(.*?)</a>', re.DOTALL
)
_WITH_PICTURE = 4

Address = Callable[[str], str]


def examples_by_name(layout: Layout) -> dict[str, list[Example]]:
    """For each name the examples that show it: those that use it, then those that mention it."""
    public = public_names(layout)
    used = {example: uses(example, public) for example in layout.examples()}
    found: dict[str, list[Example]] = {}
    for attribute in ("names", "mentioned"):
        for example, what in used.items():
            for name in getattr(what, attribute):
                found.setdefault(name, []).append(example)
    return found


def insert(page: str, found: dict[str, list[Example]], layout: Layout, address: Address) -> str:
    """Put the examples of each name where its description ends.

    Args:
        page: The HTML of a reference page, in which mkdocstrings marked the places.
        found: The examples of each name.
        layout: The folders of the checkout.
        address: Gives the address of a file below `docs`, as the page has to write it.
    """

    def put(place: re.Match[str]) -> str:
        return _shown(found.get(place[1], []), layout, address) + place[0]

    return _PLACE.sub(put, page)


def _shown(examples: list[Example], layout: Layout, address: Address) -> str:
    if not examples:
        return ""

    def link(example: Example, inside: str) -> str:
        path = example.page.relative_to(layout.docs).as_posix()
        return f'<a href="{address(path)}">{inside}<span>{html.escape(example.title)}</span></a>'

    rows = []
    for number, example in enumerate(examples):
        pictured = number < _WITH_PICTURE and load(example.record)
        pictures = [_picture(example, s, layout, address) for s in ("light", "dark")]
        rows.append(f"<li>{link(example, ''.join(pictures) if pictured else '')}</li>")
    return (
        '<div class="iv-seen" data-search-exclude><p>Seen in the gallery</p>'
        f"<ul>{''.join(rows)}</ul></div>"
    )


def _picture(example: Example, scheme: str, layout: Layout, address: Address) -> str:
    path = address(example.thumbnail(scheme).relative_to(layout.docs).as_posix())
    size = f'width="{thumbnails.WIDTH}" height="{thumbnails.HEIGHT}"'
    # The title beside it says what it is.
    return f'<img alt="" src="{path}#only-{scheme}" {size} loading="lazy" decoding="async">'


def shorten(page: str) -> str:
    """Leave of mkdocstrings' list of references those from the guide; the others are noise here."""

    def guides(found: re.Match[str]) -> str:
        last = dict.fromkeys(_LAST.findall(found[0]))
        links = [f'<a href="{url}">{words}</a>' for url, words in last if "guide/" in url]
        listed = ", ".join(links)
        return f'<p class="iv-guides">In the guide: {listed}</p>' if links else ""

    return _BACKLINKS.sub(guides, page)
