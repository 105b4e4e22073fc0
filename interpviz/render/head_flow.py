"""What one token attends to, as curves to the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError
from interpviz.render.labels import figure_of, heads_of, label_axis, shown, visible_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def token_flow(
    weights: Any,
    tokens: Sequence[str],
    query_idx: int,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    mask: Any = None,
    strongest: int = 3,
    raw_tokens: bool = False,
    key_tokens: Sequence[str] | None = None,
) -> Figure:
    """Draw what one token attends to, as curves from it to the keys.

    A curve's width and opacity grow with its weight. With several heads each has its own colour,
    and the values shown are means over the heads.

    Args:
        weights: Shape `(query, key)` for one head or `(heads, query, key)`, array or tensor.
        tokens: One token a query, and a key where `key_tokens` is None.
        query_idx: Which token attends, counted from 0 or, negative, from the end.
        ax: Where to draw; a new figure if left out.
        title: Title of the picture.
        mask: Boolean, `(query, key)`: True where a link is drawn.
        strongest: How many of the strongest links carry their value.
        raw_tokens: Show the tokens as they are, with the marks of the tokenizer.
        key_tokens: The tokens of the keys, where they are others (cross-attention).

    Returns:
        The figure that was drawn on.

    Raises:
        InputError: The tokens or the mask do not match the weights, or there is no such query.
    """
    heads, keys = heads_of(weights, tokens, key_tokens)
    if not -len(tokens) <= query_idx < len(tokens):
        raise InputError(
            f"There is no query {query_idx}: {len(tokens)} tokens have the indices 0 to "
            f"{len(tokens) - 1}."
        )
    query = query_idx % len(tokens)
    links = visible_cells(heads, mask)[:, query].filled(0.0)
    length = max(len(tokens), len(keys))
    figure, ax = figure_of(ax, (5.6, float(np.clip(0.22 * length, 2.6, 11.0)) + 0.8))
    mean = links.mean(axis=0)
    top = [int(key) for key in np.argsort(-mean, kind="stable")[:strongest] if mean[key] > 0]
    _curves(ax, links, query)
    texts = shown(keys, raw_tokens)
    valued = [f"{text}  {mean[k]:.2f}" if k in top else text for k, text in enumerate(texts)]
    _columns(ax, shown(tokens, raw_tokens), valued, query, top)
    if title:
        ax.set_title(title, parse_math=False)
    return figure


def _colors(count: int) -> list[Any]:
    """A colour a head: those of the style for few, evenly spaced ones for many."""
    import matplotlib as mpl

    if count <= 10:
        return [f"C{head}" for head in range(count)]
    return list(mpl.colormaps["turbo"](np.linspace(0.05, 0.95, count)))


def _curves(ax: Axes, links: np.ndarray, query: int) -> None:
    """One curve a head and key, from the query on the left to the key on the right."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba
    from matplotlib.lines import Line2D

    along = np.linspace(0.0, 1.0, 41)
    bend = along**2 * (3 - 2 * along)
    greatest = float(links.max()) or 1.0
    colors = _colors(len(links))
    # Heads end side by side, or the last one drawn would hide the others.
    spread = np.linspace(-0.33, 0.33, len(links)) if len(links) > 1 else [0.0]
    widest = max(2.0, 6.0 / len(links) ** 0.5)
    for head, row in enumerate(links):
        # Weaker ones would cost time and ink without being seen.
        keys = np.flatnonzero(row > 0.005 * greatest)
        share = row[keys] / greatest
        curves = [
            np.column_stack([along, query + (key + spread[head] - query) * bend]) for key in keys
        ]
        faint = [to_rgba(colors[head], float(alpha)) for alpha in 0.2 + 0.75 * share]
        lines = LineCollection(curves, colors=faint, linewidths=0.3 + (widest - 0.3) * share)
        lines.set_capstyle("round")
        lines.set_label(f"Head {head}")
        ax.add_collection(lines)
    if len(links) > 1:
        handles = [Line2D([], [], color=color, linewidth=3) for color in colors]
        names = [f"Head {head}" for head in range(len(links))]
        ax.legend(
            handles,
            names,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.01),
            ncols=min(4, len(links)),
            fontsize="small",
            frameon=False,
            handlelength=1.2,
        )


def _columns(
    ax: Axes, queries: Sequence[str], keys: Sequence[str], query: int, top: Sequence[int]
) -> None:
    """The tokens on both sides, and a dot where the curves begin."""
    size = 8.5 if len(keys) <= 45 else 7.0
    end = max(len(queries), len(keys)) - 0.5
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(end, -0.5)
    ax.set_xticks([])
    right = ax.twinx()
    right.set_ylim(end, -0.5)
    label_axis(ax.yaxis, queries, size, first=[query])
    label_axis(right.yaxis, keys, size, first=top)
    ax.plot([0.0], [query], "o", color="C0", markersize=7, clip_on=False, zorder=3)
    for side in (ax, right):
        for spine in side.spines.values():
            spine.set_visible(False)
    for place, name, align in ((0.0, "query", "right"), (1.0, "key", "left")):
        ax.annotate(
            name,
            (place, 1.0),
            xytext=(0, 4),
            xycoords="axes fraction",
            textcoords="offset points",
            ha=align,
            va="bottom",
            style="italic",
        )
