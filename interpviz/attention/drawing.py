"""Heads with their tokens, drawn and put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interpviz.attention.selection import head_index, real_queries, strongest_link
from interpviz.errors import InputError
from interpviz.render.head_flow import token_flow
from interpviz.render.heads import head_heatmap, heads_grid
from interpviz.render.style import describe
from interpviz.render.tokens import clean_tokens

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class HeadDrawing:
    """The heads of one layer for one sequence, as they are to be drawn.

    Attributes:
        heads: Shape `(heads, query, key)`.
        tokens: One token a query.
        keys: One token a key.
        mask: Boolean, `(query, key)`, True where a cell is drawn; None for all.
        raw_tokens: Whether tokens are shown with the marks of their tokenizer.
    """

    heads: np.ndarray
    tokens: Sequence[str]
    keys: Sequence[str]
    mask: np.ndarray | None
    raw_tokens: bool

    def head(self, head_idx: int, ax: Axes | None, cmap: str | Colormap) -> Figure:
        """Draw one head as a heat map.

        Args:
            head_idx: Which head.
            ax: Where to draw; a new figure if None.
            cmap: Colour map.
        """
        head = head_index(head_idx, len(self.heads))
        return self._heatmap(
            self.heads[head], f"Head {head}", f"Heat map of attention head {head}.", ax, cmap
        )

    def mean(self, layer: str, ax: Axes | None, cmap: str | Colormap) -> Figure:
        """Draw the mean over the heads as a heat map.

        Args:
            layer: The layer's name.
            ax: Where to draw; a new figure if None.
            cmap: Colour map.
        """
        what = f"mean of {len(self.heads)} heads"
        alt = f"Heat map of attention in layer {layer}, {what}."
        return self._heatmap(self.heads.mean(axis=0), f"{layer}\n{what}", alt, ax, cmap)

    def grid(self, cmap: str | Colormap) -> Figure:
        """Draw all heads.

        Args:
            cmap: Colour map.
        """
        figure = heads_grid(
            self.heads,
            self.tokens,
            cmap=cmap,
            mask=self.mask,
            raw_tokens=self.raw_tokens,
            key_tokens=self.keys,
        )
        focus = self.heads.max(axis=-1)[:, real_queries(self.tokens)].mean(axis=-1)
        sharpest = int(focus.argmax())
        seen = strongest_link(self.heads[sharpest], self.tokens, self.keys)
        return _described(
            figure,
            f"Heat maps of {len(self.heads)} attention heads. The most focused is head {sharpest}. "
            f"{seen}",
        )

    def flow(self, query_idx: int, head_idx: int | None, ax: Axes | None) -> Figure:
        """Draw what one token attends to, as curves.

        Args:
            query_idx: Which token attends.
            head_idx: Which head; None for all.
            ax: Where to draw; a new figure if None.
        """
        query = query_index(query_idx, self.heads.shape[1])
        drawn, which = self.heads, f"all {len(self.heads)} heads"
        if head_idx is not None:
            head = head_index(head_idx, len(self.heads))
            drawn, which = self.heads[[head]], f"head {head}"
        figure = token_flow(
            drawn,
            self.tokens,
            query,
            ax,
            title=which.capitalize(),
            mask=self.mask,
            raw_tokens=self.raw_tokens,
            key_tokens=self.keys,
        )
        row = drawn.mean(axis=0)[query]
        greatest = int(row.argmax())
        return _described(
            figure,
            f"Curves from the token {clean_tokens(self.tokens)[query]!r} to what it attends to in "
            f"{which}: most to {clean_tokens(self.keys)[greatest]!r}, with {row[greatest]:.2f}.",
        )

    def _heatmap(
        self, weights: np.ndarray, title: str, alt: str, ax: Axes | None, cmap: str | Colormap
    ) -> Figure:
        figure = head_heatmap(
            weights,
            self.tokens,
            ax,
            title=title,
            cmap=cmap,
            mask=self.mask,
            raw_tokens=self.raw_tokens,
            key_tokens=self.keys,
        )
        return _described(figure, f"{alt} {strongest_link(weights, self.tokens, self.keys)}")


def query_index(query_idx: int, count: int) -> int:
    """A query counted from the start.

    Args:
        query_idx: Which query, counted from 0 or, negative, from the end.
        count: How many there are.

    Raises:
        InputError: There is no such query, or it is not a whole number.
    """
    if not isinstance(query_idx, int | np.integer) or isinstance(query_idx, bool):
        raise InputError(f"A query is given by its place, 0 to {count - 1}, not by {query_idx!r}.")
    if not -count <= query_idx < count:
        raise InputError(
            f"There is no query {query_idx}: {count} tokens have the indices 0 to {count - 1}."
        )
    return int(query_idx) % count


def _described(figure: Figure, alt: str) -> Figure:
    """Describe a figure, unless the caller has already described his own."""
    return figure if figure.get_label() else describe(figure, alt)
