"""Attention as a graph over the layers: tokens are nodes, weights are edges between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError
from interpviz.render.edges import Edges, paths_to, strongest_edges
from interpviz.render.labels import figure_of, heads_of, label_axis, shown, values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["attention_graph"]

GREY = "0.55"
"""Nodes and residual connections, seen on light and dark paper."""

VALUED = 5
"""How many of the strongest input tokens carry their value where paths are drawn."""


def attention_graph(
    weights: Any,
    tokens: Sequence[str],
    ax: Axes | None = None,
    *,
    query_idx: int | None = None,
    strongest: int | None = 3,
    threshold: float | None = None,
    residual: float = 0.0,
    title: str | None = None,
    raw_tokens: bool = False,
    layer_names: Sequence[str] | None = None,
) -> Figure:
    """Draw the attention of all layers as a graph from the input tokens to those of the last layer.

    Each column of nodes holds the tokens between two layers, the input on the left. An edge of
    layer l leads from the key in the column before it to the query in the column after it; its
    width and opacity grow with its weight.

    With `query_idx` only what reaches this token of the last layer is drawn, and an edge's
    strength is multiplied along the way:

    `s(L)(i) = 1 at the query, else 0; edge(l)(i, j) = s(l)(i) A'(l)(i, j)`

    `s(l - 1)(j) = sum over i of edge(l)(i, j)`

    with A'(l) the rows of `residual I + (1 - residual) A(l)`, each divided by its sum. So s(0),
    written beside the strongest input tokens, is the query's row of attention rollout. All edges
    count for it, drawn or not. After the drawing in Abnar and Zuidema, "Quantifying Attention Flow
    in Transformers", ACL 2020.

    Args:
        weights: Shape `(layers, query, key)`, array or tensor, or a list of one `(query, key)` a
            layer, the layer nearest the input first, at least 0. NaN counts as 0.
        tokens: One token a position.
        ax: Where to draw; a new figure if left out.
        query_idx: The token of the last layer whose paths are drawn, counted from 0 or, negative,
            from the end; None for the edges of all tokens.
        strongest: How many of its strongest edges each token has at most; None for all.
        threshold: The strength that an edge needs to be drawn. If left out, the 1000 strongest
            edges are drawn at most, and none below a fiftieth of the greatest.
        residual: The share of the residual connection in [0, 1], drawn as thin grey lines: 0.5 as
            in attention rollout, 0 for none.
        title: Title of the picture.
        raw_tokens: Show the tokens as they are, with the marks of the tokenizer.
        layer_names: A name for each layer; their numbers, from 0, if left out.

    Returns:
        The figure that was drawn on.

    Raises:
        InputError: The weights, tokens or names do not match, there is no such query, or an
            option is out of range.
    """
    layers = _layers(weights, tokens, layer_names)
    _require_options(layers, query_idx, strongest, residual)
    count, size = layers.shape[:2]
    if query_idx is None:
        edges = strongest_edges(layers, strongest, threshold, residual > 0)
    else:
        attended, kept = _mixed(layers, residual)
        edges = paths_to(attended, kept, query_idx % size, strongest, threshold)
    height = float(np.clip(0.22 * size, 2.6, 11.0)) + 1.2
    width = float(np.clip(0.55 * count + 2.4, 4.6, 8.0))
    figure, ax = figure_of(ax, (width, height))
    query = None if query_idx is None else query_idx % size
    _draw_edges(ax, edges)
    _draw_nodes(ax, edges, query)
    _draw_legend(ax, edges, "weight" if query is None else "share of the query")
    _label(ax, edges, shown(tokens, raw_tokens), query, layer_names)
    if title:
        ax.set_title(title, parse_math=False)
    return figure


def _layers(weights: Any, tokens: Sequence[str], names: Sequence[str] | None) -> np.ndarray:
    """The weights of all layers, float64, checked against the tokens and the names."""
    if isinstance(weights, list | tuple) and weights:
        given = [values_of(layer) for layer in weights]
        if any(layer.shape != given[0].shape for layer in given):
            raise InputError("The layers differ in shape: a graph needs one text in all of them.")
        weights = np.stack(given)
    values = values_of(weights)
    if values.ndim != 3 or 0 in values.shape or values.shape[1] != values.shape[2]:
        raise InputError(
            "A graph needs self-attention of the shape (layers, query, key), such as the mean of "
            f"each layer's heads, but this has shape {values.shape}."
        )
    heads_of(values, tokens, None)
    if (values < 0).any():
        raise InputError("Weights of a graph are at least 0, but some are negative.")
    if names is not None and len(names) != len(values):
        raise InputError(f"{len(values)} layers need as many layer_names, not {len(names)}.")
    return np.nan_to_num(values.astype(np.float64))


def _mixed(layers: np.ndarray, residual: float) -> tuple[np.ndarray, np.ndarray]:
    """What a token takes over from each other and what it keeps, together 1 for each token."""
    taken = (1 - residual) * layers
    total = taken.sum(-1) + residual
    # A row that holds nothing at all passes its token on unchanged, as in rollout.
    kept = np.divide(residual, total, out=np.ones_like(total), where=total > 0)
    return taken / np.where(total > 0, total, 1.0)[..., None], kept


def _require_options(
    layers: np.ndarray, query_idx: int | None, strongest: int | None, residual: float
) -> None:
    size = layers.shape[1]
    if query_idx is not None and not -size <= query_idx < size:
        raise InputError(
            f"There is no query {query_idx}: {size} tokens have the indices 0 to {size - 1}."
        )
    if strongest is not None and strongest < 1:
        raise InputError(f"strongest is a number of edges, at least 1, not {strongest}.")
    if not 0 <= residual <= 1:
        raise InputError(f"residual is a share from 0 to 1, not {residual}.")


def _draw_edges(ax: Axes, edges: Edges) -> None:
    from matplotlib.collections import LineCollection

    token = np.nonzero(edges.residual)
    grey = LineCollection(
        _segments(token[0], token[1], token[1]), colors=GREY, linewidths=0.7, alpha=0.6, zorder=1
    )
    grey.set_label("residual connection")
    ax.add_collection(grey)
    # The strongest lie on top.
    order = np.argsort(edges.strength, kind="stable")
    colours, widths = _strokes(edges, edges.strength[order])
    lines = LineCollection(
        _segments(edges.layer[order], edges.query[order], edges.key[order]),
        colors=colours,
        linewidths=widths,
        capstyle="round",
        zorder=2,
    )
    lines.set_label("attention")
    ax.add_collection(lines)


def _segments(layer: np.ndarray, query: np.ndarray, key: np.ndarray) -> list[np.ndarray]:
    """Lines from the key before a layer to the query after it, each of shape `(2, 2)`."""
    # A layer's number stands at the middle of its edges.
    before, after = np.stack([layer - 0.5, key], -1), np.stack([layer + 0.5, query], -1)
    return list(np.stack([before, after], 1))


def _strokes(edges: Edges, strength: Any) -> tuple[np.ndarray, np.ndarray]:
    """Colours `(edges, 4)` and widths in points of edges of some strengths."""
    from matplotlib.colors import to_rgba

    share = np.asarray(strength) / (edges.strength.max() if edges.strength.size else 1.0)
    # Thick edges of many tokens would run into one surface.
    widest = float(np.clip(200 / edges.reached.shape[1], 1.2, 4.5))
    colours = np.tile(to_rgba("C0"), (len(share), 1))
    colours[:, 3] = 0.25 + 0.7 * share
    return colours, 0.5 + (widest - 0.5) * share


def _draw_nodes(ax: Axes, edges: Edges, query: int | None) -> None:
    column, token = np.nonzero(edges.reached)
    radius = float(np.clip(90 / edges.reached.shape[1], 0.6, 3.0))
    ax.scatter(column - 0.5, token, s=radius**2, color=GREY, linewidths=0, zorder=3)
    if query is not None:
        end = len(edges.reached) - 1.5
        ax.plot([end], [query], "o", color="C0", markersize=7, clip_on=False, zorder=4)


def _draw_legend(ax: Axes, edges: Edges, name: str) -> None:
    from matplotlib.lines import Line2D

    handles, texts = [], []
    if edges.strength.size:
        greatest = float(edges.strength.max())
        values = [greatest, greatest / 4]
        for value, colour, width in zip(values, *_strokes(edges, values), strict=True):
            handles.append(Line2D([], [], color=tuple(colour), linewidth=width))
            texts.append(f"{name} {value:.2g}")
    if edges.residual.any():
        handles.append(Line2D([], [], color=GREY, linewidth=0.9))
        texts.append("residual connection")
    if handles:
        ax.legend(
            handles,
            texts,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.01),
            ncols=2,
            fontsize="small",
            frameon=False,
        )


def _label(
    ax: Axes,
    edges: Edges,
    texts: Sequence[str],
    query: int | None,
    layer_names: Sequence[str] | None,
) -> None:
    """The input tokens on the left, those of the last layer on the right, layers at the top."""
    from matplotlib.ticker import MaxNLocator

    top: list[int] = []
    valued = list(texts)
    if edges.held is not None:
        held = edges.held[0]
        top = [int(k) for k in np.argsort(-held, kind="stable")[:VALUED] if held[k] >= 0.005]
        valued = [f"{text}  {held[k]:.2f}" if k in top else text for k, text in enumerate(texts)]
    count, size = edges.residual.shape
    ax.set_xlim(-0.5 - 0.01 * count, count - 0.5 + 0.01 * count)
    right = ax.twinx()
    for side in (ax, right):
        side.set_ylim(size - 0.5, -0.5)
        side.spines[:].set_visible(False)
    points = 8.5 if size <= 45 else 7.0
    label_axis(ax.yaxis, valued, points, first=top)
    label_axis(right.yaxis, texts, points, first=[] if query is None else [query])
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_xlabel("layer")
    if layer_names is not None:
        label_axis(ax.xaxis, shown(layer_names, raw_tokens=True), 8.0)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
        ax.xaxis.set_tick_params(length=0, pad=2)
