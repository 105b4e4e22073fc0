"""Interactive views on a page: each carries their script, and a page needs it once."""

from __future__ import annotations

import re

_SCRIPT = re.compile(r'<script data-interpviz-runtime="([0-9a-f]+)">.*?</script>', re.DOTALL)


def once(page: str) -> str:
    """Keep the first of each version of the views' script.

    Args:
        page: The HTML of a page.
    """
    seen: set[str] = set()

    def first(found: re.Match[str]) -> str:
        if found[1] in seen:
            return ""
        seen.add(found[1])
        return found[0]

    return _SCRIPT.sub(first, page)
