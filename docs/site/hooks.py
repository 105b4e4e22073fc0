"""The events of the site's build. What is done at each of them lives in the files beside this one.

In the order of a build: clear what is stale (before any plugin), let the gallery plugin run the
examples, finish its pages and write the index, then render.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import cards
import pages
import stale
import workers
from accessibility import repair
from digest import inputs
from layout import GalleryError, Layout
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import CombinedEvent, event_priority
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from runtime import once

log = logging.getLogger("mkdocs.hooks.interpviz")

FIRST, LAST = 100, -100
_state: dict[str, Any] = {}

workers.prepare()


@event_priority(FIRST)
def _before_config(config: MkDocsConfig) -> MkDocsConfig:
    root = Path(config.config_file_path).resolve().parent
    options = dict(config.plugins["gallery"].config)
    scripts = Path(options["examples_dirs"][0])
    layout = Layout(root, Path(config.docs_dir), root / scripts)
    now = inputs(root, options)
    if changed := stale.clear_changed(layout, now):
        log.info("All examples run again, because of a change in %s.", ", ".join(changed))
    for name in stale.drop_removed(layout):
        log.info("Removed what %s had left behind.", name)
    stale.drop_unfinished(layout)
    _state.update(layout=layout, inputs=now)
    return config


@event_priority(LAST)
def _after_config(config: MkDocsConfig) -> MkDocsConfig:
    # The plugin's own style sheets are for markup that is replaced here.
    config.extra_css = [sheet for sheet in config.extra_css if not _of_plugin(str(sheet))]
    return config


def _of_plugin(sheet: str) -> bool:
    return "/" not in sheet and "gallery" in sheet


on_config = CombinedEvent(_before_config, _after_config)


@event_priority(FIRST)
def _before_gallery(config: MkDocsConfig) -> None:
    layout: Layout = _state["layout"]
    try:
        cards.check(layout)
    except GalleryError as error:
        raise PluginError(str(error)) from error
    stale.mark_running(layout, _state["inputs"])


@event_priority(LAST)
def _after_gallery(config: MkDocsConfig) -> None:
    layout: Layout = _state["layout"]
    try:
        for example in layout.examples():
            pages.finish(example)
            for left in example.images.glob(f"thumb/mkd_glr_{example.stem}_thumb.*"):
                left.unlink()  # the plugin's own thumbnail, a stand-in
        cards.write_index(layout)
    except GalleryError as error:
        raise PluginError(str(error)) from error
    config.nav = _without_empty(config.nav)
    stale.mark_complete(layout, _state["inputs"])


on_pre_build = CombinedEvent(_before_gallery, _after_gallery)


def _without_empty(entry: Any) -> Any:
    """The navigation without sections that hold nothing, which the plugin leaves behind."""
    if isinstance(entry, list):
        kept = [_without_empty(part) for part in entry]
        return [part for part in kept if not _empty(part)]
    if isinstance(entry, dict):
        return {name: _without_empty(part) for name, part in entry.items()}
    return entry


def _empty(entry: Any) -> bool:
    return isinstance(entry, dict) and all(part == [] for part in entry.values())


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put gallery figures and cards where a page asks for them."""
    folder = (Path(config.docs_dir) / page.file.src_uri).parent

    def warn(message: str) -> None:
        log.warning("%s: %s", page.file.src_uri, message)

    text = cards.expand(markdown, folder, _state["layout"], warn)
    # Only pages with figures to look at closely load what enlarges them.
    if page.is_homepage or "#only-light" not in text:
        page.meta.setdefault("glightbox", False)
    return text


@event_priority(LAST)
def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Repair the rendered page."""
    return once(repair(output))
