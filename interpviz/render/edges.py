"""Which edges of a graph of attention are drawn, and how strong each is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Edges", "paths_to", "strongest_edges"]

FAINT = 0.02
"""Share of the greatest strength below which an edge would be drawn but hardly seen."""


MOST = 1000
"""How many edges are told apart in one picture."""


@dataclass(frozen=True)
class Edges:
    """The drawn edges of a graph over layers.

    Attributes:
        layer: Layer of each edge, from 0.
        query: Token after the layer that each edge leads to.
        key: Token before the layer that each edge comes from.
        strength: Strength of each edge, above 0.
        residual: Whether a token's residual connection is drawn, `(layers, token)`.
        reached: Whether a token is part of what is drawn, `(layers + 1, token)`, the input first.
        held: What the query holds of each token between the layers, `(layers + 1, token)`; None
            where there is no query.
    """

    layer: np.ndarray
    query: np.ndarray
    key: np.ndarray
    strength: np.ndarray
    residual: np.ndarray
    reached: np.ndarray
    held: np.ndarray | None


def strongest_edges(
    layers: np.ndarray, strongest: int | None, threshold: float | None, residual: bool
) -> Edges:
    """The strongest edges of every token.

    Args:
        layers: Weights, `(layers, query, key)`.
        strongest: How many edges a token has at most.
        threshold: The least strength of an edge.
        residual: Whether residual connections are drawn.
    """
    count, size = layers.shape[:2]
    drawn = _chosen(layers, strongest, threshold)
    return _edges(
        layers,
        drawn,
        np.full((count, size), residual),
        np.ones((count + 1, size), dtype=bool),
        None,
    )


def paths_to(
    attended: np.ndarray,
    kept: np.ndarray,
    query: int,
    strongest: int | None,
    threshold: float | None,
) -> Edges:
    """The edges by which a token of the last layer is reached, their strengths multiplied.

    Args:
        attended: Share that a token takes over from each other, `(layers, query, key)`.
        kept: Share that a token keeps over its residual connection, `(layers, token)`.
        query: The token of the last layer.
        strongest: How many edges a token has at most.
        threshold: The least strength of an edge.
    """
    count, size = kept.shape
    held = np.zeros((count + 1, size))
    held[count, query] = 1.0
    for layer in reversed(range(count)):
        above = held[layer + 1]
        held[layer] = above @ attended[layer] + above * kept[layer]
    strength = held[1:, :, None] * attended
    passed = held[1:] * kept
    chosen = _chosen(strength, strongest, threshold)
    residual = (passed > 0) & (passed >= _least(strength, threshold))
    reached = np.zeros((count + 1, size), dtype=bool)
    reached[count, query] = True
    for layer in reversed(range(count)):
        # An edge that hangs in the air would be no part of a path.
        chosen[layer] &= reached[layer + 1][:, None]
        residual[layer] &= reached[layer + 1]
        reached[layer] = chosen[layer].any(0) | residual[layer]
    return _edges(strength, chosen, residual, reached, held)


def _least(strength: np.ndarray, threshold: float | None) -> float:
    return FAINT * float(strength.max()) if threshold is None else threshold


def _chosen(strength: np.ndarray, strongest: int | None, threshold: float | None) -> np.ndarray:
    """The edges that are strong enough to be drawn, boolean, `(layers, query, key)`."""
    chosen = (strength > 0) & (strength >= _least(strength, threshold))
    if strongest is not None and strongest < strength.shape[-1]:
        order = np.argsort(-strength, axis=-1, kind="stable")[..., :strongest]
        among = np.zeros_like(chosen)
        np.put_along_axis(among, order, True, axis=-1)
        chosen &= among
    if threshold is None and chosen.sum() > MOST:
        places = np.flatnonzero(chosen)
        order = np.argsort(-strength.flat[places], kind="stable")
        chosen.flat[places[order[MOST:]]] = False
    return chosen


def _edges(
    strength: np.ndarray,
    drawn: np.ndarray,
    residual: np.ndarray,
    reached: np.ndarray,
    held: np.ndarray | None,
) -> Edges:
    layer, query, key = np.nonzero(drawn)
    return Edges(layer, query, key, strength[layer, query, key], residual, reached, held)
