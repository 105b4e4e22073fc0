"""The main direction of an image's activations."""

from __future__ import annotations

import torch
from torch import Tensor

from interpviz.cam.engine.precision import as_float64


def main_component(values: Tensor) -> Tensor:
    """Project each position's channels on the first principal component of the image.

    A component has no sign of its own. Of the two, the one is taken whose projection goes with the
    mean over channels: bright is where the layer is active.

    Args:
        values: Tensor `(N, C, h, w)`.

    Returns:
        Tensor `(N, h, w)`, of mean zero in each image.
    """
    positions = as_float64(values.flatten(2).transpose(1, 2))
    centred = positions - positions.mean(1, keepdim=True)
    # The smaller of the two Gram matrices has the same first singular vector.
    if centred.shape[1] <= centred.shape[2]:
        strength, vectors = torch.linalg.eigh(centred @ centred.transpose(1, 2))
        projected = vectors[..., -1] * strength[:, -1:].clamp(min=0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(centred.transpose(1, 2) @ centred)
        projected = (centred @ vectors[..., -1:])[..., 0]
    return (
        bright_where_active(projected, centred).reshape(len(values), *values.shape[2:]).to(values)
    )


def bright_where_active(projected: Tensor, centred: Tensor) -> Tensor:
    """Of a component's two signs the one that goes with the mean over channels.

    Args:
        projected: Tensor `(N, P)`, the component at each position.
        centred: Tensor `(N, P, C)`, the positions' channels, of mean zero over the positions.
    """
    together = (projected * centred.mean(2)).sum(1, keepdim=True)
    return torch.where(together < 0, -projected, projected)
