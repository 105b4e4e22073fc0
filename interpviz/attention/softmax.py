"""Attention whose weights are a softmax, computed here instead of by the layer's function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.calls import AttentionCall


# Powers of two take a third of the time of exponentials, or less, so that logits are in bits here.
_BITS = 1 / math.log(2)


@dataclass(frozen=True)
class Hidden:
    """Which keys of a block are hidden from some of its queries.

    Attributes:
        keys: The keys, counted within the block, outside of which nothing is hidden.
        added: What their logits get: 0, or a number that leaves nothing of them, of shape `(batch
            or 1, 1 or heads, query, key)`.
    """

    keys: slice
    added: Tensor

    @classmethod
    def but(cls, visible: Tensor, keys: slice, dtype: torch.dtype) -> Hidden:
        """All but what is visible.

        Args:
            visible: True where visible, `(batch or 1, 1 or heads, query, key)`.
            keys: Which of these keys.
            dtype: The type of the logits.
        """
        visible = visible[..., keys]
        # Sums are several times as quick as fills by a mask, and half the least number is far from
        # overflowing.
        added = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
        return cls(keys, added.masked_fill_(~visible, torch.finfo(dtype).min / 2))


class Softmax:
    """The softmax of a layer's logits.

    The logits are the scaled products of queries and keys, capped where the layer says so, with a
    bias and a mask added, and a sink beside them that takes its part of each row.

    Args:
        call: The layer's call.

    Attributes:
        careful: Whether the logits are too large to be taken as they are.
        query: Shape `(batch, heads, query, channel)`, in a type that is exact enough.
        key: Shape `(batch, heads, key, channel)`.
        value: Shape `(batch, heads, key, value_channel)`.
    """

    def __init__(self, call: AttentionCall) -> None:
        given, query = call.arguments, call.query
        self.call, self.careful = call, False
        scaling = given.get("scaling")
        self.scaling: float = query.shape[-1] ** -0.5 if scaling is None else scaling
        self.softcap: float | None = given.get("softcap")
        self.bias: Tensor | None = given.get("position_bias")
        dtype = query.dtype if query.dtype == torch.float64 else torch.float32
        self.query = query.to(dtype)
        self.key = _every_head(call.key.to(dtype), query.shape[1])
        self.value = _every_head(call.value.to(dtype), query.shape[1])
        sinks = getattr(call.module, "sinks", None)
        self.sinks: Tensor | None = None
        if isinstance(sinks, torch.Tensor) and sinks.numel() == query.shape[1]:
            self.sinks = sinks.to(dtype).flatten()

    @classmethod
    def of(cls, call: AttentionCall, known: dict[Any, bool]) -> Softmax | None:
        """This for a call, or None where the layer's own function does something else.

        Args:
            call: The call.
            known: What has been found out about layers of one kind, to which more is added.
        """
        if call.module.training and call.arguments.get("dropout"):
            return None
        heads, channels = call.query.shape[1], call.query.shape[-1]
        if heads % call.key.shape[1] or call.key.shape[-1] != channels:
            return None
        maths = cls(call)
        masked = None if call.mask is None else call.mask.dtype
        absent = (maths.softcap is None, maths.bias is None, maths.sinks is None, masked)
        kind = (type(call.module), call.attend, absent, call.is_causal)
        if kind not in known:
            known[kind] = maths._agrees()
        return maths if known[kind] else None

    def _agrees(self) -> bool:
        """Whether a few rows, and what they give, are those of the layer's own function."""
        call = self.call
        batch, heads, queries, _ = self.query.shape
        keys = self.key.shape[2]
        middle = queries // 2
        rows = slice(max(middle - 2, 0), min(middle + 2, queries))
        output, expected = call.eager(rows)
        if expected.shape != (batch, heads, rows.stop - rows.start, keys):
            return False
        visible = call.visible(rows)
        everyone = slice(0, batch), slice(0, heads), rows, slice(0, keys)
        if visible is not None:
            hidden = Hidden.but(visible, slice(0, keys), self.query.dtype)
        else:
            hidden = None
        powers = Powers(self.logits(*everyone, hidden))
        mass = powers.weights.sum(-1)
        found = powers.weights * (self.kept(powers, mass, everyone[1]) / mass)[..., None]
        apart = (found - expected).abs()
        given = ((found @ self.value).transpose(1, 2) - output).abs() / output.abs().max()
        if visible is not None:
            # Where a query sees nothing at all, its row means nothing.
            seen = visible.any(-1, keepdim=True)
            apart, given = apart * seen, given * seen.transpose(1, 2)
        exact = expected.dtype in (torch.float32, torch.float64)
        tolerance = 1e-5 if exact else 2e-2
        return bool(apart.max() < tolerance) and bool(given.max() < 10 * tolerance)

    def logits(
        self,
        batch: slice,
        heads: slice,
        rows: slice,
        keys: slice,
        hidden: Hidden | None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The logits of some queries in bits, next to the least number where a key is hidden.

        Args:
            batch: Which sequences.
            heads: Which heads.
            rows: Which queries.
            keys: Which keys.
            hidden: What is hidden within these ranges.
            out: Where they are written, `(batch, heads, query, key)`; None for new memory.
        """
        query, key = self.query[batch, heads, rows], self.key[batch, heads, keys]
        logits = query.new_empty(*query.shape[:3], key.shape[2]) if out is None else out
        flat = logits.flatten(0, 1)
        # Scales each product where it is summed, without another pass over them.
        turned, scale = key.flatten(0, 1).transpose(1, 2), self.scaling
        scale = scale * _BITS if self.softcap is None else scale / self.softcap
        torch.baddbmm(flat, query.flatten(0, 1), turned, beta=0, alpha=scale, out=flat)
        if self.softcap is not None:
            logits.tanh_().mul_(self.softcap * _BITS)
        if self.bias is not None:
            logits.add_(_part(self.bias, batch, heads, rows, keys), alpha=_BITS)
        mask, least = self.call.mask, torch.finfo(logits.dtype).min
        if mask is not None and mask.dtype != torch.bool:
            # Minus infinity times a weight of 0 would be NaN.
            return logits.add_(_part(mask, batch, heads, rows, keys), alpha=_BITS).clamp_(min=least)
        if hidden is not None:
            added = hidden.added
            logits[..., hidden.keys] += added[:, heads] if added.shape[1] > 1 else added
        return logits

    def kept(self, powers: Powers, mass: Tensor, heads: slice) -> Tensor:
        """The part of each row that a sink leaves to the keys, `(batch, heads, query)`.

        Args:
            powers: What the logits gave.
            mass: The sum of each row of these weights, `(batch, heads, query)`.
            heads: Which heads.
        """
        if self.sinks is None:
            return torch.ones_like(mass)
        total = (powers.peak.squeeze(-1) + mass.log2()) / _BITS
        return (total - self.sinks[heads].view(1, -1, 1)).sigmoid()


class Powers:
    """Two to the power of logits: attention weights that were not divided by their sum yet.

    Args:
        logits: In bits, `(batch, heads, query, key)`; changed in place.
        out: Where the weights are written; None for new memory.
        careful: Whether to subtract the greatest logit of each row first, which two more passes
            over all logits are needed for.

    Attributes:
        peak: What was subtracted, `(batch, heads, query, 1)`, or 0.
        weights: Like the logits.
    """

    def __init__(self, logits: Tensor, out: Tensor | None = None, *, careful: bool = True) -> None:
        self.peak = logits.amax(-1, keepdim=True) if careful else logits.new_zeros(1, 1, 1, 1)
        self._below = logits.sub_(self.peak) if careful else logits
        self.weights: Tensor = torch.exp2(logits, out=out)

    @staticmethod
    def are_exact(mass: Tensor) -> bool:
        """Whether these sums of rows tell that no weight overflowed and none that counts vanished.

        Args:
            mass: The sum of each row.
        """
        least, most = mass.aminmax()
        return bool(least > 2.0**-60) and bool(most < 2.0**60)

    def entropy(self, mass: Tensor) -> Tensor:
        """The entropy of each row in nats, `(batch, heads, query)`; to be asked for once.

        Args:
            mass: The sum of each row of the weights.
        """
        mean = self._below.mul_(self.weights).sum(-1) / mass
        return (mass.log2() - mean) / _BITS


def _every_head(one: Tensor, heads: int) -> Tensor:
    """Keys or values for each head, where several heads share them."""
    batch, groups, length, channels = one.shape
    if groups == heads:
        return one
    one = one[:, :, None].expand(batch, groups, heads // groups, length, channels)
    return one.reshape(batch, heads, length, channels)


def _part(mask: Tensor, batch: slice, heads: slice, rows: slice, keys: slice) -> Tensor:
    """A part of what may have one entry for all sequences, heads or queries."""
    mask = mask[batch] if mask.shape[0] > 1 else mask
    mask = mask[:, heads] if mask.shape[1] > 1 else mask
    mask = mask[:, :, rows] if mask.shape[2] > 1 else mask
    return mask[..., keys]
