"""One style sheet instead of many: each is a request that a page waits for before it shows."""

from __future__ import annotations

import re
from pathlib import Path

NAME = "assets/stylesheets/site.css"

_LINK = re.compile(
    r'<link rel="stylesheet" href="((?:\.\./)*|\./|/(?:[^":/]+/)*)(assets/[^":]+\.css)">\s*'
)
_NOTE = re.compile(r"/\*.*?\*/\s*", re.DOTALL)


def joined(page: str) -> tuple[str, list[str]]:
    """Let a page ask for one style sheet.

    Args:
        page: The whole page.

    Returns:
        The page, with one link in the place of the last one, and the sheets that it asked for.
    """
    found = list(_LINK.finditer(page))
    if not found:
        return page, []
    last = found[-1]
    link = f'<link rel="stylesheet" href="{last[1]}{NAME}">\n'
    head = _LINK.sub("", page[: last.start()])
    return f"{head}{link}{page[last.end() :]}", [each[2] for each in found]


def write(site: Path, sheets: list[str]) -> None:
    """Write that style sheet.

    Args:
        site: The folder of the built site.
        sheets: The files to be joined, seen from there, in their order.
    """
    texts = ((site / name).read_text(encoding="utf-8") for name in sheets)
    (site / NAME).write_text("\n".join(_NOTE.sub("", text) for text in texts), encoding="utf-8")
