"""See what a neural network looked at: class activation maps and attention, drawn and measured.

Names load on first use, so `import interpviz` itself is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interpviz import attention, cam, errors, metrics, render, report, zoo
    from interpviz.attention import (
        AttentionVisualizer,
        BERTAttentionVisualizer,
        GPTAttentionVisualizer,
        ViTAttentionVisualizer,
        capture_attention,
    )
    from interpviz.cam import GradCAM, GradCAMPlusPlus, get_target_layer

__version__ = "0.1.0"

__all__ = [
    "AttentionVisualizer",
    "BERTAttentionVisualizer",
    "GPTAttentionVisualizer",
    "GradCAM",
    "GradCAMPlusPlus",
    "ViTAttentionVisualizer",
    "attention",
    "cam",
    "capture_attention",
    "errors",
    "get_target_layer",
    "metrics",
    "render",
    "report",
    "zoo",
]

_HOME = {
    "GradCAM": "cam",
    "GradCAMPlusPlus": "cam",
    "get_target_layer": "cam",
    "AttentionVisualizer": "attention",
    "BERTAttentionVisualizer": "attention",
    "GPTAttentionVisualizer": "attention",
    "ViTAttentionVisualizer": "attention",
    "capture_attention": "attention",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"interpviz.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"interpviz.{name}")
    raise AttributeError(f"module 'interpviz' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
