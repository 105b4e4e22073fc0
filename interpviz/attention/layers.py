"""Which modules of a model compute attention, and which of them a name means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.attention import fallback, kernels, modules
from interpviz.device import unwrap
from interpviz.errors import AttentionError, LayerError, nearest, troubleshooting

if TYPE_CHECKING:
    from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's own module inside `torch.compile` and parallel wrappers.

    Args:
        model: Any module.

    Raises:
        AttentionError: It is none.
    """
    from torch import nn

    if not isinstance(model, nn.Module):
        raise AttentionError(
            f"The model is a {type(model).__name__}, not an nn.Module: pass the network, of a zoo "
            "model `m.model`."
        )
    return unwrap(model)


def attention_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Every module of a model whose attention weights can be captured.

    Args:
        model: A transformers model, or any model that holds `nn.MultiheadAttention` or timm
            attention blocks.

    Returns:
        The modules by dotted name, in the order in which the model holds them.

    Raises:
        AttentionError: The model has no attention that can be captured.
    """
    found = {
        name: module
        for name, module in model.named_modules()
        if kernels.uses_interface(module) or modules.is_multihead(module) or modules.is_timm(module)
    }
    found = found or fallback.attention_modules(model)
    if not found:
        raise AttentionError(
            f"{type(model).__name__} has no attention layer that can be captured: it must be a "
            "transformers model, or hold nn.MultiheadAttention or timm attention blocks, or else "
            "name the modules that give out its weights as layers; see "
            f"{troubleshooting('attention-weights-not-captured')}."
        )
    return found


def chosen_layers(
    model: nn.Module, wanted: Sequence[str | int] | str | int | None
) -> dict[str, nn.Module]:
    """The attention layers that the user's names mean.

    Args:
        model: The model.
        wanted: Dotted names of attention layers or of blocks that hold some, indices into all
            attention layers, or None for all. In a model in which none is known, the dotted names
            of the modules whose outputs are the weights.

    Returns:
        The chosen modules by dotted name, in the model's order.

    Raises:
        AttentionError: The model has no attention that can be captured.
        LayerError: A name or an index means no attention layer.
    """
    try:
        layers = attention_layers(model)
    except AttentionError:
        named = _named(model, wanted)
        if not named:
            raise
        return named
    if wanted is None:
        return layers
    if not isinstance(wanted, Sequence) or isinstance(wanted, str):
        wanted = [wanted]
    if not wanted:
        raise LayerError("The list of layers is empty: name at least one, or pass None for all.")
    names = {name for one in wanted for name in _matches(model, list(layers), one)}
    return {name: module for name, module in layers.items() if name in names}


def _named(model: nn.Module, wanted: Any) -> dict[str, nn.Module]:
    """Modules given by their full names, if all of them are."""
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        return {}
    held = dict(model.named_modules())
    unknown = next((name for name in names if name not in held), None)
    if unknown is not None:
        raise LayerError(
            f"{type(model).__name__} has no module {unknown!r}. {nearest(unknown, held)}".rstrip()
        )
    return {name: module for name, module in held.items() if name in names}


def _matches(model: nn.Module, names: list[str], wanted: str | int) -> Iterable[str]:
    """The attention layers that one name or index means."""
    if not isinstance(wanted, str | int | np.integer) or isinstance(wanted, bool):
        raise LayerError(f"A layer is given by its dotted name or its index, not by {wanted!r}.")
    if not isinstance(wanted, str):
        if not -len(names) <= wanted < len(names):
            raise LayerError(
                f"There is no attention layer {wanted}: {type(model).__name__} has {len(names)}, "
                f"so an index from 0 to {len(names) - 1} is needed."
            )
        return [names[wanted]]
    inside = [name for name in names if name == wanted or name.startswith(f"{wanted}.")]
    if inside:
        return inside
    if wanted in dict(model.named_modules()):
        raise LayerError(
            f"'{wanted}' of {type(model).__name__} holds no attention layer. "
            f"{nearest(wanted, names) or f'The first that does is {names[0]!r}.'}"
        )
    hint = nearest(wanted, [*names, *_blocks(names)])
    raise LayerError(
        f"{type(model).__name__} has no layer {wanted!r}. {hint} It has {len(names)} attention "
        f"layers, {names[0]!r} to {names[-1]!r}.".replace("  ", " ")
    )


def _blocks(names: Iterable[str]) -> list[str]:
    """The names of the blocks that hold attention layers, each once."""
    blocks: dict[str, None] = {}
    for name in names:
        while "." in name:
            name = name.rpartition(".")[0]  # noqa: PLW2901 - climbing from the layer to the root
            blocks[name] = None
    return list(blocks)
