"""The colours and sizes that every picture shares."""

from __future__ import annotations

from textwrap import wrap
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


def caption(figure: Figure, text: str) -> Figure:
    """Write a caption below a figure, where it stays when the picture is saved or shared.

    Args:
        figure: Any matplotlib figure with a constrained layout; it grows by the caption's lines.
        text: What the reader needs to know, such as `m.provenance.caption`.

    Returns:
        The same figure.
    """
    # About 14 letters of this size fit into an inch.
    lines = wrap(text, max(int(14 * figure.get_figwidth()), 20))
    # The pictures keep their size: the figure grows by the lines of the caption.
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.2 * len(lines))
    label = figure.supxlabel("\n".join(lines), fontsize="small")
    label.set_parse_math(False)
    return figure
