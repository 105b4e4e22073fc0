"""A network from anywhere, with what is needed to explain it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image

from interpviz.errors import InputError
from interpviz.zoo.extras import require
from interpviz.zoo.loaded import ZooModel
from interpviz.zoo.preprocess import Preprocess
from interpviz.zoo.transform_kinds import Squashed, Transform, as_transform, described
from interpviz.zoo.vision import TORCHVISION_224

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass
class Loaded:
    """A network from anywhere, with what is needed to explain it.

    Attributes:
        name: What the user calls it.
        model: The network, in eval mode.
        transform: How a picture is brought into it; None for a language model.
        categories: Its class names in the order of its outputs; empty where it has none.
        target_layer: The layer that a map is usually drawn at; None where it is to be found.
        tokenizer: Its tokenizer; None for a vision model.
        about: Lines that say where its weights come from.
    """

    name: str
    model: nn.Module
    transform: Transform | None
    categories: list[str] = field(default_factory=list)
    target_layer: nn.Module | None = None
    tokenizer: Any = None
    about: str = ""


def as_loaded(given: Any, name: str) -> Loaded:
    """A network that the user made, as one of this module.

    Args:
        given: An `nn.Module`; a pair of one and its preprocessing; a `ZooModel`; or a `Loaded`.
            A network alone is given its own preprocessing where it carries one (timm's
            `pretrained_cfg`), else that of torchvision's ImageNet models.
        name: What to call it.

    Raises:
        InputError: It is something else.
    """
    from torch import nn

    if isinstance(given, Loaded):
        return given
    if isinstance(given, ZooModel):
        transform = None if given.transform is None else as_transform(given.transform)
        about = str(given.provenance)
        layer, names = given.target_layer, list(given.categories)
        return Loaded(name, given.model, transform, names, layer, given.tokenizer, about)
    pair = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    model, preprocessing = pair
    if not isinstance(model, nn.Module):
        raise InputError(
            f"{name} gave a {type(given).__name__}, not a network: return an nn.Module, or a pair "
            "of one and its preprocessing."
        )
    if preprocessing is not None:
        transform = as_transform(preprocessing)
    elif hasattr(model, "pretrained_cfg"):
        transform = timm_transform(model)
    else:
        transform = as_transform(TORCHVISION_224)
    names = [str(c) for c in getattr(model, "categories", None) or own_categories(model)]
    return Loaded(name, model, transform, names, about=f"Weights: {type(model).__name__} of {name}")


def place(model: nn.Module, device: torch.device | str) -> None:
    """Put a network on a device.

    Args:
        model: The network.
        device: The device.

    Raises:
        InputError: There is no such device, or it cannot hold the network.
    """
    try:
        model.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"The network cannot be put on {str(device)!r} ({reason[:160]}): pass another device, "
            "such as cpu."
        ) from error


def weights_digest(model: nn.Module) -> str:
    """A digest of a network: its structure as printed, and all its parameters and buffers.

    Args:
        model: Any module.

    Returns:
        64 hexadecimal digits.
    """
    import torch

    digest = hashlib.sha256(described(model).encode())
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, torch.Tensor):
            values = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(values.numpy().data)
    return digest.hexdigest()


def timm_transform(model: nn.Module) -> Transform:
    """The preprocessing that a timm model was trained with.

    Args:
        model: The network.
    """
    config = require("timm.data").resolve_data_config({}, model=model)
    height, width = config["input_size"][1:]
    resample = resampling(config["interpolation"])
    mean, std = tuple(config["mean"]), tuple(config["std"])
    larger = tuple(int(side / config["crop_pct"]) for side in (height, width))
    if config["crop_mode"] == "center" and height == width and len(mean) == 3:
        return as_transform(Preprocess(larger[0], height, resample, mean, std))
    return Squashed((larger[0], larger[1]), (height, width), resample, mean, std)


def own_categories(model: nn.Module) -> list[str]:
    """The class names that a transformers model carries; empty where it has none.

    Args:
        model: The network.
    """
    labels = getattr(getattr(model, "config", None), "id2label", None) or {}
    return [str(labels[index]) for index in sorted(labels)]


def resampling(name: str) -> Image.Resampling:
    """Pillow's interpolation of that name; bilinear where it has none.

    Args:
        name: Such as `"bicubic"`.
    """
    return getattr(Image.Resampling, name.upper(), Image.Resampling.BILINEAR)
