"""Attention whose weights are a softmax, computed here instead of by the layer's function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.calls import AttentionCall


@dataclass(frozen=True)
class Hidden:
    """Which keys of a block are hidden from some of its queries.

    Attributes:
        keys: The keys, counted within the block, outside of which nothing is hidden.
        mask: True where hidden, `(batch or 1, 1 or heads, query, key)`.
    """

    keys: slice
    mask: Tensor


class Softmax:
    """The softmax of a layer's logits.

    The logits are the scaled products of queries and keys, capped where the layer says so, with a
    bias and a mask added, and a sink beside them that takes its part of each row.

    Args:
        call: The layer's call.

    Attributes:
        query: Shape `(batch, heads, query, channel)`, scaled, in a type that is exact enough.
        key: Shape `(batch, heads, key, channel)`.
        value: Shape `(batch, heads, key, value_channel)`.
    """

    def __init__(self, call: AttentionCall) -> None:
        given, query = call.arguments, call.query
        self.call = call
        scaling = given.get("scaling")
        scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
        self.softcap: float | None = given.get("softcap")
        self.bias: Tensor | None = given.get("position_bias")
        dtype = query.dtype if query.dtype == torch.float64 else torch.float32
        self.query = query.to(dtype) * scaling
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
        hidden = None if visible is None else Hidden(slice(0, keys), ~visible)
        logits = self.logits(*everyone, hidden)
        kept = self.kept(logits.logsumexp(-1), everyone[1])
        found = logits.softmax(-1) * (kept[..., None] if kept.dim() else kept)
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
        self, batch: slice, heads: slice, rows: slice, keys: slice, hidden: Hidden | None
    ) -> Tensor:
        """The logits of some queries, with the least number where a key is hidden.

        Args:
            batch: Which sequences.
            heads: Which heads.
            rows: Which queries.
            keys: Which keys.
            hidden: What is hidden within these ranges.
        """
        logits: Tensor = self.query[batch, heads, rows] @ self.key[batch, heads, keys].transpose(
            2, 3
        )
        if self.softcap is not None:
            logits = logits.div_(self.softcap).tanh_().mul_(self.softcap)
        if self.bias is not None:
            logits += _part(self.bias, batch, heads, rows, keys)
        mask, least = self.call.mask, torch.finfo(logits.dtype).min
        if mask is not None and mask.dtype != torch.bool:
            # Minus infinity times a weight of 0 would be NaN.
            return (logits + _part(mask, batch, heads, rows, keys)).clamp_(min=least)
        if hidden is not None:
            shut = hidden.mask[:, heads] if hidden.mask.shape[1] > 1 else hidden.mask
            logits[..., hidden.keys].masked_fill_(shut, least)
        return logits

    def kept(self, total: Tensor, heads: slice) -> Tensor:
        """The part of each row that a sink leaves to the keys; one number where there is none.

        Args:
            total: The logarithm of the sum of all exponentials, `(batch, heads, query)`.
            heads: Which heads.
        """
        if self.sinks is None:
            return torch.ones((), dtype=total.dtype, device=total.device)
        return (total - self.sinks[heads].view(1, -1, 1)).sigmoid()


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
