"""The one engine: run to a layer, score, differentiate, combine, normalise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from interpviz.cam.grids import as_grid, enlarge, share_of_maximum
from interpviz.cam.hooks import Trace, outside_inference_mode, run_to_layers
from interpviz.cam.inputs import checked_score, follow_model, one_image, with_batch
from interpviz.cam.layers import Layer, find_target_layer, get_layers, layer_name
from interpviz.cam.maps import ClassMaps, percent, warn_of_zeros
from interpviz.cam.targets import (
    ClassScore,
    Targets,
    as_list,
    class_index,
    find_categories,
    find_logits,
    resolve_target,
)
from interpviz.device import unwrap
from interpviz.errors import GradientError, InputError, TargetError
from interpviz.render.style import MAP_CMAP

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from interpviz.render.images import ImageLike


class CAM(ABC):
    """A class activation map: what it needs of a model, and how a user calls it.

    A method is a subclass that says how activations and gradients become a map.

    Args:
        model: Any module that turns images `(N, C, H, W)` into class scores. It is explained in
            eval mode, whatever its training flag, and left as it was.
        target_layer: A module; its dotted name; a list of either, whose maps are averaged after
            each is scaled to its own maximum (raw maps as they are); or None to use the last
            layer that has a spatial grid, found when the first image comes.
        categories: Class names in the order of the scores. By default those that the model
            carries: `model.categories`, or `id2label` of a transformers model.

    Raises:
        InputError: The model is no `nn.Module`, or the categories are no names.
        LayerError: There is no such layer in the model.
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        *,
        categories: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise InputError(
                f"The model is a {type(model).__name__}, not an nn.Module: pass the network, "
                "of a zoo model `m.model`."
            )
        self.model = unwrap(model)
        self.categories = find_categories(self.model, categories)
        self.target_layers = [] if target_layer is None else get_layers(self.model, target_layer)
        self._names = [layer_name(self.model, layer) for layer in self.target_layers]

    @staticmethod
    def from_name(name: str) -> type[CAM]:
        """The class of a method, such as `CAM.from_name("gradcam++")(model, "layer4")`.

        Args:
            name: One of [`methods()`][interpviz.cam.methods].

        Raises:
            InputError: There is no such method; the nearest ones are named.
        """
        from interpviz.cam.registry import get_method

        return get_method(name)

    @abstractmethod
    def _combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Make a map, before its ReLU, from one layer.

        Args:
            activation: Tensor `(N, C, h, w)`, float32.
            gradient: The score's gradient for it, of the same shape.

        Returns:
            Tensor `(N, h, w)`.
        """

    def __call__(
        self, images: Tensor, targets: Targets = None, *, normalize: bool = True
    ) -> Tensor:
        """Explain a batch of images.

        Args:
            images: Preprocessed images `(N, C, H, W)`; they are moved to the model's device and
                floating-point type.
            targets: What to explain: None for each image's predicted class; a class index or name
                for all; a list or tensor of one index or name an image; or a function from the
                model's output to one score an image `(N,)`.
            normalize: Whether each map is divided by its own maximum. Without it the maps keep
                their scale, so that they can be compared.

        Returns:
            Tensor `(N, H, W)`, float32, on the model's device; in [0, 1], or zero and above
            without `normalize`.

        Raises:
            InputError: The images are not a batch of finite numbers.
            LayerError: A layer is not used, or has no spatial grid.
            TargetError: A class does not exist, or there is not one target an image.
            GradientError: The score does not depend on the layer.

        Warns:
            ZeroMapWarning: A map is zero everywhere.
        """
        with outside_inference_mode():
            trace, images = self._run(images)
            with torch.enable_grad():
                target = resolve_target(targets, find_logits(trace.output), self.categories)
                score = checked_score(target(find_logits(trace.output)), len(images))
            maps = self._maps(trace, score, images, scaled=normalize)
        warn_of_zeros(maps, target, trace.names, self.class_name)
        return share_of_maximum(maps) if normalize else maps

    def class_maps(
        self,
        image: Tensor,
        targets: Sequence[int | str] | None = None,
        *,
        top: int = 3,
        normalize: bool = True,
    ) -> ClassMaps:
        """Explain several classes of one image with a single forward pass.

        Args:
            image: One preprocessed image `(C, H, W)` or `(1, C, H, W)`.
            targets: Class indices or names; by default the most probable ones.
            top: How many of the most probable ones.
            normalize: Whether each map is divided by its own maximum. Without it the maps show
                which class has the stronger evidence.

        Returns:
            The maps with their classes, names and probabilities.

        Raises:
            InputError: There is more than one image.
            TargetError: A class does not exist, or none is asked for.
        """
        with outside_inference_mode():
            trace, images = self._run(one_image(image))
            with torch.enable_grad():
                logits = find_logits(trace.output)
                if logits.ndim != 2:
                    raise TargetError(
                        f"The model's output has shape {tuple(logits.shape)}, so it has no list of "
                        "classes: call the CAM with a target function instead."
                    )
                classes = self._classes(logits, targets, top)
                maps = [
                    self._maps(trace, logits[:, c], images, scaled=normalize, again=True)
                    for c in classes
                ]
        for c, single in zip(classes, maps, strict=True):
            warn_of_zeros(single, ClassScore((c,)), trace.names, self.class_name)
        stacked = torch.cat(maps)
        row = logits.detach()[0].float()
        probabilities = (row.softmax(0) if len(row) > 1 else row.sigmoid())[classes].tolist()
        return ClassMaps(
            share_of_maximum(stacked) if normalize else stacked,
            classes,
            [self.class_name(c) for c in classes],
            probabilities,
        )

    def class_name(self, index: int) -> str:
        """The name of a class, or `"class 281"` where the model has none.

        Args:
            index: The index of the class in the model's output.
        """
        known = self.categories is not None and index < len(self.categories)
        return self.categories[index] if known and self.categories else f"class {index}"

    def generate_cam(
        self, input_image: Tensor, target_class: Targets = None
    ) -> NDArray[np.float32]:
        """Explain one image, or a batch, as a NumPy array.

        Args:
            input_image: Preprocessed image `(C, H, W)` or `(1, C, H, W)`, or a batch
                `(N, C, H, W)`.
            target_class: What to explain, as `targets` of a call.

        Returns:
            Array `(H, W)`, or `(N, H, W)` for a batch of several, float32 in [0, 1].

        Raises:
            InterpvizError: As a call of the object itself does.
        """
        batch = with_batch(input_image)
        maps = self(batch, target_class).cpu().numpy().astype(np.float32)
        return maps[0] if len(maps) == 1 else maps

    def visualize_cam(
        self,
        input_image: Tensor,
        target_class: Targets = None,
        original_image: ImageLike | None = None,
        *,
        cmap: str | int | Colormap = MAP_CMAP,
        alpha: float = 0.5,
    ) -> NDArray[np.uint8]:
        """Explain one image as a heat map over the photo.

        Args:
            input_image: Preprocessed image `(C, H, W)` or `(1, C, H, W)`.
            target_class: What to explain, as `targets` of a call.
            original_image: The picture as the network saw it: a path, PIL image, array or tensor.
                One of another size is resized. By default `input_image` with its values
                stretched to the visible range.
            cmap: A colour map by matplotlib or OpenCV name.
            alpha: The share of the heat map in each pixel, in [0, 1].

        Returns:
            Array `(H, W, 3)`, uint8 RGB, of the input's size.

        Raises:
            InputError: There is more than one image, or the picture cannot be read.

        Warns:
            AspectRatioWarning: The picture has another aspect ratio than the input.
        """
        from interpviz.cam.backdrop import backdrop
        from interpviz.render import overlay

        image = one_image(input_image)
        heatmap = self(image, target_class)[0]
        return overlay(backdrop(image, original_image), heatmap, cmap=cmap, alpha=alpha)

    def plot_classes(
        self,
        input_image: Tensor,
        targets: Sequence[int | str] | None = None,
        original_image: ImageLike | None = None,
        *,
        top: int = 3,
        cmap: str | int | Colormap = MAP_CMAP,
    ) -> Figure:
        """Draw the photo and one map for each of several classes, with names and probabilities.

        Args:
            input_image: One preprocessed image `(C, H, W)` or `(1, C, H, W)`.
            targets: Class indices or names; by default the most probable ones.
            original_image: The picture as the network saw it, as for `visualize_cam`.
            top: How many of the most probable classes, where no targets are given.
            cmap: A colour map by matplotlib or OpenCV name.

        Returns:
            A new figure.

        Raises:
            InputError: There is more than one image, or the picture cannot be read.
            TargetError: A class does not exist, or none is asked for.
        """
        from interpviz.cam.backdrop import backdrop
        from interpviz.render import describe, map_panels

        image = one_image(input_image)
        found = self.class_maps(image, targets, top=top)
        titles = [
            f"{name}\n{percent(probability)}"
            for name, probability in zip(found.names, found.probabilities, strict=True)
        ]
        picture = backdrop(image, original_image)
        figure = map_panels(picture, found.maps, titles, photo_title="input\n", cmap=cmap)
        shown = ", ".join(title.replace("\n", " at ") for title in titles)
        return describe(figure, f"A photo, and heat maps over it for the classes {shown}.")

    def _run(self, images: Tensor) -> tuple[Trace, Tensor]:
        images = follow_model(images, self.model)
        if not self.target_layers:
            self.target_layers = [find_target_layer(self.model, images)]
            self._names = [layer_name(self.model, layer) for layer in self.target_layers]
        return run_to_layers(self.model, self.target_layers, self._names, images), images

    def _maps(
        self, trace: Trace, score: Tensor, images: Tensor, *, scaled: bool, again: bool = False
    ) -> Tensor:
        height, width = images.shape[-2:]
        maps = []
        gradients = trace.gradients(score, again=again)
        for name, kept, gradient in zip(trace.names, trace.activations, gradients, strict=True):
            activation = as_grid(kept.detach(), name, (height, width))
            combined = self._combine(activation, as_grid(gradient, name, (height, width)))
            if not torch.isfinite(combined).all():
                raise GradientError(
                    f"The map at layer '{name}' has NaN or infinite values: activations or "
                    "gradients overflow; run the model in float32 or bfloat16, and check its "
                    "weights and inputs."
                )
            maps.append(enlarge(combined.relu().float(), height, width))
        if len(maps) == 1:
            return maps[0]
        return torch.stack([share_of_maximum(m) if scaled else m for m in maps]).mean(0)

    def _classes(self, logits: Tensor, targets: Sequence[int | str] | None, top: int) -> list[int]:
        count = logits.shape[1]
        if targets is None and top < 1:
            raise TargetError(f"top is {top}, but at least one class must be explained.")
        if targets is None:
            return logits[0].topk(min(top, count)).indices.tolist()
        if callable(targets):
            raise TargetError(
                "These are the maps of classes: pass indices or names, or call the CAM itself with "
                "a target function."
            )
        chosen = as_list(targets)
        if not chosen:
            raise TargetError("The list of targets is empty: name at least one class.")
        return [class_index(target, count, self.categories) for target in chosen]
