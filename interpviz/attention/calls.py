"""One call of an attention function, and what its masks say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

# Masks add the least value of their type, or a large negative number of their author's choice.
_HIDDEN = -1e4

# Weights at once: a few arrays of this size cost little beside all weights.
_BLOCK = 2**22


@dataclass(frozen=True)
class AttentionCall:
    """What a layer hands to its attention function.

    Attributes:
        module: The attention layer.
        query: Shape `(batch, heads, query, channel)`.
        key: Shape `(batch, key_heads, key, channel)`; with grouped heads there are fewer.
        value: Shape `(batch, key_heads, key, value_channel)`.
        mask: None, True where visible, or added to the logits; broadcast to `(batch, heads,
            query, key)`.
        arguments: All other arguments by name.
        attend: The layer's own eager function, which returns its output and its weights.
        fused_masks: Whether masks were made for a fused kernel, for which None means causal in a
            causal layer.
    """

    module: nn.Module
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    arguments: dict[str, Any]
    attend: Callable[..., Any]
    fused_masks: bool = False

    @property
    def is_causal(self) -> bool:
        """Whether later keys are hidden although no mask says so."""
        if not self.fused_masks or self.mask is not None or self.query.shape[2] < 2:
            return False
        told = self.arguments.get("is_causal")
        return bool(getattr(self.module, "is_causal", True) if told is None else told)

    def visible(self, rows: slice = slice(None)) -> Tensor | None:
        """Which keys some queries see.

        Args:
            rows: Which queries.

        Returns:
            Boolean, broadcast to `(batch, heads, query, key)`; None where all are seen.
        """
        if self.mask is not None:
            mask = _rows(self.mask, rows)
            return mask if mask.dtype == torch.bool else mask > _HIDDEN
        if not self.is_causal:
            return None
        key = torch.arange(self.key.shape[2], device=self.query.device)
        query = torch.arange(self.query.shape[2], device=self.query.device)[rows]
        return (key <= query[:, None])[None, None]

    def additive(self, rows: slice = slice(None)) -> Tensor | None:
        """The mask as eager functions take it: added to the logits.

        Args:
            rows: Which queries.
        """
        if self.mask is not None and self.mask.dtype != torch.bool:
            return _rows(self.mask, rows)
        visible = self.visible(rows)
        if visible is None:
            return None
        nothing = torch.zeros((), dtype=self.query.dtype, device=visible.device)
        return nothing.where(visible, torch.finfo(self.query.dtype).min)

    def eager(
        self, rows: slice = slice(None), *, keys: slice = slice(None), values: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Run the layer's own eager function for some queries.

        Args:
            rows: Which queries.
            keys: Which keys; the others must be hidden from all of these queries.
            values: Whether the output is wanted, not only the weights.

        Returns:
            The output `(batch, query, heads, value_channel)`, and the weights `(batch, heads,
            query, key)`.
        """
        arguments = dict(self.arguments)
        bias, mask = arguments.get("position_bias"), self.additive(rows)
        if bias is not None:
            arguments["position_bias"] = _rows(bias, rows)[..., keys]
        value = self.value[:, :, keys]
        output, weights = self.attend(
            self.module,
            self.query[:, :, rows],
            self.key[:, :, keys],
            value if values else value[..., :0],
            mask if mask is None else mask[..., keys],
            **arguments,
        )
        return output, weights

    def eager_in_blocks(self) -> tuple[Tensor, Tensor]:
        """The same as `eager` for all queries, with less memory and time beside the weights.

        The eager function writes several arrays of the size of the weights. Rows do not depend on
        each other, so that it can run for some at a time, unless a graph or dropout is wanted.
        """
        batch, heads, queries, _ = self.query.shape
        keys = self.key.shape[2]
        size = max(_BLOCK // (batch * heads * keys), 1)
        dropped = self.module.training and self.arguments.get("dropout")
        if torch.is_grad_enabled() or dropped or size >= queries:
            return self.eager()
        outputs, weights = [], None
        for begin in range(0, queries, size):
            rows = slice(begin, min(begin + size, queries))
            seen = slice(0, min(rows.stop, keys) if self.is_causal else keys)
            output, part = self.eager(rows, keys=seen)
            if part.shape != (batch, heads, rows.stop - rows.start, seen.stop):
                return self.eager()
            if weights is None:
                weights = part.new_zeros(batch, heads, queries, keys)
            weights[:, :, rows, seen] = part
            outputs.append(output)
        assert weights is not None
        return torch.cat(outputs, 1), weights


def _rows(mask: Tensor, rows: slice) -> Tensor:
    """Some rows of a mask, which may have one row for all queries."""
    return mask if mask.shape[-2] == 1 else mask[..., rows, :]
