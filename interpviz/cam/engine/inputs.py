"""What a model is called with: checked, on its device, and with the images known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from interpviz.device import placement
from interpviz.errors import InputError


@dataclass(frozen=True)
class Inputs:
    """The arguments of one call of a model.

    Attributes:
        images: The images `(N, C, H, W)`, or clips `(N, C, T, H, W)`.
        others: The other arguments, by position or keyword.
        place: Where the images stand among them.
        listed: Whether the model takes its images as a list of `(C, H, W)`, as detectors do.
    """

    images: Tensor
    others: dict[int | str, Any] = field(default_factory=dict)
    place: int | str = 0
    listed: bool = False

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.images)

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of the images in pixels; of clips, their length in frames first."""
        return tuple(self.images.shape[2:])

    def run(self, model: Callable[..., Any]) -> Any:
        """Call the model.

        Args:
            model: What takes these arguments.
        """
        images = list(self.images) if self.listed else self.images
        arguments = {**self.others, self.place: images}
        numbered = sorted(k for k in arguments if isinstance(k, int))
        named = {k: value for k, value in arguments.items() if isinstance(k, str)}
        return model(*(arguments[k] for k in numbered), **named)

    def with_images(self, images: Tensor) -> Inputs:
        """The same call with other images.

        Args:
            images: Tensor `(G * N, C, H, W)`, G groups of the N images. The other arguments that
                have a row an image are repeated for each group.
        """
        groups = len(images) // self.count
        others = self._others(lambda rows: rows.repeat(groups, *[1] * (rows.ndim - 1)))
        return replace(self, images=images, others=others if groups > 1 else self.others)

    def first(self) -> Inputs:
        """The same call with the first image alone."""
        return replace(self, images=self.images[:1], others=self._others(lambda rows: rows[:1]))

    def _others(self, change: Callable[[Tensor], Tensor]) -> dict[int | str, Any]:
        return {
            key: change(v) if isinstance(v, Tensor) and v.ndim and len(v) == self.count else v
            for key, v in self.others.items()
        }


ModelInput = Tensor | Sequence[Any] | Mapping[str, Any] | Inputs
"""A batch of images; a list of images for a detection model; a tuple or dict of several inputs."""


def prepare(given: ModelInput, model: nn.Module) -> Inputs:
    """What the user passes, checked and brought to the model.

    Args:
        given: Images `(N, C, H, W)` or clips `(N, C, T, H, W)`; a list of images `(C, H, W)` of
            one size, for models that take a list; a tuple of positional or a mapping of keyword
            arguments, of which the first floating tensor of four or five dimensions is the images.
        model: The model that will take it.

    Returns:
        The call, on the model's device and of its floating-point type.

    Raises:
        InputError: There are no images, or they are not finite floating-point numbers.
    """
    if isinstance(given, Inputs):
        return given
    if isinstance(given, list) and given and all(isinstance(i, Tensor) for i in given):
        return Inputs(follow_model(_stack(given), model), listed=True)
    if not isinstance(given, tuple | Mapping):
        return Inputs(follow_model(given, model))  # type: ignore[arg-type]  # says what it is
    arguments: dict[int | str, Any] = dict(
        enumerate(given) if isinstance(given, tuple) else given.items()
    )
    place = next((k for k, value in arguments.items() if _are_images(value)), None)
    if place is None:
        raise InputError(
            "None of the model's inputs is a floating-point tensor (batch, channel, height, "
            "width): pass the images among them."
        )
    images = follow_model(arguments.pop(place), model)
    device, dtype = placement(model)
    others = {
        key: value.to(device, dtype if value.is_floating_point() else value.dtype)
        if isinstance(value, Tensor)
        else value
        for key, value in arguments.items()
    }
    return Inputs(images, others, place)


def _are_images(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim in (4, 5)


def _stack(images: Sequence[Tensor]) -> Tensor:
    if any(image.ndim != 3 or image.shape != images[0].shape for image in images):
        raise InputError(
            "A list of images must hold tensors (channel, height, width) of one size: resize them, "
            "or explain one at a time."
        )
    return torch.stack(list(images))


def with_batch(image: Any) -> Any:
    """A batch of one from a single image; anything else as it is.

    Args:
        image: Tensor `(C, H, W)` or `(N, C, H, W)`.
    """
    return image[None] if isinstance(image, Tensor) and image.ndim == 3 else image


def one_image(image: ModelInput, model: nn.Module) -> Inputs:
    """The call for a single image.

    Args:
        image: Tensor `(C, H, W)` or `(1, C, H, W)`, or several inputs with one such.
        model: The model that will take it.

    Raises:
        InputError: It holds several images.
    """
    inputs = prepare(with_batch(image), model)
    if inputs.count != 1:
        raise InputError(
            f"There are {inputs.count} images, but this explains one at a time: pass images[i]."
        )
    return inputs


def follow_model(images: Tensor, model: nn.Module) -> Tensor:
    """Images on the model's device, of its floating-point type.

    Args:
        images: Tensor `(N, C, H, W)`, or clips `(N, C, T, H, W)`.
        model: The model that will take them.

    Raises:
        InputError: They are not a batch of finite floating-point numbers.
    """
    if not isinstance(images, Tensor):
        raise InputError(
            f"The images are a {type(images).__name__}, not a tensor: preprocess them first, for "
            "instance with `m.preprocess(image)[None]`; pass several inputs as a tuple or a dict."
        )
    if images.ndim not in (4, 5) or not images.numel():
        remedy = (
            "add the batch with `image[None]`" if images.ndim == 3 else "pass a batch of images"
        )
        raise InputError(
            f"The images have shape {tuple(images.shape)}, not (batch, channel, height, width): "
            f"{remedy}."
        )
    if not images.is_floating_point():
        raise InputError(
            f"The images are {images.dtype}: the model's own preprocessing must turn them into "
            "normalised floating-point numbers first."
        )
    # One sum is several times as quick as a look at every value, and rarely misleads.
    if not torch.isfinite(images.sum()) and not torch.isfinite(images).all():
        bad = (~torch.isfinite(images)).flatten(1).any(1).nonzero()[:, 0].tolist()
        raise InputError(
            f"Image {bad[0]} has NaN or infinite values ({len(bad)} of {len(images)} images do): "
            "check how it was read and normalised."
        )
    device, dtype = placement(model)
    moved = images.detach().to(device=device, dtype=dtype)
    return moved.clone() if moved.is_inference() else moved
