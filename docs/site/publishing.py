"""The events of the build that concern readers elsewhere: shared links, and the offline copy."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import offline
import social
from layout import Layout
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks.interpviz")

AFTER_ALL = -200
_state: dict[str, Any] = {}


@event_priority(AFTER_ALL)
def on_pre_build(config: MkDocsConfig) -> None:
    """Draw the pictures of shared links, once the figures are there."""
    root = Path(config.config_file_path).resolve().parent
    scripts = Path(config.plugins["gallery"].config["examples_dirs"][0])
    layout = Layout(root, Path(config.docs_dir), root / scripts)
    _state.update(layout=layout, drawn=social.draw_all(layout))


@event_priority(AFTER_ALL)
def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Say what other sites show of this page."""
    if not config.site_url or page.canonical_url is None:
        return output
    layout = _state["layout"]
    example = social.chosen(page.file.src_uri, output, layout, _state["drawn"])
    shared = social.Shared(
        title=str(page.title or config.site_name),
        description=str(page.meta.get("description") or config.site_description or ""),
        address=page.canonical_url,
        home=page.is_homepage,
    )
    said = social.tags(shared, config.site_name, config.site_url, layout, example)
    return output.replace("</head>", f"{said}</head>", 1)


# Material's own event, which writes the search index as a script, has the priority -100.
@event_priority(AFTER_ALL)
def on_post_build(config: MkDocsConfig) -> None:
    """Pack the copy for offline."""
    if "material/offline" in config.plugins and config.plugins["material/offline"].config.enabled:
        archive = offline.pack(Path(config.site_dir), config.site_name)
        log.info("Packed %s.", archive.name)
