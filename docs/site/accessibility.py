"""Small repairs of rendered pages for readers who use a keyboard or a screen reader."""

from __future__ import annotations

import html
import re

_SEARCH = 'data-md-component="search" role="dialog"'
_SCROLLED = re.compile(r"<pre(?![^>]*tabindex)((?:\s[^>]*)?)>")
_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_HEADING = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")


def repair(page: str) -> str:
    """Repair a rendered page.

    Args:
        page: The whole page.

    Returns:
        The page, in which the search dialog has a name, and code and tables that scroll sideways
        can be reached and scrolled with the keyboard.
    """
    page = page.replace(_SEARCH, f'{_SEARCH} aria-label="Search"')
    page = _SCROLLED.sub(r'<pre tabindex="0"\1>', page)
    return _TABLE.sub(_framed, page)


def _framed(table: re.Match[str]) -> str:
    """A table in a frame of its own; the one that the theme's script adds has no name."""
    columns = (_TAG.sub("", words).strip() for words in _HEADING.findall(table[0]))
    named = ", ".join(words for words in columns if words)
    label = html.escape(html.unescape(f"Table: {named}" if named else "Table"))
    return f'<div class="iv-table" role="group" aria-label="{label}" tabindex="0">{table[0]}</div>'
