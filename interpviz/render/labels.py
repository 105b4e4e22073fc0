"""Axes that are labelled with tokens: as many as there is room for, and never one on another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import Formatter, FuncFormatter, Locator, NullLocator

from interpviz.errors import InputError
from interpviz.render.tokens import NEWLINE, clean_tokens, literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["TokenLocator", "figure_of", "heads_of", "label_axis", "shown", "values_of"]

LINE = 1.2
"""Height of a line of text over its font size, with the gap to the next."""

LONGEST = 16
"""Characters of a token that are shown; a longer one is cut."""


class TokenLocator(Locator):
    """Ticks at whole positions, thinned to what fits when the figure is drawn.

    Args:
        count: Number of positions.
        first: Positions that are to be labelled before all others, the most important first.
    """

    def __init__(self, count: int, first: Sequence[int] = ()) -> None:
        self.count = count
        self.first = list(first)

    def __call__(self) -> list[float]:
        """The positions to label in the part of the axis that is in view."""
        low, high = sorted(self.axis.get_view_interval())  # type: ignore[union-attr]
        return self.tick_values(float(low), float(high))

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """The positions to label between two ends of the axis.

        Args:
            vmin: Lower end.
            vmax: Upper end.
        """
        step = max(1, int(np.ceil((vmax - vmin) / self._room())))
        chosen: list[float] = []
        for place in [*self.first, *range(0, self.count, step)]:
            inside = vmin <= place <= vmax
            if inside and all(abs(place - other) >= step for other in chosen):
                chosen.append(place)
        return sorted(chosen)

    def _room(self) -> float:
        """How many lines of text fit along the axis."""
        axis: Any = self.axis
        box = axis.axes.get_window_extent()
        length = box.width if axis.axis_name == "x" else box.height
        points = length * 72 / axis.get_figure(root=True).dpi
        size = axis.get_major_ticks(1)[0].label1.get_size()
        return max(1.0, float(points / (size * LINE)))


def shown(tokens: Sequence[str], raw_tokens: bool) -> list[str]:
    """The texts to draw for some tokens.

    Args:
        tokens: The tokens.
        raw_tokens: Whether to show them as they are instead of cleaned.
    """
    texts = [str(token) for token in tokens] if raw_tokens else clean_tokens(tokens)
    one_line = [text.replace("\n", NEWLINE) for text in texts]
    return [text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…" for text in one_line]


def label_axis(axis: Axis, texts: Sequence[str], size: float, first: Sequence[int] = ()) -> None:
    """Label positions 0, 1, ... of an axis.

    Args:
        axis: The x or y axis.
        texts: One text a position. Those of the x axis are turned upright.
        size: Font size in points.
        first: Positions to label before all others where room is short.
    """
    axis.set_tick_params(labelsize=size, length=0, pad=2)
    if axis.axis_name == "x":  # type: ignore[attr-defined]
        axis.set_tick_params(labelrotation=90)
    axis.set_minor_locator(NullLocator())
    axis.set_major_locator(TokenLocator(len(texts), first))
    axis.set_major_formatter(_formatter(texts))


def _formatter(texts: Sequence[str]) -> Formatter:
    safe = [literal(text) for text in texts]

    def text_at(value: float, _place: int | None) -> str:
        index = round(value)
        return safe[index] if 0 <= index < len(safe) else ""

    return FuncFormatter(text_at)


def figure_of(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """The axes to draw on, and their figure.

    Args:
        ax: The caller's axes, or None for a new figure.
        size: Width and height of a new figure, in inches.
    """
    if ax is not None:
        return ax.get_figure(root=True), ax  # type: ignore[return-value]
    import matplotlib.pyplot as plt

    # Plain constrained layout needs several passes to settle around axes of a fixed aspect.
    figure, ax = plt.subplots(figsize=size, layout="compressed")
    return figure, ax


def values_of(array: Any) -> np.ndarray:
    """An array or tensor of any kind and floating type as NumPy float32 or float64.

    Args:
        array: A NumPy array, a nested list, or a tensor on any device.
    """
    if hasattr(array, "detach"):
        array = array.detach().float().cpu().numpy()
    values = np.asarray(array)
    return values if values.dtype == np.float64 else values.astype(np.float32)


def heads_of(
    weights: Any, tokens: Sequence[str], key_tokens: Sequence[str] | None
) -> tuple[np.ndarray, Sequence[str]]:
    """The weights of some heads, checked against their tokens.

    Args:
        weights: Shape `(heads, query, key)` or `(query, key)`.
        tokens: One token a query.
        key_tokens: One token a key, or None for the same tokens.

    Returns:
        The weights, `(heads, query, key)`, and the keys' tokens.

    Raises:
        InputError: Wrong dimensions, or as many tokens as there are not positions.
    """
    values = values_of(weights)
    if values.ndim == 2:
        values = values[None]
    if values.ndim != 3 or 0 in values.shape:
        raise InputError(
            "Attention weights need the shape (heads, query, key) or (query, key), "
            f"but these have shape {values.shape}."
        )
    keys = tokens if key_tokens is None else key_tokens
    for name, given, needed in (
        ("queries", tokens, values.shape[1]),
        ("keys", keys, values.shape[2]),
    ):
        if len(given) != needed and len(tokens) == len(keys) == values.shape[2]:
            raise InputError(
                f"{len(given)} tokens were given for weights with {values.shape[1]} queries and "
                f"{values.shape[2]} keys, as when decoding with a cache: pass the last "
                f"{values.shape[1]} as tokens and all as key_tokens."
            )
        if len(given) != needed:
            raise InputError(
                f"{len(given)} tokens were given for weights with {needed} {name}: pass one token "
                "per position, special tokens such as [CLS] and [SEP] and padding included."
            )
    return values, keys
