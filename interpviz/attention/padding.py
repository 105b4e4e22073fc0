"""Which positions of a captured layer are tokens, and which are padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.maps import AttentionMaps


def real_positions(maps: AttentionMaps, layer: str, item: int) -> tuple[np.ndarray, np.ndarray]:
    """Which queries and keys of one sequence are no padding.

    Told by the padding mask; where that is not known, as while hooks are registered, a key that no
    query of the layer sees is padding.

    Args:
        maps: The maps.
        layer: The layer's full name.
        item: Which sequence of the batch.

    Returns:
        Boolean, shapes `(query,)` and `(key,)`; all True where nothing tells, or nothing is left.
    """
    weights = maps.weights[layer]
    batch, _, queries, keys = weights.shape
    columns = _real(maps.keys_of(layer).padding_mask, batch, keys, item)
    if columns is None and layer in maps.visible:
        seen = maps.visible[layer]
        seen = seen[item if len(seen) == batch else 0].expand(-1, -1, keys)
        columns = seen.flatten(0, 1).any(0).cpu().numpy()
    if columns is None or not columns.any():
        columns = np.ones(keys, dtype=bool)
    if maps.kind_of(layer) == "cross":
        rows = _real(maps.queries_of(layer).padding_mask, batch, queries, item)
    else:
        # With a cache the queries are the last positions.
        rows = columns[keys - queries :] if queries <= keys else None
    if rows is None or not rows.any():
        rows = np.ones(queries, dtype=bool)
    return rows, columns


def _real(padding_mask: Tensor | None, batch: int, length: int, item: int) -> np.ndarray | None:
    if padding_mask is None or tuple(padding_mask.shape) != (batch, length):
        return None
    return np.asarray(padding_mask[item].cpu().numpy(), dtype=bool)
