"""Capture by hooks: `nn.MultiheadAttention`, timm's blocks, and modules that the user names."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from interpviz.errors import AttentionError

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.kernels import Record


def is_multihead(module: nn.Module) -> bool:
    """Whether a module is PyTorch's own multi-head attention."""
    return isinstance(module, nn.MultiheadAttention)


def is_timm(module: nn.Module) -> bool:
    """Whether a module is an attention block in the manner of timm.

    Such a block has a switch `fused_attn` and, where that is off, sends its weights through the
    dropout layer `attn_drop`.
    """
    return isinstance(getattr(module, "fused_attn", None), bool) and isinstance(
        getattr(module, "attn_drop", None), nn.Module
    )


def attach(module: nn.Module, record: Record) -> ExitStack:
    """Capture the weights of one module.

    Args:
        module: An `nn.MultiheadAttention` or a timm attention block.
        record: Takes the weights, of shape `(batch, heads, query, key)`.

    Returns:
        A stack whose `close` removes the hooks.
    """
    return (
        _attach_multihead(module, record) if is_multihead(module) else _attach_timm(module, record)
    )


def _attach_multihead(module: nn.Module, record: Record) -> ExitStack:
    signature = inspect.signature(module.forward)
    asked: list[tuple[bool, bool]] = []
    masks: list[dict[str, Any]] = []

    def ask(
        _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        asked.append((bound.arguments["need_weights"], bound.arguments["average_attn_weights"]))
        masks.append({name: bound.arguments[name] for name in ("attn_mask", "key_padding_mask")})
        bound.arguments.update(need_weights=True, average_attn_weights=False)
        return bound.args, bound.kwargs

    def answer(
        _module: nn.Module, _args: tuple[Any, ...], output: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor | None] | None:
        need, average = asked.pop() if asked else (True, True)
        given = masks.pop() if masks else {}
        if output is None:  # the module raised
            return None
        attended, weights = output
        kept = weights if weights.dim() == 4 else weights.unsqueeze(0)
        record(kept, _visible(kept, **given))
        if not need:
            return attended, None
        return attended, weights.mean(dim=-3) if average else weights

    undo = ExitStack()
    undo.callback(module.register_forward_pre_hook(ask, with_kwargs=True).remove)
    # First of the hooks, so that the caller's own hooks see what they would have seen.
    handle = module.register_forward_hook(answer, prepend=True, always_call=True)
    undo.callback(handle.remove)
    return undo


def _visible(weights: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None) -> Tensor:
    """Which keys are seen, from masks that are True, or minus infinity, where they hide."""

    def seen(mask: Tensor) -> Tensor:
        return ~mask if mask.dtype == torch.bool else mask > -torch.inf

    batch, heads, queries, keys = weights.shape
    visible = torch.ones(1, 1, queries, keys, dtype=torch.bool, device=weights.device)
    if attn_mask is not None:
        shape = (batch, heads) if attn_mask.dim() == 3 else (1, 1)
        visible = visible & seen(attn_mask).view(*shape, queries, keys)
    if key_padding_mask is not None:
        visible = visible & seen(key_padding_mask).view(-1, 1, 1, keys)
    return visible


def _attach_timm(module: nn.Module, record: Record) -> ExitStack:
    block: Any = module
    switches: list[bool] = []

    def unfuse(_module: nn.Module, _args: tuple[Any, ...]) -> None:
        switches.append(block.fused_attn)
        block.fused_attn = False

    def restore(_module: nn.Module, _args: tuple[Any, ...], _output: Any) -> None:
        if switches:
            block.fused_attn = switches.pop()

    def keep(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if switches and args[0].dim() == 4:
            record(args[0], None, False)

    undo = ExitStack()
    undo.callback(block.register_forward_pre_hook(unfuse).remove)
    undo.callback(block.register_forward_hook(restore, always_call=True).remove)
    undo.callback(block.attn_drop.register_forward_pre_hook(keep).remove)
    return undo


def attach_named(name: str, module: nn.Module, record: Record) -> ExitStack:
    """Capture the weights that a module gives out, alone or beside something else.

    Args:
        name: Its dotted name, for the message.
        module: For example the softmax or the dropout layer behind it, or an attention block that
            returns its weights.
        record: Takes the weights, of shape `(batch, heads, query, key)`.

    Returns:
        A stack whose `close` removes the hook.
    """

    def keep(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        for one in _tensors(output):
            # One head, of which `(batch, query, key)` is the usual shape.
            weights = one.unsqueeze(1) if one.dim() == 3 else one
            if weights.dim() == 4 and _are_weights(weights.detach(), module.training):
                return record(weights)
        raise AttentionError(
            f"What '{name}' returns holds no attention weights of shape (batch, heads, query, "
            "key): name a module whose output they are, for example the softmax or the dropout "
            "layer behind it."
        )

    undo = ExitStack()
    undo.callback(module.register_forward_hook(keep, prepend=True).remove)
    return undo


def _tensors(output: Any) -> Iterator[Tensor]:
    parts = output.values() if isinstance(output, Mapping) else output
    for part in parts if isinstance(output, (Mapping, tuple, list)) else [output]:
        if isinstance(part, torch.Tensor) and part.is_floating_point():
            yield part


def _are_weights(values: Tensor, training: bool) -> bool:
    """Whether rows are shares of at most one; dropout makes some of them larger."""
    if not values.numel() or bool((values < 0).any()):
        return False
    return training or bool((values.float().sum(-1) < 1.01).all())
