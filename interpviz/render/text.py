"""A text whose tokens carry numbers, as coloured running text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from interpviz.errors import InputError
from interpviz.render.labels import values_of, visible
from interpviz.render.running import Paragraph
from interpviz.render.scales import beyond, colour_scale, ink_on
from interpviz.render.tokens import NEWLINE, clean_tokens
from interpviz.render.words import spaces_before

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["text_heatmap"]

WIDTH = 6.0
"""Inches of a new figure; on a phone its letters are then still read."""

BAR = 8.0
"""Height of a colour bar in points."""

LONGEST = 40
"""Letters of a token that are shown; a longer one is cut."""


def text_heatmap(
    values: Any,
    tokens: Sequence[str],
    ax: Axes | Sequence[Axes] | None = None,
    *,
    title: str | None = None,
    label: str = "share",
    cmap: str | Colormap | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    row_names: Sequence[str] | None = None,
    shared: bool = True,
    raw_tokens: bool = False,
    width: float | None = None,
) -> Figure:
    """Draw numbers of tokens as the colours of a running text.

    Word pieces are joined, spaces come from the marks of the tokenizer, and lines break between
    words. They are broken anew whenever the figure is drawn, and the letters become smaller where
    axes are too small for them. With several rows of numbers the text is repeated, one paragraph
    a row.

    In an SVG file the tokens are text, not outlines, with matplotlib's setting
    `svg.fonttype = "none"`.

    Args:
        values: Shape `(tokens,)` or `(rows, tokens)`, array or tensor. NaN leaves a token without
            a colour.
        tokens: One token a value.
        ax: Where to draw, one axes a row; a new figure of the needed height if left out.
        title: Title of the figure; above the first of the caller's axes.
        label: What the numbers are, with their unit, below the colour bar.
        cmap: Colour map; if left out a sequential one, or a diverging one where numbers are
            negative.
        vmin: Number at the lower end of the colours; 0 if left out, or `-vmax` for signed ones.
        vmax: Number at the upper end of the colours; the greatest if left out.
        row_names: A heading for each row.
        shared: Whether all rows have one scale of colours and one bar; else each has its own.
        raw_tokens: Show the tokens as they are, with the marks of the tokenizer.
        width: Width of a new figure in inches; 6 if left out.

    Returns:
        The figure that was drawn on.

    Raises:
        InputError: The values, tokens, names or axes do not match, or the ends of the scale are
            in the wrong order.
    """
    tokens = [str(token) for token in tokens]
    rows = _rows(values, tokens, row_names)
    scales = [colour_scale(rows if shared else row, cmap, vmin, vmax) for row in rows]
    if ax is None:
        figure, axes, bars = _new(len(rows), shared, WIDTH if width is None else width)
    else:
        figure, axes = _callers(ax, len(rows))
        bars = [None] * (1 if shared else len(rows))
    texts, spaces = _texts(tokens, raw_tokens), spaces_before(tokens)
    for place, (row, scale) in enumerate(zip(rows, scales, strict=True)):
        colours = [scale.to_rgba(value) if np.isfinite(value) else None for value in row]
        inks = [None if colour is None else ink_on(colour) for colour in colours]
        axes[place].set_axis_off()
        Paragraph(axes[place], texts, spaces, colours, inks)
        if row_names is not None:
            axes[place].set_title(row_names[place], loc="left", fontsize="medium", parse_math=False)
    for place, bar in enumerate(bars):
        values_of_bar, parents = (rows, axes) if shared else (rows[place], axes[place])
        _bar(figure, scales[place], values_of_bar, bar, parents, label)
    if title and ax is None:
        figure.suptitle(title, parse_math=False)
    elif title:
        axes[0].set_title(title, parse_math=False)
    if ax is None:
        _fit(figure, axes)
    return figure


def _rows(values: Any, tokens: Sequence[str], names: Sequence[str] | None) -> np.ndarray:
    """The values, `(rows, tokens)`, checked against the tokens and the names."""
    given = values_of(values)
    rows = given[None] if given.ndim == 1 else given
    if rows.ndim != 2 or 0 in rows.shape:
        raise InputError(
            "Numbers on a text need the shape (tokens,) or (rows, tokens), but these have shape "
            f"{given.shape}."
        )
    if rows.shape[1] != len(tokens):
        raise InputError(
            f"{len(tokens)} tokens were given for {rows.shape[1]} numbers: pass one token a "
            "number, special tokens such as [CLS] and [SEP] and padding included."
        )
    if names is not None and (isinstance(names, str) or len(names) != len(rows)):
        raise InputError(f"{len(rows)} rows of numbers need a list of {len(rows)} row_names.")
    return rows


def _texts(tokens: Sequence[str], raw_tokens: bool) -> list[str]:
    texts = tokens if raw_tokens else clean_tokens(tokens)
    one_line = ["".join(map(visible, text.replace("\n", NEWLINE))) for text in texts]
    return [text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…" for text in one_line]


def _new(rows: int, shared: bool, width: float) -> tuple[Figure, list[Axes], list[Axes | None]]:
    """A figure with axes for each paragraph, and for each colour bar below what it measures."""
    import matplotlib.pyplot as plt

    if not width > 0:
        raise InputError(f"A figure is some inches wide, not {width}.")
    is_bar = [False] * rows + [True] if shared else [False, True] * rows
    heights = [BAR if bar else 40.0 for bar in is_bar]
    figure = plt.figure(figsize=(width, sum(heights) / 72 + 1), layout="constrained")
    grid = figure.add_gridspec(len(is_bar), 1, height_ratios=heights)
    axes = [figure.add_subplot(grid[k]) for k, bar in enumerate(is_bar) if not bar]
    bars = [figure.add_subplot(grid[k], label="<colorbar>") for k, bar in enumerate(is_bar) if bar]
    return figure, axes, list(bars)


def _callers(ax: Axes | Sequence[Axes], rows: int) -> tuple[Figure, list[Axes]]:
    axes = list(np.atleast_1d(np.asarray(ax, dtype=object)).flat)
    if len(axes) != rows:
        raise InputError(
            f"{rows} rows of numbers need {rows} axes, but {len(axes)} were given: pass one axes "
            "a row, or leave ax out."
        )
    return cast("Figure", axes[0].get_figure(root=True)), axes


def _bar(
    figure: Figure,
    scale: ScalarMappable,
    values: np.ndarray,
    bar: Axes | None,
    parents: Axes | list[Axes],
    label: str,
) -> None:
    where: dict[str, Any] = {"cax": bar, "orientation": "horizontal"}
    if bar is None:
        where = {"ax": parents, "location": "bottom", "fraction": 0.08, "pad": 0.03, "aspect": 40}
    drawn = figure.colorbar(scale, extend=beyond(scale, values), **where)
    drawn.set_label(label, parse_math=False)


def _fit(figure: Figure, axes: Sequence[Axes]) -> None:
    """Give a new figure the height that its paragraphs were measured to need."""
    grid = cast("Any", axes[0].get_subplotspec()).get_gridspec()
    # What stands around the paragraphs is only known after a first layout.
    for _ in range(2):
        figure.draw_without_rendering()
        wanted, grown = list(grid.get_height_ratios()), 0.0
        for ax in axes:
            paragraph = next(a for a in ax.get_children() if isinstance(a, Paragraph))
            needed = paragraph.needed + 2.0
            grown += needed - ax.get_window_extent().height * 72 / figure.dpi
            wanted[ax.get_subplotspec().rowspan.start] = needed  # type: ignore[union-attr]
        for ax in figure.axes:
            if ax.get_label() == "<colorbar>":
                grown += BAR - ax.get_window_extent().height * 72 / figure.dpi
        grid.set_height_ratios(wanted)
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + grown / 72)
