"""Axes that are labelled with tokens: as many as there is room for, and never one on another."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.ticker import Formatter, FuncFormatter, Locator, NullLocator
from matplotlib.transforms import Bbox

from interpviz.errors import InputError
from interpviz.render.tokens import NEWLINE, clean_tokens, literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.backend_bases import RendererBase
    from matplotlib.figure import Figure

__all__ = [
    "TokenLocator",
    "figure_of",
    "heads_of",
    "label_axis",
    "shown",
    "values_of",
    "visible",
    "visible_cells",
]

LINE = 1.2
"""Height of a line of text over its font size, with the gap to the next."""

DIGIT = 0.65
"""Width of a digit over its font size."""

LONGEST = 16
"""Characters of a token that are shown; a longer one is cut."""


class TokenLocator(Locator):
    """Ticks at whole positions, thinned to what fits when the figure is drawn.

    Args:
        count: Number of positions.
        first: Positions that are to be labelled before all others, the most important first.
        line: What a label takes along the axis, over its font size.
    """

    def __init__(self, count: int, first: Sequence[int] = (), line: float = LINE) -> None:
        self.count = count
        self.line = line
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
        return max(1.0, float(points / (size * self.line)))


class _Room(Artist):
    """The place that the longest label of an axis takes, whether or not it is among those drawn.

    A layout measures the labels before it moves the axes, and then others may fit.
    """

    def __init__(self, axis: Axis, texts: Sequence[str]) -> None:
        super().__init__()
        self.axis = axis
        longest = max(map(len, texts), default=0)
        self.longest = {text for text in texts if len(text) >= longest - 2}
        self.set_clip_on(False)

    def draw(self, renderer: RendererBase) -> None:
        """Draw nothing."""

    def get_tightbbox(self, renderer: RendererBase | None = None) -> Bbox | None:
        """The box beside the axes, in pixels, or None where all labels are drawn or none is."""
        axis: Any = self.axis
        tick = axis.get_major_ticks(1)[0]
        sides = tick.label1.get_visible(), tick.label2.get_visible()
        locator = axis.get_major_locator()
        shown = any(sides) and axis.get_visible() and axis.axes.axison
        # The caller may have set other ticks.
        if renderer is None or not shown or not isinstance(locator, TokenLocator):
            return None
        if len(locator()) >= locator.count:
            return None
        font = tick.label1.get_fontproperties()
        pen: Any = renderer
        widths = [pen.get_text_width_height_descent(t, font, False)[0] for t in self.longest]
        depth = max(widths) + pen.points_to_pixels(tick.get_pad())
        upright = axis.axis_name == "y"
        if axis.label.get_text():
            name = axis.label.get_window_extent(renderer)
            depth += (name.width if upright else name.height) + pen.points_to_pixels(axis.labelpad)
        box = axis.axes.get_window_extent(renderer)
        before, after = depth * sides[0], depth * sides[1]
        if upright:
            return Bbox.from_extents(box.x0 - before, box.y0, box.x1 + after, box.y1)
        return Bbox.from_extents(box.x0, box.y0 - before, box.x1, box.y1 + after)


def shown(tokens: Sequence[str], raw_tokens: bool) -> list[str]:
    """The texts to draw for some tokens.

    Args:
        tokens: The tokens.
        raw_tokens: Whether to show them as they are instead of cleaned.
    """
    texts = [str(token) for token in tokens] if raw_tokens else clean_tokens(tokens)
    texts = ["".join(map(visible, text.replace("\n", NEWLINE))) for text in texts]
    return [text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…" for text in texts]


def visible(character: str) -> str:
    r"""The character, or its code such as `\x07` where fonts and SVG have no place for it.

    Args:
        character: A single one.
    """
    if unicodedata.category(character) in ("Cc", "Cs", "Cn"):
        return character.encode("unicode_escape").decode("ascii")
    return character


def label_axis(
    axis: Axis,
    texts: Sequence[str],
    size: float,
    first: Sequence[int] = (),
    *,
    upright: bool = True,
) -> None:
    """Label positions 0, 1, ... of an axis.

    Args:
        axis: The x or y axis.
        texts: One text a position.
        size: Font size in points.
        first: Positions to label before all others where room is short.
        upright: Whether the texts of an x axis are turned by 90 degrees, as words need; numbers
            are read better as they are.
    """
    axis.set_tick_params(labelsize=size, length=0, pad=2)
    across = axis.axis_name == "x"  # type: ignore[attr-defined]
    if across and upright:
        axis.set_tick_params(labelrotation=90)
    flat = across and not upright
    line = DIGIT * max(map(len, texts), default=1) + 0.5 if flat else LINE
    axis.set_minor_locator(NullLocator())
    axis.set_major_locator(TokenLocator(len(texts), first, line))
    axis.set_major_formatter(_formatter(texts))
    if not flat:
        axis.axes.add_artist(_Room(axis, texts))


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


def visible_cells(heads: np.ndarray, mask: Any) -> np.ma.MaskedArray[Any, Any]:
    """Some heads with the cells that stay blank masked.

    Args:
        heads: Shape `(heads, query, key)`. NaN stays blank.
        mask: Boolean, `(query, key)`, array or tensor: True where a cell is drawn; None for all.

    Raises:
        InputError: The mask has another shape.
    """
    hidden = np.isnan(heads)
    if mask is not None:
        seen = np.asarray(mask.cpu() if hasattr(mask, "cpu") else mask, dtype=bool)
        if seen.shape != heads.shape[1:]:
            raise InputError(
                f"A mask of shape {seen.shape} does not fit heads of shape {heads.shape[1:]}."
            )
        hidden = hidden | ~seen
    return np.ma.masked_array(heads, hidden)
