"""`load_model`: a trained network by name, from the best place in reach."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from interpviz.device import best_device
from interpviz.errors import AssetError, InputError, nearest
from interpviz.zoo.focus import packaged_focus
from interpviz.zoo.hub import HubError
from interpviz.zoo.loaded import ZooModel
from interpviz.zoo.students import STUDENTS, packaged_student
from interpviz.zoo.text import HubText, packaged_bert, packaged_gpt
from interpviz.zoo.vision import SWIN_224, Torchvision, hub_lite0, packaged_lite0

if TYPE_CHECKING:
    import torch

Loader = Callable[[str], ZooModel]
"""Takes the name that was asked for, gives the model on the CPU."""

FAMILIES = {
    "resnet": ("resnet50", "resnet18"),
    "vgg": ("vgg16", "vgg11_bn"),
    "mobilenet": ("mobilenet_v3_large", "mobilenet_v2"),
}
"""The well-known network of each family, and the student that stands in for it."""

WITHOUT_CLASSES = "vit_small_focus"
"""A vision transformer that needs no hub, but tells no classes apart."""

TRANSFORMERS = ("vit_b_16", "swin_t")
"""The well-known vision transformers, which only a hub has."""

_log = logging.getLogger(__name__)

CHOICES = ("auto", "hub", "packaged")


@dataclass(frozen=True)
class Entry:
    """Where a model of the zoo can come from.

    Attributes:
        hub: Loads the well-known checkpoint; raises `HubError` where it is out of reach.
        packaged: Loads weights that need no hub.
    """

    hub: Loader | None = None
    packaged: Loader | None = None


def _as_student(student: str, _family: str) -> ZooModel:
    return packaged_student(student)


REGISTRY: dict[str, Entry] = {
    "resnet50": Entry(
        hub=Torchvision("resnet50", "ResNet50_Weights", "layer4.2", "ResNet-50"),
    ),
    "vgg16": Entry(
        hub=Torchvision("vgg16", "VGG16_Weights", "features.29", "VGG-16"),
    ),
    "mobilenet_v3_large": Entry(
        hub=Torchvision(
            "mobilenet_v3_large", "MobileNet_V3_Large_Weights", "features.16", "MobileNetV3-Large"
        ),
    ),
    "vit_b_16": Entry(
        hub=Torchvision(
            "vit_b_16", "ViT_B_16_Weights", "encoder.layers.encoder_layer_11.ln_1", "ViT-B/16"
        ),
    ),
    "swin_t": Entry(
        hub=Torchvision("swin_t", "Swin_T_Weights", "norm", "Swin-T", transform=SWIN_224),
    ),
    WITHOUT_CLASSES: Entry(packaged=packaged_focus),
    "efficientnet_lite0": Entry(hub=hub_lite0, packaged=packaged_lite0),
    "bert": Entry(
        hub=HubText(
            "google-bert/bert-base-uncased",
            "AutoModel",
            "BERT-base, uncased",
            "BookCorpus and English Wikipedia",
            "Apache-2.0",
        ),
        packaged=packaged_bert,
    ),
    "gpt": Entry(
        hub=HubText(
            "openai-community/gpt2", "AutoModelForCausalLM", "GPT-2, 124M", "WebText", "MIT"
        ),
        packaged=packaged_gpt,
    ),
}


REGISTRY |= {name: Entry(packaged=packaged_student) for name in STUDENTS}

# The best of each family that is in reach.
REGISTRY |= {
    family: Entry(hub=REGISTRY[large].hub, packaged=partial(_as_student, small))
    for family, (large, small) in FAMILIES.items()
}


def model_names() -> list[str]:
    """The names that `load_model` knows, in alphabetical order."""
    return sorted(REGISTRY)


def load_model(
    name: str, weights: str = "auto", device: torch.device | str | None = None
) -> ZooModel:
    """Load a trained network. Nothing is printed.

    Where packaged weights stand in for those of a hub out of reach, this module's logger says so
    at the level INFO.

    Args:
        name: One of `model_names()`.
        weights: `"hub"` for the well-known checkpoint, from the hub's local cache or the hub;
            `"packaged"` for weights that need no hub; `"auto"` for what the environment variable
            `INTERPVIZ_WEIGHTS` says, and where it is not set, for the hub with the packaged
            weights as a fallback. Another value than `"auto"` goes before the variable.
        device: Where to put it; None means the fastest device of this machine.

    Returns:
        The network in eval mode, with preprocessing, class names or tokenizer, and provenance.

    Raises:
        AssetError: If no model has that name, or its weights cannot be had; the message says
            what to do.
        InputError: If `weights`, or the environment variable, is none of the three.

    Examples:
        >>> from interpviz.zoo import load_model, load_photo  # doctest: +SKIP
        >>> m = load_model("efficientnet_lite0")  # doctest: +SKIP
        >>> m.preprocess(load_photo("chelsea")).shape  # doctest: +SKIP
        torch.Size([3, 224, 224])
    """
    choice = _choice(weights)
    if name not in REGISTRY:
        near = nearest(name, REGISTRY)
        raise AssetError(
            f"The zoo has no model {name!r}. {f'{near} ' if near else ''}"
            f"It has: {', '.join(model_names())}."
        )
    loaded = _load(name, REGISTRY[name], choice)
    loaded.model.eval().to(best_device() if device is None else device)
    if loaded.categories:
        loaded.model.categories = list(loaded.categories)  # type: ignore[assignment]
    return loaded


def _other(name: str) -> str:
    """What needs no hub: the student of the same family, a transformer, or the real network."""
    if name in TRANSFORMERS:
        return (
            f'load_model("{WITHOUT_CLASSES}"), a vision transformer without classes, which needs '
            "no hub"
        )
    family = next((f for f, (large, _) in FAMILIES.items() if large == name), None)
    other = family or "efficientnet_lite0"
    return f'load_model("{other}"), which needs no hub'


def _choice(weights: str) -> str:
    origin = "weights"
    if weights == "auto":
        weights = os.environ.get("INTERPVIZ_WEIGHTS") or "auto"
        origin = "INTERPVIZ_WEIGHTS"
    if weights not in CHOICES:
        raise InputError(
            f'{origin} is {weights!r}, but must be "auto", "hub" or "packaged". '
            f"{nearest(weights, CHOICES)}".rstrip()
        )
    return weights


def _load(name: str, entry: Entry, choice: str) -> ZooModel:
    if choice != "packaged" and entry.hub is not None:
        try:
            return entry.hub(name)
        except HubError as error:
            if choice == "hub" or entry.packaged is None:
                way_out = 'weights="packaged"' if entry.packaged else _other(name)
                raise AssetError(
                    f"{name!r} cannot be loaded, because {error}: connect to the hub, fill its "
                    f"cache by hand, or use {way_out}."
                ) from error
            _log.info("%s: packaged weights, because %s.", name, error)
    if choice == "hub":
        raise AssetError(f'{name!r} is on no hub: use weights="packaged".')
    if entry.packaged is None:
        raise AssetError(
            f'{name!r} has no packaged weights: use weights="hub" with a hub in reach, or '
            f"{_other(name)}."
        )
    return entry.packaged(name)
