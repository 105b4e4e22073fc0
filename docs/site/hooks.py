"""The events of the site's build. What is done at each of them lives in the files beside this one.

In the order of a build: clear what is stale (before any plugin), run the examples in workers, let
the gallery plugin find them done, finish its pages and write the index, then render.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import broken
import budget
import build_page
import cards
import feet
import pages
import running
import seen
import stale
import styles
import workers
import writing
from accessibility import repair
from digest import inputs
from layout import GalleryError, Layout
from lightness import lightened, unindexed
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import CombinedEvent, event_priority
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from remarks import remark
from runtime import once

log = logging.getLogger("mkdocs.hooks.interpviz")

FIRST, LAST = 100, -100
_state: dict[str, Any] = {}

workers.prepare()


def on_startup(command: str, dirty: bool) -> None:
    """Remember whether the site is served while its pages are written."""
    _state["serving"] = command == "serve"


@contextmanager
def _plainly(layout: Layout) -> Iterator[None]:
    """Put what stops a build into one sentence, without Python's trace."""
    try:
        yield
    except GalleryError as error:
        raise PluginError(str(error)) from error
    except OSError as error:
        if not writing.concerns(error, layout.generated):
            raise
        raise PluginError(writing.sentence(error, layout.generated)) from error


@event_priority(FIRST)
def _before_config(config: MkDocsConfig) -> MkDocsConfig:
    root = Path(config.config_file_path).resolve().parent
    options = dict(config.plugins["gallery"].config)
    scripts = Path(options["examples_dirs"][0])
    layout = Layout(root, Path(config.docs_dir), root / scripts)
    with _plainly(layout):
        _state["lock"] = writing.lock(layout, log.info)
        now = inputs(root, options)
        _keep_loaded(now)
        if changed := stale.clear_changed(layout, now):
            log.info("All examples run again, because of a change in %s.", ", ".join(changed))
        for name in stale.drop_removed(layout):
            log.info("Removed what %s had left behind.", name)
        stale.drop_unfinished(layout)
    _state.update(layout=layout, inputs=now, options=options)
    return config


def _keep_loaded(now: dict[str, str]) -> None:
    """Count the build's own modules as they were when this process loaded them."""
    loaded = _state.setdefault("loaded", now["docs/site/"])
    if now["docs/site/"] != loaded:
        log.info("docs/site/ has changed: start `mkdocs serve` again to build with it.")
        now["docs/site/"] = loaded


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
    with _plainly(layout):
        cards.check(layout)
        budget.strict()
        stale.mark_running(layout, _state["inputs"])
        failures = running.run(layout, _setup(config), log.info, log.warning)
        for failure in failures:
            # A record at the level of an error would end a server that is strict.
            level = logging.INFO if _state.get("serving") else logging.ERROR
            log.log(level, "%s failed: %s", failure.example.key, failure.failure)
        if failures and _state.get("serving"):
            _state["layout"] = broken.show(layout, failures)
        elif failures:
            names = ", ".join(failure.example.key for failure in failures)
            raise PluginError(f"Failed: {names}. What the other examples made is kept.")


def _setup(config: MkDocsConfig) -> dict[str, Any]:
    """What a worker needs to know of the site, in words that JSON has."""
    site = {key: str(config[key]) for key in ("config_file_path", "docs_dir", "site_dir")}
    return {"options": _state["options"], "site": site}


@event_priority(LAST)
def _after_gallery(config: MkDocsConfig) -> None:
    layout: Layout = _state["layout"]
    with _plainly(layout):
        broken.let_run_again(layout)
        for example in layout.examples():
            pages.finish(example)
            for left in example.images.glob(f"thumb/mkd_glr_{example.stem}_thumb.*"):
                left.unlink()  # the plugin's own thumbnail, a stand-in
        cards.write_index(layout)
        feet.write(layout)
        _state["seen"] = seen.examples_by_name(layout)
        build_page.write(layout, _state["inputs"]["installed versions"])
        config.nav = _without_empty(config.nav)
        if not isinstance(layout, broken.Standing):
            stale.mark_complete(layout, _state["inputs"])
        if stood_in := running.stood_in(layout):
            log.info(
                "No hub was in reach for %s, which show packaged weights: "
                "delete docs/generated to run them again.",
                ", ".join(stood_in),
            )
        over = running.over_budget(layout)
        if over and budget.strict():
            raise GalleryError(f"Over their budget: {'; '.join(over)}.")
        for text in over:
            remark(log, f"Over its budget: {text}.")


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
def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Say on reference pages where the gallery shows a name; keep code out of the search."""
    layout: Layout = _state["layout"]
    if (Path(config.docs_dir) / page.file.src_uri).is_relative_to(layout.gallery):
        return unindexed(html)

    def address(path: str) -> str:
        target = files.get_file_from_path(path)
        return target.url_relative_to(page.file) if target else path

    return seen.insert(html, _state["seen"], layout, address)


@event_priority(LAST)
def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Repair the rendered page."""
    text, _state["sheets"] = styles.joined(once(repair(lightened(seen.shorten(output)))))
    return text


@event_priority(LAST)
def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:
    """Let the page for addresses that do not exist ask for the pages' style sheet."""
    return styles.joined(output)[0]


@event_priority(LAST)
def on_post_build(config: MkDocsConfig) -> None:
    """Write the pages' style sheet, and let the next build begin."""
    styles.write(Path(config.site_dir), _state["sheets"])
    _release()


def on_build_error(error: Exception) -> None:
    """Let the next build begin, after this one has failed."""
    _release()
    # What MkDocs and its plugins write themselves.
    layout: Layout | None = _state.get("layout")
    if layout and isinstance(error, OSError) and writing.concerns(error, layout.root):
        raise PluginError(writing.sentence(error, layout.root)) from error


def on_shutdown() -> None:
    """Let others build, after a tool that only reads the configuration, as mike does."""
    _release()


def _release() -> None:
    if lock := _state.pop("lock", None):
        lock.release(force=True)
