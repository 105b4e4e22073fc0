"""What a layer sees in a set of images, as a few concepts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from interpviz.cam.engine.grids import GridOverride, enlarge
from interpviz.cam.engine.hooks import eval_mode, outside_inference_mode
from interpviz.cam.engine.inputs import ModelInput, prepare
from interpviz.cam.engine.layers import Layer, get_target_layer
from interpviz.cam.engine.nmf import factorize
from interpviz.cam.engine.precision import as_float64
from interpviz.cam.projection import EigenCAM
from interpviz.device import placement
from interpviz.errors import InputError, LayerError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interpviz.render.images import ImageLike


@dataclass(frozen=True)
class Factorization:
    """The concepts of a set of images, and where each one is.

    Attributes:
        maps: Tensor `(N, k, H, W)` in [0, 1], float32: how strongly each concept is present at
            each pixel, as a share of its maximum over all the images. Of clips `(N, k, T, H, W)`.
        grids: Tensor `(N, k, h, w)`, zero or above: the same on the layer's own grid, in the
            units of its activations.
        concepts: Tensor `(k, C)`: the direction of each concept in the layer's channels, zero or
            above, of length 1. The concept with the largest sum of squares comes first.
        error: How much of the activations the concepts leave out: the root of the summed squared
            differences, as a share of the activations' own, in [0, 1].
        negative: The share of the activations' sum of squares that lay below zero and was cut
            off. Where it is large, as at the tokens of a transformer, concepts show only half of
            what the layer says.
        scores: Tensor `(k, classes)`, the classifier's logits for each concept alone, or None
            without a classifier.
        labels: A label for each concept: a number, and the class with the highest logit.
    """

    maps: Tensor
    grids: Tensor
    concepts: Tensor
    error: float
    negative: float
    scores: Tensor | None
    labels: list[str]

    def plot(self, images: Sequence[ImageLike], *, columns: int | None = None) -> Figure:
        """Draw the images with each concept in a colour of its own.

        Each pixel has the colour of its strongest concept, as dense as that concept is there.

        Args:
            images: The N pictures as the network saw them, one an image.
            columns: How many stand in a row; by default all, up to five.

        Returns:
            A new figure.

        Raises:
            InputError: There is not one picture an image, or these are clips.
        """
        from interpviz.render import describe
        from interpviz.render.concepts import concept_panels

        figure = concept_panels(images, self.maps, self.labels, columns=columns)
        pictures = f"{len(images)} photos" if len(images) > 1 else "A photo"
        return describe(figure, f"{pictures}, with a colour for each of: {', '.join(self.labels)}.")


class DeepFeatureFactorization:
    r"""Deep feature factorisation: the few concepts that a layer sees in a set of images.

    The activations at all positions of all images are the rows of one matrix A `(N * h * w, C)`,
    which is written as `A = W H` with k non-negative columns and rows: H says what the concepts
    are, W where they are and how strongly. A concept that several images share is the same one, so
    it has the same colour in all of them. The factorisation is
    by alternating least squares from a start that draws nothing (NNDSVD): the same images give
    the same concepts.

    Activations below zero are cut off, and `Factorization.negative` says how much that is: take a
    layer behind a ReLU or the like where you can. pytorch-grad-cam shifts every channel up to its
    own minimum in their place, which makes zero mean something else in each channel, and starts
    at random numbers.

    Use it when you want to see which parts a network tells apart, without asking for a class, and
    which parts of several images it takes for the same.

    Paper: Collins, Achanta and Süsstrunk, "Deep Feature Factorization For Concept Discovery", ECCV
    2018.

    Args:
        model: Any module that takes images `(N, C, H, W)`, or clips `(N, C, T, H, W)`.
        target_layer: A module or its dotted name, or None to have one found.
        classifier: What turns vectors of this layer's channels `(k, C)` into logits: a module of
            the model, its dotted name (`"fc"`), or any function. Each concept is sent through it
            at the strength of its maximum over the images: these are the logits of an image
            filled with that one position. It fits where the model pools the layer and classifies.
        categories: Class names in the order of the logits; by default those of the model.
        grid: How a layer's output becomes a grid, as for [`CAM`][interpviz.cam.CAM].

    Raises:
        InputError: The model is no `nn.Module`.
        LayerError: There is no such layer, or there are several.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> model = resnet18(num_classes=10).eval()
        >>> found = DeepFeatureFactorization(model, "layer4", "fc")(torch.rand(3, 3, 64, 64), 4)
        >>> found.maps.shape, found.grids.shape
        (torch.Size([3, 4, 64, 64]), torch.Size([3, 4, 2, 2]))
        >>> found.concepts.shape, found.scores.shape
        (torch.Size([4, 512]), torch.Size([4, 10]))
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | None = None,
        classifier: Callable[[Tensor], Tensor] | str | None = None,
        *,
        categories: Sequence[str] | None = None,
        grid: GridOverride = None,
    ) -> None:
        # A method that asks for no score runs to the layer and nothing else.
        self._cam = EigenCAM(model, target_layer, categories=categories, grid=grid)
        if len(self._cam.target_layers) > 1:
            raise LayerError("A factorisation is that of one layer: pass a single one.")
        if isinstance(classifier, str):
            classifier = get_target_layer(self._cam.model, classifier)
        self.classifier = classifier

    def __call__(self, images: ModelInput, k: int = 4, *, batch_size: int = 16) -> Factorization:
        """Find the concepts of a set of images.

        Args:
            images: Preprocessed images `(N, C, H, W)` or clips `(N, C, T, H, W)`, or several
                inputs with them, as for a call of [`CAM`][interpviz.cam.CAM].
            k: How many concepts.
            batch_size: How many images the model sees at once, where they are one tensor.

        Returns:
            The concepts and their maps.

        Raises:
            InputError: The images are no batch of finite numbers, there are fewer positions or
                channels than concepts, or no activation is above zero.
            LayerError: The layer is not used, or has no spatial grid.
        """
        parts: Sequence[ModelInput] = [images]
        if isinstance(images, Tensor) and images.ndim:
            parts = torch.split(images, batch_size)
        with outside_inference_mode():
            inputs = [prepare(part, self._cam.model) for part in parts]
            grids = torch.cat([self._cam._run(part).activations[0] for part in inputs])
            return self._factorized(grids, k, inputs[0].size)

    def _factorized(self, activations: Tensor, k: int, size: tuple[int, ...]) -> Factorization:
        channels = activations.shape[1]
        values = as_float64(activations.movedim(1, -1).reshape(-1, channels))
        if not 1 <= k <= min(values.shape):
            raise InputError(
                f"k is {k}, but {values.shape[0]} positions of {channels} channels have between 1 "
                f"and {min(values.shape)} concepts."
            )
        positive = values.relu()
        kept = positive.square().sum()
        if kept == 0:
            raise InputError(
                f"No activation at layer '{self._cam._names[0]}' is above zero: pick another layer."
            )
        where, what = factorize(positive, k)
        order = where.square().sum(0).argsort(descending=True, stable=True)
        where, what = where[:, order], what[order]
        error = ((positive - where @ what).square().sum() / kept).sqrt()
        shape = (len(activations), *activations.shape[2:], k)
        grids = where.reshape(shape).movedim(-1, 1).to(activations)
        concepts = what.to(activations)
        peaks = grids.movedim(1, 0).flatten(1).amax(1)
        scores = self._scores(concepts * peaks[:, None])
        return Factorization(
            maps=_shares(grids, peaks, size),
            grids=grids,
            concepts=concepts,
            error=error.item(),
            negative=(1 - kept / values.square().sum()).item(),
            scores=scores,
            labels=self._labels(k, scores),
        )

    def _scores(self, vectors: Tensor) -> Tensor | None:
        if self.classifier is None:
            return None
        whole = self.classifier if isinstance(self.classifier, nn.Module) else self._cam.model
        try:
            with eval_mode(whole), torch.no_grad():
                scores = self.classifier(vectors.to(placement(whole)[1]))
        except RuntimeError as error:
            raise InputError(
                f"The classifier does not take vectors of shape {tuple(vectors.shape)}: pass the "
                "layer behind the pooling, or a function that takes (k, channels)."
            ) from error
        if scores.ndim != 2 or len(scores) != len(vectors):
            raise InputError(
                f"The classifier turned vectors of shape {tuple(vectors.shape)} into "
                f"{tuple(scores.shape)}: it must give (k, classes)."
            )
        return scores.float()

    def _labels(self, k: int, scores: Tensor | None) -> list[str]:
        numbers = [f"concept {index + 1}" for index in range(k)]
        if scores is None:
            return numbers
        best = scores.argmax(1).tolist()
        return [
            f"{number}: {self._cam.class_name(index)}"
            for number, index in zip(numbers, best, strict=True)
        ]


def _shares(grids: Tensor, peaks: Tensor, size: tuple[int, ...]) -> Tensor:
    scaled = grids.movedim(1, -1) / torch.where(peaks > 0, peaks, 1.0)
    maps = enlarge(scaled.movedim(-1, 1).flatten(0, 1).float(), size)
    return maps.reshape(*grids.shape[:2], *size)
