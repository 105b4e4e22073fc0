"""Trained models and free photos, each with its provenance, with or without a model hub.

Names load on first use, so `import interpviz.zoo` needs none of the `models` extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interpviz.zoo.any_model import Loaded
    from interpviz.zoo.external import find_model
    from interpviz.zoo.loaded import ZooModel
    from interpviz.zoo.models import load_model, model_names
    from interpviz.zoo.pictures import Photo, load_photo, photos
    from interpviz.zoo.provenance import Provenance

__all__ = [
    "Loaded",
    "Photo",
    "Provenance",
    "ZooModel",
    "find_model",
    "load_model",
    "load_photo",
    "model_names",
    "photos",
]

_HOME = {
    "Loaded": "any_model",
    "Photo": "pictures",
    "Provenance": "provenance",
    "ZooModel": "loaded",
    "find_model": "external",
    "load_model": "models",
    "load_photo": "pictures",
    "model_names": "models",
    "photos": "pictures",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"interpviz.zoo.{_HOME[name]}"), name)
    raise AttributeError(f"module 'interpviz.zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
