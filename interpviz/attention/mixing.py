"""Attention rollout: what the layers together look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch

from interpviz.attention.maps import AttentionMaps
from interpviz.attention.visibility import Array, as_weights, visible_keys
from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

LayerStack: TypeAlias = "AttentionMaps | Mapping[str, Tensor] | Sequence[Array] | Array"
HeadFusion: TypeAlias = Literal["mean", "max", "min"]

_FUSIONS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "mean": torch.mean,
    "max": torch.amax,
    "min": torch.amin,
}


def rollout(
    maps: LayerStack,
    *,
    head_fusion: HeadFusion = "mean",
    discard: float = 0.0,
    residual: float = 0.5,
    causal: bool = False,
    padding_mask: Array | None = None,
    all_layers: bool = False,
) -> Tensor:
    r"""What each token of the last layer holds of each input token, if attention were all.

    `A'(l) = rows of (residual I + (1 - residual) A(l)), each divided by its sum`

    `R(l) = A'(l) R(l - 1), R(0) = I`

    with A(l) the fused heads of layer l, counted from the one nearest the input. The identity
    stands for the residual connection around the attention. Abnar and Zuidema, "Quantifying
    Attention Flow in Transformers", ACL 2020, with `residual=0.5` and the mean of the heads.

    A row that does not sum to 1 is mixed as it is and divided by its sum afterwards. So where a
    model keeps part of a row for an attention sink of its own, that part is left out and the
    residual connection counts for more; the maxima of the heads, which sum to more than 1, make it
    count for less. A row that holds nothing at all passes its token on unchanged.

    Args:
        maps: Self-attention of one stack of layers, the one nearest the input first: what
            `capture_attention` gives, a list of one `(batch, heads, query, key)` a layer, or a
            tensor `(layers, batch, heads, query, key)`. Of an encoder-decoder capture one stack
            only, for example with `layers="encoder"`.
        head_fusion: How the heads of a layer become one: their mean, maximum or minimum.
        discard: The share of weak links to drop, at least 0 and below 1: in each row the
            `floor(discard * n)` weakest of its n visible fused weights become 0, equal ones from
            the first key on. No key is spared, not even a class token. It is done before the
            identity is added, so a token always keeps itself. (The program vit-explain, which
            made this known, ranks the whole matrix at once, and spares the class token's weight
            on itself alone.)
        residual: The share of the residual connection, in [0, 1].
        causal: Whether later keys are invisible, whatever their weights are.
        padding_mask: 1 for real tokens and 0 for padding, shape `(key,)` or `(batch, key)`. Padded
            keys get nothing, and the rows of padded queries hold 1 at themselves. That of `maps`
            if left out.
        all_layers: Whether to return R after every layer, not only the last.

    Returns:
        Shape `(batch, query, key)`, or `(layers, batch, query, key)` for all layers; float32, in
        [0, 1], rows sum to 1.

    Raises:
        InputError: The weights are no stack of self-attention of one size, hold values that are
            not finite, a mask does not fit them, or an option is out of range.

    Example:
        >>> maps = capture_attention(vit, pixel_values)
        >>> rollout(maps)[0, 0, 1:]  # what the class token holds of each patch
    """
    steps = mixing_matrices(
        maps,
        head_fusion=head_fusion,
        discard=discard,
        residual=residual,
        causal=causal,
        padding_mask=padding_mask,
    )
    product = steps[0]
    products = [product]
    for step in steps[1:]:
        product = step @ product
        products.append(product)
    return torch.stack(products) if all_layers else product


def mixing_matrices(
    maps: LayerStack,
    *,
    head_fusion: HeadFusion,
    discard: float = 0.0,
    residual: float,
    causal: bool,
    padding_mask: Array | None,
) -> Tensor:
    """How much each token of a layer holds of each token of the layer below.

    Args:
        maps: As in `rollout`, and so are the other arguments.
        head_fusion: How the heads of a layer become one.
        discard: The share of each row's visible weights to drop.
        residual: The share of the residual connection.
        causal: Whether later keys are invisible.
        padding_mask: 1 for real tokens.

    Returns:
        Shape `(layers, batch, query, key)`, float32, rows sum to 1.

    Raises:
        InputError: As in `rollout`.
    """
    _require_options(head_fusion, discard, residual)
    layers = _layers(maps)
    if padding_mask is None and isinstance(maps, AttentionMaps):
        padding_mask = maps.queries_of(0).padding_mask
    fuse = _FUSIONS[head_fusion]
    fused = torch.stack([fuse(layer, 1).to(layers[0].device) for layer in layers])
    visible = visible_keys(fused[0], None, causal, padding_mask)
    fused = fused * visible
    if discard:
        fused = _without_weakest(fused, visible, discard)
    identity = torch.eye(fused.shape[-1], device=fused.device)
    mixed = residual * identity + (1 - residual) * fused
    total = mixed.sum(-1, keepdim=True)
    return torch.where(total > 0, mixed / total.where(total > 0, 1.0), identity)


def _require_options(head_fusion: str, discard: float, residual: float) -> None:
    if head_fusion not in _FUSIONS:
        raise InputError(f"head_fusion is 'mean', 'max' or 'min', not {head_fusion!r}.")
    if not 0 <= discard < 1:
        raise InputError(f"discard is a share of at least 0 and below 1, not {discard}.")
    if not 0 <= residual <= 1:
        raise InputError(f"residual is a share from 0 to 1, not {residual}.")


def _layers(maps: LayerStack) -> list[Tensor]:
    """The weights of each layer, checked to be self-attention of one size."""
    if isinstance(maps, AttentionMaps):
        maps = maps.weights
    layers = [as_weights(w) for w in (maps.values() if isinstance(maps, Mapping) else maps)]
    if not layers:
        raise InputError("There are no layers: pass the weights of at least one.")
    shapes = list(dict.fromkeys((len(w), *w.shape[-2:]) for w in layers))
    if any(w.dim() != 4 for w in layers):
        raise InputError(
            "Each layer needs weights of shape (batch, heads, query, key), but the first has shape "
            f"{tuple(layers[0].shape)}."
        )
    if len(shapes) > 1 or shapes[0][1] != shapes[0][2]:
        raise InputError(
            f"Layers of (batch, query, key) {', '.join(map(str, shapes))} cannot be chained: pass "
            "the self-attention of one stack, for example "
            "capture_attention(model, inputs, layers='encoder')."
        )
    return layers


def _without_weakest(fused: Tensor, visible: Tensor, share: float) -> Tensor:
    """Set the weakest share of each row's visible weights to zero."""
    # A share such as 0.29 of 100 keys must not become 28 by rounding.
    count = (visible.sum(-1, keepdim=True) * share + 1e-9).floor()
    order = fused.masked_fill(~visible, torch.inf).argsort(dim=-1, stable=True)
    rank = order.argsort(-1)
    return fused.masked_fill(rank < count, 0.0)
