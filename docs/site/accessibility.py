"""Small repairs of rendered pages for readers who use a keyboard or a screen reader."""

from __future__ import annotations

import re

_SEARCH = 'data-md-component="search" role="dialog"'
_SCROLLED = re.compile(r"<pre(?![^>]*tabindex)((?:\s[^>]*)?)>")


def repair(page: str) -> str:
    """Repair a rendered page.

    Args:
        page: The whole page.

    Returns:
        The page, in which the search dialog has a name and code that scrolls sideways can be
        reached and scrolled with the keyboard.
    """
    page = page.replace(_SEARCH, f'{_SEARCH} aria-label="Search"')
    return _SCROLLED.sub(r'<pre tabindex="0"\1>', page)
