"""A layer by module, by name, or found automatically."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from interpviz.cam.hooks import eval_mode, first_tensor
from interpviz.cam.inputs import follow_model
from interpviz.device import unwrap
from interpviz.errors import LayerError, nearest

Layer = nn.Module | str

_POOLING = (
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.AvgPool2d,
    nn.MaxPool2d,
    nn.FractionalMaxPool2d,
    nn.LPPool2d,
)


def get_target_layer(model: nn.Module, name: str) -> nn.Module:
    """A layer by its dotted name.

    Args:
        model: The model.
        name: A name as in `model.named_modules()`, such as `"features.28"`.

    Returns:
        The layer.

    Raises:
        LayerError: There is no such layer; the message names the nearest ones.

    Examples:
        >>> from torch import nn
        >>> get_target_layer(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), "1")
        ReLU()
    """
    modules: dict[str, nn.Module] = dict(unwrap(model).named_modules())
    # Wrappers put their own names in front.
    inner = name.removeprefix("_orig_mod.").removeprefix("module.")
    for known in (name, inner):
        if known in modules and known:
            return modules[known]
    hint = nearest(name, [n for n in modules if n]) or (
        "List them with `[name for name, _ in model.named_modules()]`."
    )
    raise LayerError(f"{type(unwrap(model)).__name__} has no layer {name!r}. {hint}")


def get_layers(model: nn.Module, chosen: Layer | Sequence[Layer]) -> list[nn.Module]:
    """The layers that a user asked for, by module or by name.

    Args:
        model: The model.
        chosen: A module, a dotted name, or a list of either.

    Raises:
        LayerError: It is something else, an empty list, or names no layer.
    """
    listed = [chosen] if isinstance(chosen, nn.Module | str) else chosen
    # The type of a user's argument is only a promise.
    if not isinstance(listed, list | tuple | nn.ModuleList) or not listed:
        raise LayerError(
            f"The target layer is {chosen!r}: pass a module, its dotted name, or a list of either."
        )
    return [_get_layer(model, layer) for layer in listed]


def _get_layer(model: nn.Module, layer: object) -> nn.Module:
    if isinstance(layer, str):
        return get_target_layer(model, layer)
    if isinstance(layer, nn.Module):
        return unwrap(layer)
    raise LayerError(f"A target layer is a module or its dotted name, but this one is {layer!r}.")


def layer_name(model: nn.Module, layer: nn.Module) -> str:
    """The dotted name of a layer.

    Args:
        model: The model.
        layer: One of its modules.

    Raises:
        LayerError: The layer is not part of the model.
    """
    names: dict[nn.Module, str] = {m: name for name, m in unwrap(model).named_modules()}
    if layer in names:
        return names[layer]
    raise LayerError(
        f"The target layer {type(layer).__name__} is not part of this "
        f"{type(unwrap(model)).__name__}: take it from the same model object."
    )


def find_target_layer(model: nn.Module, images: Tensor) -> nn.Module:
    """Find the last layer that still has a spatial grid.

    The model runs once on one image. The layer found is the last to finish whose output has more
    than one position, pooling left out, since pooling only blurs the grid; of nested modules with
    that same output it is the outermost.

    Args:
        model: A CNN that classifies.
        images: Its input, `(N, C, H, W)`, brought to the model's device; the first image is used.

    Returns:
        The layer, for ResNet `layer4`, for VGG-16 `features.29`, for MobileNetV3 `features`.

    Raises:
        LayerError: No layer has a spatial grid, the grid becomes a sequence of tokens before the
            scores, or the model does not end in class scores.
    """
    model = unwrap(model)
    images = follow_model(images, model)
    seen: list[tuple[nn.Module, int]] = []
    pooled: set[int] = set()
    tokens: list[int] = []
    kept: list[Tensor] = []  # A freed tensor's id may come again.

    def note(module: nn.Module, _args: Any, output: Any) -> None:
        tensor = first_tensor(output)
        if tensor is not None and tensor.ndim == 3:
            tokens.append(len(seen))
        if tensor is None or tensor.ndim != 4:
            return
        kept.append(tensor)
        if isinstance(module, _POOLING):
            pooled.add(id(tensor))
        if tensor.shape[2] * tensor.shape[3] > 1 and id(tensor) not in pooled:
            seen.append((module, id(tensor)))

    handles = [m.register_forward_hook(note) for m in model.modules()]
    try:
        with eval_mode(model), torch.no_grad():
            output = model(images[:1])
    finally:
        for handle in handles:
            handle.remove()
    last = seen[-1][0] if seen else None
    result = first_tensor(output)
    becomes_tokens = bool(tokens) and tokens[-1] == len(seen)
    if last is None or last is model or becomes_tokens or getattr(result, "ndim", 2) > 2:
        raise LayerError(
            f"No layer could be chosen for {type(model).__name__}: name one whose output has the "
            "shape (batch, channel, height, width) as `target_layer`."
        )
    return last
