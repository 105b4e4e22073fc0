"""The weights that a picture is to show, out of what the user passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError
from interpviz.render.labels import values_of
from interpviz.render.tokens import clean_tokens

if TYPE_CHECKING:
    from torch import Tensor


_PADDING = {"[PAD]", "<pad>", "<|pad|>"}


def heads_of_one(attention_weights: Any) -> np.ndarray:
    """The weights of one layer and one sequence as `(heads, query, key)`.

    Args:
        attention_weights: What the user passed: a tensor or array of shape `(heads, query, key)`,
            `(1, heads, query, key)` or `(query, key)`.

    Raises:
        InputError: It has another shape, holds several sequences or layers, or is not finite.
    """
    values = values_of(_one_layer(attention_weights))
    if values.ndim == 2:
        values = values[None]
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    if values.ndim == 4:
        raise InputError(
            f"The weights hold a batch of {len(values)} sequences: pick one, for example "
            "attention_weights[0]."
        )
    if values.ndim != 3 or 0 in values.shape:
        raise InputError(
            "Attention weights need the shape (heads, query, key), (1, heads, query, key) or "
            f"(query, key), but these have shape {values.shape}."
        )
    if not np.isfinite(values).all():
        raise InputError("The attention weights hold NaN or infinite values.")
    return values


def sequence_of(weights: Tensor, batch_index: int | None, layer: str) -> Tensor:
    """The weights of one sequence of a batch.

    Args:
        weights: Shape `(batch, heads, query, key)`.
        batch_index: Which sequence; None where there is only one.
        layer: The layer's name, for the message.

    Raises:
        InputError: There are several sequences and none is chosen, or there is no such one.
    """
    count = len(weights)
    if batch_index is None and count > 1:
        raise InputError(
            f"Layer '{layer}' was captured for a batch of {count} sequences: pick one with "
            "batch_index."
        )
    index = batch_index or 0
    if not -count <= index < count:
        raise InputError(f"There is no sequence {index} in a batch of {count}.")
    return weights[index]


def head_index(head_idx: int, count: int) -> int:
    """A head counted from the start.

    Args:
        head_idx: Which head, counted from 0 or, negative, from the end.
        count: How many there are.

    Raises:
        InputError: There is no such head, or it is not a whole number.
    """
    if not isinstance(head_idx, int | np.integer) or isinstance(head_idx, bool):
        raise InputError(f"A head is given by its number, 0 to {count - 1}, not by {head_idx!r}.")
    if not -count <= head_idx < count:
        raise InputError(
            f"There is no head {head_idx}: the weights have {count} heads, 0 to {count - 1}."
        )
    return int(head_idx) % count


def real_queries(tokens: Sequence[str]) -> np.ndarray:
    """Which tokens are no padding, whose attention means nothing.

    Args:
        tokens: One token a query.

    Returns:
        Shape `(query,)`, bool; all True where there is nothing but padding.
    """
    real = np.array([token not in _PADDING for token in tokens])
    return real if real.any() else np.ones(len(tokens), dtype=bool)


def strongest_link(head: np.ndarray, tokens: Sequence[str], keys: Sequence[str]) -> str:
    """A sentence about the strongest link of a head, for the alternative text.

    Args:
        head: Shape `(query, key)`.
        tokens: One token a query.
        keys: One token a key.
    """
    links = np.where(real_queries(tokens)[:, None], head, -1.0)
    # In a causal head the first token has no choice but itself, and says nothing by it.
    square = head.shape[0] == head.shape[1] and head.size > 1
    if square and not np.triu(head, 1).any():
        links[0] = -1.0
    query, key = np.unravel_index(int(links.argmax()), head.shape)
    return (
        f"The strongest link goes from {clean_tokens(tokens)[query]!r} to "
        f"{clean_tokens(keys)[key]!r}, with {head[query, key]:.2f}."
    )


def _one_layer(attention_weights: Any) -> Any:
    """Refuse the weights of all layers where those of one are meant."""
    attention_weights = getattr(attention_weights, "weights", attention_weights)
    if isinstance(attention_weights, Mapping) or (
        isinstance(attention_weights, (tuple, list))
        and any(hasattr(w, "shape") for w in attention_weights)
    ):
        raise InputError(
            f"The weights of {len(attention_weights)} layers were given where those of one layer "
            "are needed: pick one, for example attentions[-1]."
        )
    return attention_weights
