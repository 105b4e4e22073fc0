"""What the plugin that writes llms.txt changes on a page before it becomes plain Markdown."""

from __future__ import annotations

from typing import Any

from mkdocs_llmstxt import autoclean


def preprocess(soup: Any, output: str) -> None:
    """Put a figure's description in its place, then take away what only eyes need.

    Args:
        soup: The content of a page, as Beautiful Soup has it.
        output: The file that is written.
    """
    for picture in soup.select(".iv-figure img"):
        if "#only-dark" in picture.get("src", ""):
            continue
        said = soup.new_tag("p")
        said.string = f"Figure: {picture.get('alt', '')}"
        (picture.find_parent("p") or picture).insert_before(said)
    autoclean(soup)
