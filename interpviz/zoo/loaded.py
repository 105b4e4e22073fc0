"""What `load_model` gives back, and how weights are put into a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from interpviz.errors import AssetError, InputError
from interpviz.zoo.extras import require
from interpviz.zoo.preprocess import ImageInput, Preprocess
from interpviz.zoo.provenance import Provenance

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import nn


@dataclass(repr=False)
class ZooModel:
    """A trained network with all that is needed to use it.

    Attributes:
        name: What `load_model` calls it.
        model: The network, in eval mode. A model with class names also has
            `model.categories`.
        provenance: Where its weights come from; `str()` of it belongs under a figure.
        target_layer: The layer that a class activation map is usually drawn at; None for a
            language model.
        categories: Its class names, in the order of its outputs; empty for a language model, and
            for a vision model without classes.
        tokenizer: Its tokenizer; None for a vision model.
        transform: How a picture is brought into it; None for a language model.
    """

    name: str
    model: nn.Module
    provenance: Provenance
    target_layer: nn.Module | None = None
    categories: list[str] = field(default_factory=list)
    tokenizer: Any = None
    transform: Preprocess | None = None

    def preprocess(self, image: ImageInput) -> torch.Tensor:
        """Bring a picture into the form that the network was trained on.

        Args:
            image: A PIL image, the path of one, or a uint8 array of shape (H, W, 3) or (H, W).

        Returns:
            float32 tensor of shape (3, H, W) on the CPU, resized, cropped and normalised.

        Raises:
            InputError: If it is no picture, or the model reads text.
        """
        return self._vision()(image)

    def view(self, image: ImageInput) -> Image.Image:
        """The picture exactly as the network sees it, for overlays.

        Args:
            image: As for `preprocess`.

        Returns:
            An RGB picture of the network's input size: resized and cropped, not normalised.

        Raises:
            InputError: If it is no picture, or the model reads text.
        """
        return self._vision().view(image)

    def _vision(self) -> Preprocess:
        if self.transform is None:
            raise InputError(f"{self.name!r} reads text, not pictures: use its tokenizer.")
        return self.transform

    def __repr__(self) -> str:
        kind = "language model" if self.transform is None else "no classes"
        kind = f"{len(self.categories)} classes" if self.categories else kind
        return f"ZooModel({self.name!r}, {self.provenance.architecture}, {kind})"


def put_weights(
    build: Callable[[], nn.Module], state: Mapping[str, torch.Tensor], origin: str
) -> nn.Module:
    """Make a network of given weights.

    Args:
        build: Makes the network; called where tensors have no memory, so nothing is drawn at
            random and the caller's random state stays as it was.
        state: The weights, by the network's own names.
        origin: Where they came from, for the error message.

    Returns:
        The network on the CPU.

    Raises:
        AssetError: If a weight is missing, left over or of another shape.
    """
    torch = require("torch")
    with torch.device("meta"):
        model = build()
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise AssetError(
            f"The weights in {origin} do not fit a {type(model).__name__}: delete that file if it "
            "is not what you meant, or install the versions that interpviz asks for."
        ) from error
    return model
