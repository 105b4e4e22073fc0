"""What each head of a layer does in each text of a batch, as a few numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from interpviz.attention import attention_distance, attention_entropy
from interpviz.attention.visibility import visible_keys

COLUMNS = ("entropy", "distance", "sink", "special", "previous", "next")
"""As `HeadStatistics` has them: `sink` is the share on the first token."""


def head_numbers(
    weights: Tensor, visible: Tensor | None, causal: bool, real: Tensor, special: Tensor
) -> Tensor:
    """The numbers of one layer, which padding does not change.

    Args:
        weights: Shape `(batch, heads, query, key)`.
        visible: True where a query sees a key, broadcast to the weights; None where not known.
        causal: Whether later keys are invisible.
        real: Shape `(batch, key)`, True for tokens and False for padding behind them.
        special: Shape `(batch, key)`, True for tokens that the tokenizer added.

    Returns:
        Shape `(batch, columns, heads)`, float32 on the CPU, NaN where there is no value.
    """
    A = weights.float()
    seen = visible_keys(A, visible, causal, real).expand_as(A)
    A = A * seen
    total = A.sum(-1, keepdim=True)
    # Queries that see one key only have no choice.
    counted = (seen.sum(-1, keepdim=True) > 1) & (total > 0)
    P = A / total.where(counted, 1.0)
    columns = [
        attention_entropy(A, mask=seen),
        attention_distance(A, mask=seen),
        _mean(P[..., 0], counted[..., 0]),
        _mean(
            (P * special[:, None, None]).sum(-1), counted[..., 0] & special.any(1)[:, None, None]
        ),
        _beside(P, seen & counted, -1),
        _beside(P, seen & counted, 1),
    ]
    return torch.stack(columns, 1).cpu()


def _beside(shares: Tensor, counted: Tensor, step: int) -> Tensor:
    rows = [one.diagonal(step, -2, -1) for one in (shares, counted)]
    return _mean(*rows)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return values.where(counted, 0.0).sum(-1) / counted.sum(-1)
