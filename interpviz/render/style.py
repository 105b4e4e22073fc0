"""The colours and sizes that every picture shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAP_CMAP = "inferno"
"""Colour map of class activation maps: perceptually even, dark where there is no evidence."""

SIGNED_CMAP = "RdBu_r"
"""Colour map of differences: red above zero, blue below, white at zero."""

ATTENTION_CMAP = "viridis"
"""Colour map of attention weights: perceptually even and safe for colour-blind readers."""


def describe(figure: Figure, alt: str) -> Figure:
    """Give a figure its alternative text: what is seen, for who cannot see it.

    The text is stored as the figure's label, where the gallery finds it.

    Args:
        figure: Any matplotlib figure.
        alt: One or two plain sentences.

    Returns:
        The same figure.
    """
    figure.set_label(" ".join(alt.split()))
    return figure
