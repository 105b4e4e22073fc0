"""Models of torchvision, timm and transformers by their names there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from interpviz.errors import AssetError, nearest
from interpviz.zoo.any_model import Loaded, own_categories, resampling, timm_transform
from interpviz.zoo.checkpoints import load_checkpoint, with_classes
from interpviz.zoo.extras import require
from interpviz.zoo.preprocess import Preprocess
from interpviz.zoo.quiet import quiet
from interpviz.zoo.transform_kinds import Opaque, Squashed, Transform, as_transform
from interpviz.zoo.vision import imagenet_categories

if TYPE_CHECKING:
    import torch


_CLOSE = 0.02

State = Mapping[str, "torch.Tensor"] | None


def from_torchvision(name: str, state: State) -> Loaded:
    """A classifier of torchvision.

    Args:
        name: Its name there.
        state: A checkpoint, for as many classes as it has; None takes torchvision's own.

    Raises:
        AssetError: There is no such model, or its weights cannot be had or do not fit.
    """
    models = require("torchvision.models")
    known = models.list_models(module=models)
    if name not in known:
        raise AssetError(
            f"torchvision has no model {name!r}. {nearest(name, known)} "
            "torchvision.models.list_models() lists all."
        )
    weights = models.get_model_weights(name).DEFAULT
    names: list[str] = []
    if state is None:
        model = _fetched(partial(models.get_model, name, weights=weights), f"torchvision:{name}")
        names = list(weights.meta.get("categories", []))
    else:
        model = with_classes(partial(models.get_model, name, weights=None), state, "num_classes")
        load_checkpoint(model, state, f"of torchvision:{name}")
    about = f"Weights: {name}, from torchvision, {weights}"
    transform = _of_torchvision(weights.transforms())
    return Loaded("", model, transform, names, about=about)


def _of_torchvision(preset: Any) -> Transform:
    if not hasattr(preset, "resize_size"):
        return as_transform(preset)
    means, deviations = tuple(preset.mean), tuple(preset.std)
    resample = resampling(preset.interpolation.value)
    return as_transform(
        Preprocess(preset.resize_size[0], preset.crop_size[0], resample, means, deviations)
    )


def from_timm(name: str, state: State) -> Loaded:
    """A classifier of timm.

    Args:
        name: Its name there, with or without a tag of weights.
        state: A checkpoint, for as many classes as it has; None takes the hub's.

    Raises:
        AssetError: There is no such model, or its weights cannot be had or do not fit.
    """
    timm = require("timm")
    if not timm.is_model(name.partition(".")[0]):
        raise AssetError(
            f"timm has no model {name!r}. {nearest(name, timm.list_models())} "
            "timm.list_models() lists all."
        )
    if state is None:
        model = _fetched(partial(timm.create_model, name, pretrained=True), f"timm:{name}")
    else:
        model = with_classes(partial(timm.create_model, name), state, "num_classes")
        load_checkpoint(model, state, f"of timm:{name}")
    # Another network of as many classes may well have been trained on others.
    names = imagenet_categories() if state is None and model.num_classes == 1000 else []
    return Loaded("", model, timm_transform(model), names, about=f"Weights: {name}, from timm")


def from_hugging_face(name: str) -> Loaded:
    """An image classifier or a language model of transformers.

    Args:
        name: A repository of the hub, or a folder that `save_pretrained` wrote.

    Raises:
        AssetError: It cannot be had.
    """
    transformers = require("transformers")
    where = str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name

    def load(auto: Any, **options: Any) -> Any:
        # A repository's own code never runs, nor is the user asked whether it may.
        made = partial(auto.from_pretrained, where, trust_remote_code=False, **options)
        return _fetched(made, f"hf:{name}")

    config = load(transformers.AutoConfig)
    kinds = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING
    about = f"Weights: {config.model_type}, from {name}"
    if type(config) in kinds:
        model = load(transformers.AutoModelForImageClassification, use_safetensors=True)
        transform = _of_processor(load(transformers.AutoImageProcessor))
        return Loaded("", model, transform, own_categories(model), about=about)
    writes = any("CausalLM" in a or "LMHead" in a for a in config.architectures or [])
    auto = transformers.AutoModelForCausalLM if writes else transformers.AutoModel
    model = load(auto, use_safetensors=True)
    tokenizer = load(transformers.AutoTokenizer)
    return Loaded("", model, None, tokenizer=tokenizer, about=about)


class _Processed:
    """A processor of transformers as a function from a picture to a tensor."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def __call__(self, image: Image.Image) -> Any:
        return self._processor(image, return_tensors="pt")["pixel_values"][0]

    def __repr__(self) -> str:
        config = json.dumps(self._processor.to_dict(), sort_keys=True, default=str)
        return f"{type(self._processor).__name__} {config}"


def _of_processor(processor: Any) -> Transform:
    own = Opaque(_Processed(processor))
    try:
        found = _by_settings(processor)
    except (AttributeError, KeyError, TypeError, ValueError):
        return own
    # Processors differ in what they do with the same settings, so they are asked once.
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    probe = Image.fromarray(coarse).resize((410, 300), Image.Resampling.BICUBIC)
    expected, given = own(probe)[1], found(probe)[1]
    if given.shape != expected.shape or (given - expected).abs().mean() > _CLOSE:
        return own
    return found


def _by_settings(processor: Any) -> Transform:
    size: dict[str, Any] = dict(processor.size)
    mean, std = processor.image_mean, processor.image_std
    resample = Image.Resampling(getattr(processor, "resample", None) or 2)
    normal = (tuple(mean), tuple(std)) if processor.do_normalize else ((0.0,) * 3, (1.0,) * 3)
    crops = bool(getattr(processor, "do_center_crop", False))
    crop: dict[str, Any] = dict(getattr(processor, "crop_size", None) or {}) if crops else {}
    short = size.get("shortest_edge")
    share = getattr(processor, "crop_pct", None)
    if short and (crop or share) and "height" not in size:
        side = crop.get("height", short)
        # Processors with `crop_pct` resize to more than they keep, but squash large inputs.
        if not crop and short >= 384:
            return Squashed((short, short), (short, short), resample, *normal)
        resize = short if crop else int(short / share)
        return as_transform(Preprocess(resize, side, resample, *normal))
    high, wide = (int(size.get(side) or short or 224) for side in ("height", "width"))
    kept = (int(crop.get("height", high)), int(crop.get("width", wide)))
    return Squashed((high, wide), kept, resample, *normal)


def _fetched(load: Callable[[], Any], spec: str) -> Any:
    try:
        with quiet():
            return load()
    except AssetError:
        raise
    except Exception as error:  # hubs, libraries and their versions each have errors of their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise AssetError(
            f"{spec} cannot be loaded ({reason[:160]}): connect to its hub, or pass a checkpoint "
            "of your own with --weights."
        ) from error
