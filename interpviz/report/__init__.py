"""Your model and your images, from a folder to something that can be browsed.

Names load on first use, so that `import interpviz.report` needs none of the `models` extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interpviz.report.building import Summary, build
    from interpviz.report.options import Options

__all__ = ["Options", "Summary", "build"]

_HOME = {"Options": "options", "Summary": "building", "build": "building"}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"interpviz.report.{_HOME[name]}"), name)
    raise AttributeError(f"module 'interpviz.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
