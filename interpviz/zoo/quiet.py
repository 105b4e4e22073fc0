"""Keep the libraries that load weights from talking, and give them their voice back."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from interpviz.zoo.extras import require

_LOGGERS = ("transformers", "huggingface_hub", "timm")

# Verbosity and progress bars are settings of the whole process, so one thread at a time has them.
_LOCK = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence log lines, warnings and progress bars of the loading libraries.

    What the caller had set is set again afterwards, after an exception too.
    """
    hub = require("huggingface_hub.utils")
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        hub_bars = not hub.are_progress_bars_disabled()
        bars = _transformers_bars()
        try:
            for name in levels:
                logging.getLogger(name).setLevel(logging.ERROR)
            if bars:
                require("transformers.utils.logging").disable_progress_bar()
            if hub_bars:
                hub.disable_progress_bars()
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            if bars:
                require("transformers.utils.logging").enable_progress_bar()
            if hub_bars:
                hub.enable_progress_bars()


def _transformers_bars() -> bool:
    if "transformers" not in sys.modules:
        return False
    return bool(require("transformers.utils.logging").is_progress_bar_enabled())
