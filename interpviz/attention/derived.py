"""Maps and tensors made out of maps, layer by layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.selection import head_index
from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.maps import AttentionMaps


def one_head(maps: AttentionMaps, layer: str | int, head: int) -> Tensor:
    """The weights of one head, `(batch, query, key)`.

    Args:
        maps: The maps.
        layer: The layer's name or index.
        head: The head's number in the model.

    Raises:
        InputError: There is no such head, or it was not kept.
        LayerError: There is no such layer.
    """
    name = maps.weights.name_of(layer)
    kept = maps.heads.get(name)
    if kept is None:
        return maps.weights[name][:, head_index(head, maps.weights[name].shape[1])]
    if head not in kept:
        listed = ", ".join(str(one) for one in kept)
        raise InputError(f"Head {head!r} of '{name}' was not kept: those kept are {listed}.")
    return maps.weights[name][:, kept.index(head)]


def stacked(maps: AttentionMaps) -> Tensor:
    """All layers in one tensor, `(layers, batch, heads, query, key)`.

    Args:
        maps: The maps.

    Raises:
        InputError: The layers differ in shape, or there is none.
    """
    layers = list(maps.weights.values())
    shapes = {tuple(layer.shape): name for name, layer in maps.weights.items()}
    if len(shapes) != 1:
        found = " and ".join(f"{shape} in '{name}'" for shape, name in list(shapes.items())[:2])
        raise InputError(
            f"Only layers of one shape can be stacked, but these have {found or 'none'}: capture "
            "layers of one kind, or take them one by one with maps[layer]."
        )
    return torch.stack([layer.to(layers[0].device) for layer in layers])


def mean_heads(maps: AttentionMaps) -> AttentionMaps:
    """The mean over the heads of each layer, kept as a single head.

    Args:
        maps: The maps.
    """
    means = {name: layer.mean(1, keepdim=True) for name, layer in maps.weights.items()}
    visible = {name: seen.any(1, keepdim=True) for name, seen in maps.visible.items()}
    return replace(maps, weights=LayerWeights(means), heads={}, visible=visible)


def renormalised(maps: AttentionMaps) -> AttentionMaps:
    """The same with rows that sum to 1, where anything is left in them.

    Args:
        maps: The maps.
    """

    def whole(weights: Tensor) -> Tensor:
        total = weights.sum(-1, keepdim=True)
        return weights / total.where(total > 0, 1.0)

    return replace(
        maps, weights=LayerWeights({name: whole(layer) for name, layer in maps.weights.items()})
    )
