"""How much of a head's attention follows a pattern, against the same attention shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """The attention of one layer, each row as shares of its own sum.

    Attributes:
        shares: Shape `(batch, heads, query, key)`, 0 on keys that a query cannot see.
        visible: Shape `(batch, 1, query, key)`.
        count: Keys that each query sees, `(batch, 1, query)`.
        counted: Queries that see several keys and look at some, `(batch, heads, query)`.
        variance: How unevenly each row is spread: the mean squared deviation of its shares from
            their mean, over visible keys, `(batch, heads, query)`.
        moved: What part of each row would have to move to make it even, 0 to 1, same shape.
        peak: The greatest share of each row, same shape.
    """

    shares: Tensor
    visible: Tensor
    count: Tensor
    counted: Tensor
    variance: Tensor
    moved: Tensor
    peak: Tensor

    @classmethod
    def of(cls, weights: Tensor, visible: Tensor) -> Rows:
        """Measure the rows of a layer.

        Args:
            weights: Shape `(batch, heads, query, key)`, float, at least 0.
            visible: Shape `(batch, 1, query, key)`, True where a query sees a key.
        """
        A = weights * visible
        total = A.sum(-1, keepdim=True)
        count = visible.sum(-1)
        counted = (total[..., 0] > 0) & (count > 1)
        shares = A / total.where(total > 0, 1.0)
        apart = (shares - visible / count.clamp(min=1)[..., None]) * visible
        variance = apart.square().sum(-1) / count.clamp(min=1)
        moved = apart.abs().sum(-1) / 2 / (1 - 1 / count.clamp(min=2))
        return cls(shares, visible, count, counted, variance, moved, shares.amax(-1))


def follows(rows: Rows, pattern: Tensor, queries: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""How far each head follows a pattern beyond chance, and how surely.

    Chance is the same attention with the weights of every row shuffled among the keys that the
    query can see. For a query with n visible keys, t of them in the pattern, a shuffle puts
    u = t / n into the pattern on average, with variance t (n - t) / (n - 1) * v, where v is the
    mean squared deviation of the row from even: sampling without replacement, so no shuffle has to
    be drawn. Queries without a choice (t = 0 or t = n) are left out. With s the share that the
    query does put there, means over all queries of the batch give

    `score = (s - u) / (1 - u)`.

    The chance that shuffled attention follows the pattern as well is at most

    `exp(-(V / b^2) h(b T / V)),  h(x) = (1 + x) ln(1 + x) - x`

    with T the sum of s - u, V the sum of the variances and b the most that s - u can be in one
    row: Bennett, "Probability Inequalities for the Sum of Independent Random Variables", Journal
    of the American Statistical Association, 1962.

    Args:
        rows: The attention of one layer.
        pattern: Shape `(batch or 1, query, key)`, or with heads before the query.
        queries: Which queries to count, `(query,)`; None for all.

    Returns:
        The score, at most 1, NaN where no query has a choice, and the natural logarithm of the
        bound, at most 0. Both of shape `(heads,)`.
    """
    inside = (pattern[:, None] if pattern.dim() == 3 else pattern) & rows.visible
    if inside.shape[1] == 1:
        share = torch.einsum("bhqk,bqk->bhq", rows.shares, inside[:, 0].to(rows.shares))
    else:
        share = (rows.shares * inside).sum(-1)
    n, t = rows.count, inside.sum(-1)
    chosen = rows.counted & (t > 0) & (t < n)
    if queries is not None:
        chosen = chosen & queries
    even = t / n.clamp(min=1)
    variance = (t * (n - t) / (n - 1).clamp(min=1)) * rows.variance
    most = (t * rows.peak).clamp(max=1) - even

    def total(values: Tensor) -> Tensor:
        return values.where(chosen, 0.0).sum((0, 2))

    number = chosen.sum((0, 2))
    excess, chance = total(share - even), total(even)
    score = excess / (number - chance).where(number > 0, torch.nan)
    V = total(variance).clamp(min=1e-12)
    b = most.where(chosen, 0.0).amax((0, 2)).clamp(min=1e-6)
    x = b * excess.clamp(min=0) / V
    bound = -(V / b.square()) * ((1 + x) * torch.log1p(x) - x)
    return score, bound.where(number > 0, 0.0)


def follows_few_keys(rows: Rows) -> tuple[Tensor, Tensor]:
    """How far each head sends all queries to the same few keys, and how surely.

    A tenth of the visible keys, at least one, is taken: those that receive the most beyond an even
    spread. Chosen and measured on the same queries, noise would have such keys too, so the keys
    chosen on the even queries are measured on the odd ones and the other way round. The bound is
    that of the less sure half.

    Args:
        rows: The attention of one layer.

    Returns:
        The score and the logarithm of the bound, as `follows` gives them, each `(heads,)`.
    """
    n = rows.shares.shape[-2]
    odd = torch.arange(n, device=rows.shares.device) % 2 == 1
    apart = rows.shares - rows.visible / rows.count.clamp(min=1)[..., None]
    keys = rows.visible.any(-2).sum(-1, keepdim=True)
    few = (keys / 10).round().clamp(min=1)

    def most_wanted(queries: Tensor) -> Tensor:
        received = (apart * rows.visible)[..., queries, :].sum(-2)
        place = received.argsort(-1, descending=True).argsort(-1)
        return (place < few)[..., None, :]

    even_choice, odd_choice = most_wanted(~odd), most_wanted(odd)
    pattern = torch.where(odd[:, None], even_choice, odd_choice)
    score, _ = follows(rows, pattern)
    halves = [follows(rows, pattern, half)[1] for half in (~odd, odd)]
    return score, torch.maximum(*halves)


def evenness(rows: Rows) -> Tensor:
    """What part of a head's attention lies where an even spread would put it: 1 even, 0 one key.

    Args:
        rows: The attention of one layer.

    Returns:
        Shape `(heads,)`, NaN where no query has a choice.
    """
    moved = rows.moved.where(rows.counted, 0.0).sum((0, 2)) / rows.counted.sum((0, 2))
    return 1 - moved
