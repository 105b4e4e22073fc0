"""A layer by module, by name, or found automatically."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from interpviz.cam.engine.grids import Layout, layout_of
from interpviz.cam.engine.hooks import outside_inference_mode
from interpviz.cam.engine.inputs import Inputs, ModelInput, prepare
from interpviz.cam.engine.steps import choose, watch
from interpviz.cam.targets.outputs import find_logits
from interpviz.device import unwrap
from interpviz.errors import InputError, LayerError, nearest

Layer = nn.Module | str


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


def find_target_layer(
    model: nn.Module, inputs: ModelInput | Inputs, layout: Layout | None = None
) -> nn.Module:
    """Find the last layer whose positions still decide the class.

    The model runs once on one image. Layers are asked from the last to the first to finish: the
    one found has an output that makes a grid of the image, and the score of the predicted class
    has a gradient at many of its positions. Pooling is left out, since it only blurs the grid; of
    nested modules with the same output it is the outermost. Among tokens, blocks and normalisation
    layers are asked. Where a ViT reads its class token, nothing behind the last attention depends
    on the other tokens, so this is the normalisation in front of it.

    Args:
        model: A model that classifies.
        inputs: Its input, such as images `(N, C, H, W)` or clips `(N, C, T, H, W)`, brought to the
            model's device; the first image is used.
        layout: How activations lie on the input; by default read from the model.

    Returns:
        The layer, for ResNet `layer4`, for VGG-16 `features.29`, for MobileNetV3 `features`, for
        torchvision's ViT-B/16 `encoder.layers.encoder_layer_11.ln_1`.

    Raises:
        LayerError: No layer has such a grid, the model does not end in class scores, or it turns
            gradients off.
    """
    model = unwrap(model)
    with outside_inference_mode(), torch.enable_grad():
        first = prepare(inputs, model).first()
        layout = replace(layout or layout_of(model, first.images), batch=1)
        images = first.images.detach().requires_grad_()
        # A model may change its input in place, which a leaf does not allow.
        steps, output = watch(model, first.with_images(images.clone()))
        found = choose(steps, _score(model, output), images, layout)
    if found is None:
        raise _refusal(model, "the predicted score has no gradient at a layer with a grid")
    return found


def _score(model: nn.Module, output: Any) -> Tensor:
    try:
        logits = find_logits(output)
    except InputError:
        raise _refusal(model, f"it returns {type(output).__name__}, not class scores") from None
    if logits.ndim != 2:
        raise _refusal(model, f"its output of shape {tuple(logits.shape)} is not (batch, classes)")
    if not logits.requires_grad:
        raise _refusal(model, "it turns gradients off, by `torch.no_grad()` or `.detach()`")
    return logits[0].amax()


def _refusal(model: nn.Module, reason: str) -> LayerError:
    return LayerError(
        f"No layer could be chosen for {type(model).__name__}, since {reason}: name one as "
        "`target_layer` whose output has the shape (batch, channel, height, width), or is tokens "
        "together with `grid=(height, width)`."
    )
