"""Your model and your images or texts, from a folder or file to something that can be browsed.

Names load on first use, so that `import interpviz.report` needs none of the `models` extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interpviz.report.building import build
    from interpviz.report.options import Options
    from interpviz.report.summary import Summary
    from interpviz.report.texts.building import build_texts
    from interpviz.report.texts.options import TextOptions

__all__ = ["Options", "Summary", "TextOptions", "build", "build_texts"]

_HOME = {
    "Options": "options",
    "Summary": "summary",
    "TextOptions": "texts.options",
    "build": "building",
    "build_texts": "texts.building",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"interpviz.report.{_HOME[name]}"), name)
    raise AttributeError(f"module 'interpviz.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
