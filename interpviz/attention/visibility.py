"""Which keys a query can see, as the statistics and the pattern scores count them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Array: TypeAlias = "np.ndarray | Tensor"


def as_weights(weights: Array) -> Tensor:
    """Attention weights as a float32 tensor, on their device.

    Args:
        weights: Shape `(..., query, key)`.

    Raises:
        InputError: There are fewer than two dimensions, or values that are not finite or below 0.
    """
    tensor = torch.as_tensor(weights).detach().float()
    if tensor.dim() < 2:
        raise InputError(
            "Attention weights need the shape (..., query, key), "
            f"but these have shape {tuple(tensor.shape)}."
        )
    if not bool(torch.isfinite(tensor).all()):
        raise InputError("The attention weights hold NaN or infinite values.")
    if tensor.numel() and bool(tensor.amin() < 0):
        raise InputError(
            "The attention weights hold values below 0: pass the weights behind the softmax, not "
            "logits or relevance."
        )
    return tensor


def like(result: Tensor, given: Array) -> Array:
    """A result as the kind of array that the user gave."""
    return result if isinstance(given, torch.Tensor) else np.asarray(result.cpu().numpy())


def visible_keys(
    weights: Tensor, mask: Array | None, causal: bool, padding_mask: Array | None
) -> Tensor:
    """Where a query can see a key.

    Args:
        weights: Shape `(..., query, key)`.
        mask: True where visible, broadcast to the shape of the weights.
        causal: Whether later keys are invisible. Queries are the last of the keys' positions.
        padding_mask: 1 for real tokens, shape `(key,)` or `(batch, key)`. Padded keys are
            invisible, and a padded query sees nothing where there are as many queries as keys.

    Returns:
        A boolean tensor of the shape of the weights.

    Raises:
        InputError: A mask does not fit the weights.
    """
    queries, keys = weights.shape[-2:]
    visible = torch.ones_like(weights, dtype=torch.bool)
    if causal:
        lower = torch.ones(queries, keys, dtype=torch.bool, device=weights.device)
        visible = visible & lower.tril(keys - queries)
    if mask is not None:
        visible = visible & _fitted(torch.as_tensor(mask, device=weights.device), weights, "mask")
    if padding_mask is not None:
        real = torch.as_tensor(padding_mask, device=weights.device).bool()
        if real.dim() >= weights.dim() or real.dim() < 1:
            raise InputError(
                f"A padding mask of shape {tuple(real.shape)} does not fit weights of shape "
                f"{tuple(weights.shape)}: it needs the shape (key,) or (batch, key)."
            )
        between = (1,) * (weights.dim() - real.dim())
        columns = real.reshape(*real.shape[:-1], *between, real.shape[-1])
        visible = visible & _fitted(columns, weights, "padding mask")
        if queries == keys:
            visible = visible & columns.transpose(-1, -2)
    return visible


def _fitted(mask: Tensor, weights: Tensor, name: str) -> Tensor:
    try:
        return mask.bool().broadcast_to(weights.shape)
    except RuntimeError:
        raise InputError(
            f"A {name} of shape {tuple(mask.shape)} does not fit weights of shape "
            f"{tuple(weights.shape)}."
        ) from None
