"""Throw away what no longer holds, and only that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping

import pages
import timing
import writing
from digest import differing
from layout import Example, Layout


def clear_changed(layout: Layout, now: Mapping[str, str]) -> list[str]:
    """Clear all generated pages if anything that they depend on has changed.

    The new inputs are written before any example runs, marked as not complete: a build that
    is cut off keeps the examples that it had finished, and is never taken for a whole one.

    Args:
        layout: The folders of the checkout.
        now: The inputs of this build.

    Returns:
        The names of the inputs that differ; none where the pages are kept.
    """
    before = _stamped(layout)
    changed = differing(before or {}, now)
    if before is not None and not changed:
        return []
    # The stamp goes first: a build cut off while it clears then clears again.
    layout.stamp.unlink(missing_ok=True)
    _clear(layout)
    _stamp(layout, now, complete=False)
    return changed if before is not None else []


def _clear(layout: Layout) -> None:
    """Delete everything but how long examples took, and the lock of this very build."""
    kept = {writing.lock_file(layout), *map(timing.path, layout.examples())}
    for path in sorted(layout.generated.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            path.unlink()


def mark_complete(layout: Layout, now: Mapping[str, str]) -> None:
    """Say that every example has run with these inputs."""
    _stamp(layout, now, complete=True)


def mark_running(layout: Layout, now: Mapping[str, str]) -> None:
    """Say that a build is under way."""
    _stamp(layout, now, complete=False)


def is_complete(layout: Layout) -> bool:
    """Whether the last build came to the end of the gallery."""
    return layout.stamp.is_file() and bool(_read(layout).get("complete"))


def drop_removed(layout: Layout) -> list[str]:
    """Delete what was made from scripts that are gone; returns their names."""
    if not layout.gallery.is_dir():
        return []
    known = {example.key for example in layout.examples()}
    gone = []
    for script in sorted(layout.gallery.rglob("*.py")):
        example = Example(layout.scripts / script.parent.name / script.name, script.parent)
        if example.key not in known:
            forget(example, keep_script=False)
            timing.path(example).unlink(missing_ok=True)
            gone.append(example.key)
    sections = {section.name for section in layout.sections()}
    for folder in layout.gallery.iterdir():
        if folder.is_dir() and folder.name not in sections:
            shutil.rmtree(folder)
    return gone


def drop_unfinished(layout: Layout) -> None:
    """Let every example run again whose pages were not all written."""
    for example in layout.examples():
        if example.done.is_file() and not _finished(example):
            forget(example)


def _finished(example: Example) -> bool:
    run = timing.load(example)
    made = example.page.is_file() and example.notebook.is_file()
    return made and run is not None and run.finished


def forget(example: Example, *, keep_script: bool = True) -> None:
    """Delete what was made from a script.

    Args:
        example: The example.
        keep_script: Keep the copy of the script, which is written before the script runs.
    """
    for path in list(example.made()):
        if not (keep_script and path == example.script):
            path.unlink(missing_ok=True)


def _stamped(layout: Layout) -> dict[str, str] | None:
    return _read(layout).get("inputs") if layout.stamp.is_file() else None


def _read(layout: Layout) -> dict[str, dict[str, str]]:
    try:
        return json.loads(layout.stamp.read_text(encoding="utf-8"))
    except ValueError:  # cut off while it was written
        return {}


def _stamp(layout: Layout, now: Mapping[str, str], *, complete: bool) -> None:
    layout.stamp.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"complete": complete, "inputs": dict(now)}, indent=1)
    pages.replace(layout.stamp, text + "\n")
