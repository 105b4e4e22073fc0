"""Which versions a report was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("interpviz", "torch", "torchvision", "timm", "transformers", "numpy", "Pillow")


def versions() -> dict[str, str]:
    """The versions of Python and of what makes a report, by name."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
