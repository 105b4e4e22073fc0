"""Warnings that a strict build shows and does not count: the pages are right, their cost is not."""

from __future__ import annotations

import logging

from mkdocs.utils import CountHandler


def remark(log: logging.Logger, text: str) -> None:
    """Warn of something that must not fail a strict build.

    Args:
        log: A logger of the build.
        text: What to say.
    """
    for handler in logging.getLogger("mkdocs").handlers:
        if isinstance(handler, CountHandler):
            handler.addFilter(_counts)
    log.warning("%s", text, extra={"remark": True})


def _counts(record: logging.LogRecord) -> bool:
    return not hasattr(record, "remark")
