"""How a user calls a method: for maps, for pictures, for one class or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from interpviz.cam.engine.engine import Engine
from interpviz.cam.engine.hooks import outside_inference_mode
from interpviz.cam.engine.inputs import ModelInput, prepare, with_batch
from interpviz.cam.maps import ClassMaps, checked_scale, scaled, warn_of_zeros
from interpviz.cam.targets import Targets

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from interpviz.cam.video import TimeScale
    from interpviz.cam.video_maps import VideoMaps
    from interpviz.render.images import ImageLike
    from interpviz.render.views import CamView


class CAM(Engine):
    """A class activation map: what it needs of a model, and how a user calls it.

    A method is a subclass that says how a run of the model weighs the channels of a layer.

    Args:
        model: Any module that turns images `(N, C, H, W)`, or clips `(N, C, T, H, W)`, into scores.
            It is explained in eval mode, whatever its training flag, and left as it was.
        target_layer: A module; its dotted name; a list of either, whose maps are fused; or None to
            use the last layer that has a spatial grid, found when the first image comes.
        categories: Class names in the order of the scores. By default those that the model
            carries: `model.categories`, or `id2label` of a transformers model.
        grid: How a layer's output becomes a grid, where the model does not tell: `(h, w)` for
            tokens, or a function from the layer's output to `(N, C, h, w)` that only moves values.
        fuse: How the maps of several layers become one: `"mean"`, `"max"` or `"product"`, each map
            first scaled to its own maximum (raw maps as they are).
        signed: Whether negative values are kept, which speak against the target. Maps then lie in
            [-1, 1].
        eigen_smooth: Whether the weighed channels are projected on their first principal component
            rather than added, which takes noise out of a map.
        augment: Whether the map is averaged over six copies of the image: mirrored or not, and
            with values of 0.9, 1 and 1.1 times their size, which for normalised images scales the
            contrast. It costs six times as much. A mask or a box is mirrored with the images.

    Raises:
        InputError: The model is no `nn.Module`, the categories are no names, or there is no such
            way to fuse.
        LayerError: There is no such layer in the model.
    """

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

    def __call__(
        self, images: ModelInput, targets: Targets = None, *, normalize: bool | str = True
    ) -> Tensor:
        """Explain a batch of images.

        Args:
            images: Preprocessed images `(N, C, H, W)` or clips `(N, C, T, H, W)`; a list of images
                for a detector; a tuple or dict of several inputs. They are moved to the model's
                device and floating-point type.
            targets: What to explain: None for each image's predicted class; a class index or name
                for all; a target such as [`ClassContrast`][interpviz.cam.ClassContrast]; a function
                from the model's output to one score an image `(N,)`; or a list of one of these an
                image.
            normalize: Whether each map is divided by its own maximum; `"batch"` divides all by the
                maximum of the batch; without it the maps keep their scale. Maps of the last two
                kinds can be compared.

        Returns:
            Tensor `(N, H, W)`, of clips `(N, T, H, W)`, float32, on the model's device; in [0, 1],
            or zero and above without `normalize`. Signed maps reach below zero as far.

        Raises:
            InputError: The images are not a batch of finite numbers.
            LayerError: A layer is not used, or has no spatial grid.
            TargetError: A class does not exist, or there is not one target an image.
            GradientError: The score does not depend on the layer.

        Warns:
            ZeroMapWarning: A map is zero everywhere.
        """
        scale = checked_scale(normalize)
        with outside_inference_mode():
            run = self._run(prepare(images, self.model))
            run = replace(run, target=self._choose(targets, run.trace.output, run.inputs.count))
            maps = self._maps(run, scale)
        warn_of_zeros(maps, run.target, run.trace.names, self.class_name)
        return scaled(maps, scale)

    def class_maps(
        self,
        image: ModelInput,
        targets: Sequence[int | str] | None = None,
        *,
        top: int = 3,
        normalize: bool | str = True,
    ) -> ClassMaps:
        """Explain several classes of one image with a single forward pass.

        Args:
            image: One preprocessed image `(C, H, W)` or `(1, C, H, W)`.
            targets: Class indices or names; by default the most probable ones.
            top: How many of the most probable ones.
            normalize: Whether each map is divided by its own maximum. `"batch"` divides all by one
                maximum, which shows the class with the stronger evidence; without it the maps keep
                their scale.

        Returns:
            The maps with their classes, names and probabilities.

        Raises:
            InputError: There is more than one image.
            TargetError: A class does not exist, or none is asked for.
        """
        from interpviz.cam.classes import explain_classes

        return explain_classes(self, image, targets, top, normalize)

    def class_name(self, index: int) -> str:
        """The name of a class, or `"class 281"` where the model has none.

        Args:
            index: The index of the class in the model's output.
        """
        known = self.categories is not None and index < len(self.categories)
        return self.categories[index] if known and self.categories else f"class {index}"

    def generate_cam(
        self, input_image: ModelInput, target_class: Targets = None
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
        maps = self(with_batch(input_image), target_class).cpu().numpy().astype(np.float32)
        return maps[0] if len(maps) == 1 else maps

    def visualize_cam(
        self,
        input_image: ModelInput,
        target_class: Targets = None,
        original_image: ImageLike | None = None,
        *,
        cmap: str | int | Colormap | None = None,
        alpha: float = 0.5,
    ) -> NDArray[np.uint8]:
        """Explain one image as a heat map over the photo.

        Args:
            input_image: Preprocessed image `(C, H, W)` or `(1, C, H, W)`.
            target_class: What to explain, as `targets` of a call.
            original_image: The picture as the network saw it: a path, PIL image, array or tensor.
                One of another size is resized. By default `input_image` with its values
                stretched to the visible range.
            cmap: A colour map by matplotlib or OpenCV name; by default `inferno`, and for signed
                maps `RdBu_r`, white at zero.
            alpha: The share of the heat map in each pixel, in [0, 1].

        Returns:
            Array `(H, W, 3)`, uint8 RGB, of the input's size.

        Raises:
            InputError: There is more than one image, or the picture cannot be read.

        Warns:
            AspectRatioWarning: The picture has another aspect ratio than the input.
        """
        from interpviz.cam.pictures import draw_overlay

        return draw_overlay(self, input_image, target_class, original_image, cmap, alpha)

    def plot_classes(
        self,
        input_image: ModelInput,
        targets: Sequence[int | str] | None = None,
        original_image: ImageLike | None = None,
        *,
        top: int = 3,
        cmap: str | int | Colormap | None = None,
    ) -> Figure:
        """Draw the photo and one map for each of several classes, with names and probabilities.

        Args:
            input_image: One preprocessed image `(C, H, W)` or `(1, C, H, W)`.
            targets: Class indices or names; by default the most probable ones.
            original_image: The picture as the network saw it, as for `visualize_cam`.
            top: How many of the most probable classes, where no targets are given.
            cmap: A colour map by matplotlib or OpenCV name, as for `visualize_cam`.

        Returns:
            A new figure.

        Raises:
            InputError: There is more than one image, or the picture cannot be read.
            TargetError: A class does not exist, or none is asked for.
        """
        from interpviz.cam.pictures import draw_classes

        return draw_classes(self, input_image, targets, original_image, top, cmap)

    def view(
        self,
        input_image: ModelInput,
        targets: Sequence[int | str] | None = None,
        original_image: ImageLike | None = None,
        *,
        top: int = 3,
        others: Sequence[CAM | str] = (),
        **options: Any,
    ) -> CamView:
        """Show the raw maps of several classes as an interactive view, with probabilities.

        Args:
            input_image: One preprocessed image `(C, H, W)` or `(1, C, H, W)`.
            targets: Class indices or names; by default the most probable ones.
            original_image: The picture as the network saw it, as for `visualize_cam`.
            top: How many of the most probable classes, where no targets are given.
            others: More methods for the same classes: names, for methods on the same layers, or
                CAM objects of the same model.
            **options: `shared`, `cmap`, `alpha`, `title`, `alt`, as
                [`CamView`][interpviz.render.views.CamView] takes them.

        Returns:
            The view: the last expression of a notebook cell, or `view.to_html(path)`.

        Raises:
            InputError: There is more than one image, the picture cannot be read, there is no such
                method, or one is of another model.
            TargetError: A class does not exist, or none is asked for.
        """
        from interpviz.cam.viewing import class_view

        return class_view(
            self, input_image, targets, original_image, top=top, others=others, options=options
        )

    def video(
        self,
        frames: Tensor,
        path: str | Path | None = None,
        targets: Targets = None,
        original_frames: Sequence[ImageLike] | None = None,
        *,
        fps: float = 10.0,
        normalize: TimeScale = "shared",
        cmap: str | int | Colormap | None = None,
        alpha: float = 0.5,
        batch_size: int = 16,
    ) -> VideoMaps:
        """Explain one target in every frame of a video, on one scale, and write it as a video.

        Args:
            frames: Preprocessed frames `(T, C, H, W)` for a network that sees pictures, or one clip
                `(1, C, T, H, W)` for one that sees films.
            path: Where to write the video, by suffix `.mp4` (H.264), `.webp` or `.gif`; by default
                nowhere.
            targets: One target for all frames. None stands for the class with the highest mean
                probability over them.
            original_frames: The T pictures as the network saw them.
            fps: Frames a second.
            normalize: `"shared"` divides all maps by the maximum over the video, so that a frame
                without evidence stays dark; `"frame"` divides each by its own.
            cmap: A colour map by matplotlib or OpenCV name, as for `visualize_cam`.
            alpha: The share of the heat map in each pixel, in [0, 1].
            batch_size: How many frames the model sees at a time.

        Returns:
            The maps, the video, and its numbers.

        Raises:
            InputError: Frames, pictures, path or options cannot be used.
            TargetError: There is no such class, or more than one target.

        Warns:
            ZeroMapWarning: The maps of all frames are zero everywhere.
        """
        from interpviz.cam.video import explain_video

        return explain_video(
            self,
            frames,
            path,
            targets,
            original_frames,
            fps=fps,
            normalize=normalize,
            cmap=cmap,
            alpha=alpha,
            batch_size=batch_size,
        )
