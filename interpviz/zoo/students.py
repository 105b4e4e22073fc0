"""Small trained networks that travel inside the package: torchvision's own classes, in int8.

A student was distilled from EfficientNet-Lite0 on less than a thousand photos
(`python -m interpviz.zoo.distill`). It is there so that the gallery can always show a trained
network; the card beside each weight file says how good it is, and it is not for use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from interpviz.errors import AssetError, InputError, nearest
from interpviz.zoo.assets import file_sha256
from interpviz.zoo.extras import require
from interpviz.zoo.loaded import ZooModel
from interpviz.zoo.preprocess import Preprocess
from interpviz.zoo.provenance import Provenance
from interpviz.zoo.vision import imagenet_categories

if TYPE_CHECKING:
    import torch
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"
CLASSES = 1000
# The statistics that torchvision's own checkpoints use, so that one preprocessing fits both.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
CROP = 0.875
_SCALE = ".int8_scale"


def _resnet18() -> nn.Module:
    model: nn.Module = require("torchvision.models").resnet18(weights=None, num_classes=CLASSES)
    return model


def _vgg11_bn() -> nn.Module:
    layers, vgg = require("torch.nn"), require("torchvision.models.vgg")
    # torchvision's three large linear layers are 120 of VGG's 130 million weights; an average
    # over the grid and one linear layer take their place.
    features = vgg.make_layers(vgg.cfgs["A"], batch_norm=True)
    model: nn.Module = vgg.VGG(features, num_classes=CLASSES)
    model.avgpool = layers.AdaptiveAvgPool2d(1)
    model.classifier = layers.Linear(512, CLASSES)
    return model


def _mobilenet_v2() -> nn.Module:
    # Mixing and soft labels are all the regularisation that a short run needs.
    models = require("torchvision.models")
    model: nn.Module = models.mobilenet_v2(weights=None, num_classes=CLASSES, dropout=0.0)
    return model


_BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": _resnet18,
    "vgg11_bn": _vgg11_bn,
    "mobilenet_v2": _mobilenet_v2,
}
TITLES = {
    "resnet18": "ResNet-18",
    "vgg11_bn": "VGG-11-BN with one linear layer",
    "mobilenet_v2": "MobileNetV2",
}
# Where a student's last grid of features is: the layer that Grad-CAM explains.
FEATURE_LAYERS = {
    "resnet18": "layer4",
    "vgg11_bn": "features.27",
    "mobilenet_v2": "features.18",
}
STUDENTS = tuple(_BUILDERS)


@dataclass(frozen=True)
class StudentInfo:
    """What the header of a student's weight file says about it.

    Attributes:
        architecture: One of `STUDENTS`.
        recipe: How it was trained, in a few sentences.
        seconds: How long that took.
        device: Where.
        train_size: Side in pixels of most of the training crops.
        size: Side in pixels of the input that it is meant for, and measured at.
        feature_layer: Dotted name of the last layer with a grid.
        mean: Mean of each channel that inputs are normalised with, for values in [0, 1].
        std: Standard deviation of each channel, in the same units.
        crop: Part of the resized short side that the centre crop keeps, in (0, 1].
    """

    architecture: str
    recipe: str
    seconds: int
    device: str
    train_size: int
    size: int
    feature_layer: str
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    crop: float = CROP

    def preprocess(self, size: int | None = None) -> Preprocess:
        """How a photo is brought into the student.

        Args:
            size: Another input size in pixels than the one that it is meant for.
        """
        size = size or self.size
        resample = Image.Resampling.BICUBIC
        return Preprocess(round(size / self.crop), size, resample, self.mean, self.std)


def build_student(name: str) -> nn.Module:
    """An untrained student in training mode.

    Args:
        name: One of `STUDENTS`.

    Returns:
        A torchvision model: float images (N, 3, H, W) to logits (N, 1000).

    Raises:
        InputError: `name` is not a student's.
    """
    if name not in _BUILDERS:
        raise InputError(f"There is no student named {name!r}. {nearest(name, STUDENTS)}".rstrip())
    return _BUILDERS[name]()


def quantise(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round weight matrices and kernels to int8, one scale for each output channel.

    Args:
        state: A model's state. Tensors of two dimensions or more are rounded; biases and the
            statistics of batch normalisation stay float32; counters are left out.

    Returns:
        int8 tensors under their own names, each with its float32 scales (output channels,)
        under the name plus `.int8_scale`, and the tensors that stayed float32. The largest
        weight of a channel becomes 127 or -127; a channel of zeros has the scale 1.
    """
    import torch

    packed: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if not value.is_floating_point():
            continue
        tensor = value.detach().float().cpu()
        if tensor.ndim < 2:
            packed[name] = tensor.contiguous().clone()
            continue
        scale = tensor.flatten(1).abs().amax(1) / 127
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        rounded = torch.round(tensor / scale.view(-1, *[1] * (tensor.ndim - 1)))
        packed[name] = rounded.clamp(-127, 127).to(torch.int8).contiguous()
        packed[name + _SCALE] = scale
    return packed


def restore(packed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Turn what `quantise` returned into float32 tensors under the model's names.

    Args:
        packed: int8 tensors with their scales, and float tensors.

    Returns:
        A state of float32 tensors, each within half a scale of the original.
    """
    state: dict[str, torch.Tensor] = {}
    for name, value in packed.items():
        if name.endswith(_SCALE):
            continue
        scale = packed.get(name + _SCALE)
        tensor = value.float()
        state[name] = tensor if scale is None else tensor * scale.view(-1, *[1] * (value.ndim - 1))
    return state


def save_student(model: nn.Module, info: StudentInfo, path: Path) -> None:
    """Write a student as per-channel int8 with its description in the file's header.

    Args:
        model: The trained student.
        info: What the header will say. It names no date, so equal weights give equal files.
        path: The safetensors file to write; its folder must exist.
    """
    from safetensors.torch import save_file

    # One entry: safetensors writes several in an order that changes from run to run.
    header = {"interpviz": json.dumps(asdict(info), sort_keys=True)}
    save_file(quantise(model.state_dict()), path, metadata=header)
    path.chmod(0o644)  # safetensors writes files that only their owner may read


def load_student(name: str, path: Path | None = None) -> tuple[nn.Module, StudentInfo]:
    """Build a student and fill it with its packaged weights, restored to float32.

    Args:
        name: One of `STUDENTS`.
        path: Another weight file; `None` takes the packaged one.

    Returns:
        The model on the CPU in evaluation mode, and what its file says about it.

    Raises:
        InputError: `name` is not a student's.
        AssetError: The file is missing, or does not hold this student.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    # On the meta device nothing is drawn at random, which would take longer than the loading.
    with torch.device("meta"):
        model = build_student(name)
    path = path or WEIGHTS / f"{name}.safetensors"
    if not path.is_file():
        raise AssetError(f"{path} does not exist; `python -m interpviz.zoo.distill` writes it.")
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {})["interpviz"])
            packed = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        header |= {key: tuple(header[key]) for key in ("mean", "std")}
        info = StudentInfo(**header)
        state = restore(packed)
        counters = [k for k in model.state_dict() if k.endswith("num_batches_tracked")]
        state |= {key: torch.tensor(0) for key in counters}
        model.load_state_dict(state, assign=True)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise AssetError(f"{path} does not hold the student {name!r}: {error}") from error
    return model.eval(), info


def packaged_student(name: str) -> ZooModel:
    """A student with all that is needed to use it.

    Args:
        name: One of `STUDENTS`.

    Raises:
        InputError: `name` is not a student's.
        AssetError: Its weight file is missing or damaged.
    """
    from interpviz import __version__

    model, info = load_student(name)
    provenance = Provenance(
        architecture=TITLES[name],
        trained_on="distilled from EfficientNet-Lite0 on a few hundred photos",
        source="interpviz",
        version=__version__,
        sha256=file_sha256(WEIGHTS / f"{name}.safetensors"),
        licence="Apache-2.0",
        note="For demonstration, not for use; the gallery's own photos were trained on.",
    )
    return ZooModel(
        name,
        model,
        provenance,
        target_layer=model.get_submodule(info.feature_layer),
        categories=imagenet_categories(),
        transform=info.preprocess(),
    )
