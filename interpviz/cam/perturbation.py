"""The methods that look at the image through masks, one made of each channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

import torch
from torch import Tensor, nn

from interpviz.cam.base import CAM
from interpviz.cam.engine.engine import CAMOptions
from interpviz.cam.engine.grids import enlarge
from interpviz.cam.engine.layers import Layer
from interpviz.cam.engine.run import Run
from interpviz.errors import InputError


class ScoreCAM(CAM):
    r"""Score-CAM: a channel counts by the score of the image seen through it, without gradients.

    Channel k, enlarged to the image and scaled to [0, 1], is a mask M_k. Its weight is
    `softmax over k of (f(M_k * x) - f(0))`, and the map is `ReLU(sum over k of w_k * A_k)`. A
    channel with one value everywhere masks nothing and has the weight 0. The score of the zero
    image, f(0), is the same for all channels, so the softmax takes it out and it is never asked
    for.

    f is the target: of a class its logit, as in torch-cam and pytorch-grad-cam. The authors' own
    program weighs by the class probability itself, without a softmax over channels. With
    [`ClassProbability`][interpviz.cam.ClassProbability] as the target the softmax of values in
    [0, 1] makes nearly equal weights.

    The model runs once for every channel that is not constant, and anew for each class of
    `class_maps`, so it takes hundreds of times as long as Grad-CAM. With `channels=K` the masks are
    put into K groups of like ones, and only the one nearest to the rest of its group is tried, for
    all of it. At a last layer a tenth to a twentieth of the channels hardly changes the map; a
    layer before its activation, where all masks score nearly alike, needs more.

    Use it when gradients cannot be had or trusted, and time does not matter.

    Paper: Wang, Wang, Du, Yang, Zhang, Ding, Mardziel and Hu, "Score-CAM: Score-Weighted Visual
    Explanations for Convolutional Neural Networks", CVPR Workshops 2020.

    Args:
        model: As for [`CAM`][interpviz.cam.CAM].
        target_layer: As for [`CAM`][interpviz.cam.CAM].
        channels: How many channels of a layer are tried; by default all.
        batch_size: How many masked images the model sees at once, at least one of each image. Only
            so many are in memory.
        **options: As for [`CAM`][interpviz.cam.CAM].

    Raises:
        InputError: `channels` or `batch_size` is below 1.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> cam = ScoreCAM(resnet18().eval(), "layer4", channels=32)
        >>> cam(torch.rand(1, 3, 64, 64), targets=7).shape
        torch.Size([1, 64, 64])
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        *,
        channels: int | None = None,
        batch_size: int = 16,
        **options: Unpack[CAMOptions],
    ) -> None:
        super().__init__(model, target_layer, **options)
        for name, count in {"channels": channels, "batch_size": batch_size}.items():
            if count is not None and count < 1:
                raise InputError(f"{name} is {count}, but must be at least 1.")
        self.channels = channels
        self.batch_size = batch_size

    def _weigh(self, run: Run) -> list[Tensor]:
        scorer = _Scorer(run)
        return [self._weights(scorer, activation) for activation in run.activations]

    def _weights(self, scorer: _Scorer, activation: Tensor) -> Tensor:
        shapes, live = _scaled(activation.flatten(2))
        if not live.any():
            return torch.zeros_like(shapes[..., 0])
        tried, stand_in = _choose(shapes, live, self.channels or live.shape[1])
        batches = torch.split(tried, max(1, self.batch_size // len(tried)), 1)
        found = [self._scores(scorer, _pick(activation, batch)) for batch in batches]
        scores = torch.cat(found, 1).gather(1, stand_in).to(activation)
        # Of an image without a live channel the softmax is NaN, which is then written over.
        return scores.masked_fill(~live, -torch.inf).softmax(1).masked_fill(~live, 0)

    def _scores(self, scorer: _Scorer, channels: Tensor) -> Tensor:
        """The mean score `(N, K)` of all variants of the masks of channels `(N, K, h, w)`."""
        size = scorer.run.inputs.size
        large = enlarge(channels.transpose(0, 1).flatten(0, 1), size, scorer.run.layout.picture)
        masks = _scaled(large.flatten(1))[0].reshape(channels.shape[1], len(channels), 1, *size)
        return torch.stack([scorer(variant) for variant in self._variants(masks)]).mean(0).T

    def _variants(self, masks: Tensor) -> Iterator[Tensor]:
        """What becomes of the masks `(K, N, 1, H, W)`, K of each image, in [0, 1]."""
        yield masks


class SSCAM(ScoreCAM):
    r"""SS-CAM: Score-CAM with each score averaged over noisy copies of the mask.

    A channel's weight is the softmax over k of the mean over i of `f((M_k + e_i) * x)`, with e_i
    normal noise of one value a pixel. The rest is as in [`ScoreCAM`][interpviz.cam.ScoreCAM]. The
    noise is not cut, so masks reach below 0 and above 1, and it is the same for all channels and
    images: their scores differ by their masks alone, and a map does not depend on its batch.

    The paper's noise has a deviation of 2. torch-cam adds that to masks in [0, 1], where little of
    the picture is left; the authors' program adds noise of (2 / range)^2 to the enlarged channel,
    which is little. Here it is a share of the masks' range. It takes `samples` times as long as
    Score-CAM.

    Use it when Score-CAM gives a few channels by chance all of the weight.

    Paper: Wang, Naidu, Michael and Kundu, "SS-CAM: Smoothed Score-CAM for Sharper Visual Feature
    Localization", 2020 (arXiv:2006.14255). This is its variant with noise on the feature map.

    Args:
        model: As for [`CAM`][interpviz.cam.CAM].
        target_layer: As for [`CAM`][interpviz.cam.CAM].
        samples: How many noisy copies of each mask.
        std: The standard deviation of the noise, as a share of the masks' range.
        seed: The seed of the noise, which is the same on every device.
        channels: As for [`ScoreCAM`][interpviz.cam.ScoreCAM].
        batch_size: As for [`ScoreCAM`][interpviz.cam.ScoreCAM].
        **options: As for [`CAM`][interpviz.cam.CAM].

    Raises:
        InputError: `samples`, `channels` or `batch_size` is below 1, or `std` is negative.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> cam = SSCAM(resnet18().eval(), "layer4", samples=2, channels=8)
        >>> cam(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        *,
        samples: int = 10,
        std: float = 0.15,
        seed: int = 0,
        channels: int | None = None,
        batch_size: int = 16,
        **options: Unpack[CAMOptions],
    ) -> None:
        super().__init__(model, target_layer, channels=channels, batch_size=batch_size, **options)
        if samples < 1 or not std >= 0:
            wrong = f"samples is {samples} and std {std}"
            raise InputError(f"{wrong}, but they must be at least 1 and 0.")
        self.samples = samples
        self.std = std
        self.seed = seed

    def _variants(self, masks: Tensor) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(self.samples):
            noise = torch.randn(masks.shape[3:], generator=generator)
            yield masks + self.std * noise.to(masks)


class ISCAM(ScoreCAM):
    r"""IS-CAM: Score-CAM with each score averaged on the way from a zero image to the masked one.

    A channel's weight is the softmax over k of `1/n * (sum over i = 1..n of f(i/n * M_k * x))`. The
    rest is as in [`ScoreCAM`][interpviz.cam.ScoreCAM].

    The paper adds the steps up, so that its i-th image is `(0 + 1 + ... + (i-1)) / n * M_k * x`,
    several times as bright as the image for large n; torch-cam does nearly the same. Here the
    steps are points of the way itself, and none is brighter than the image. It takes `samples`
    times as long as Score-CAM.

    Use it when what still scores in dim pictures should count for more.

    Paper: Naidu, Ghosh, Maurya, Nayak and Kundu, "IS-CAM: Integrated Score-CAM for axiomatic-based
    explanations", 2020 (arXiv:2010.03023).

    Args:
        model: As for [`CAM`][interpviz.cam.CAM].
        target_layer: As for [`CAM`][interpviz.cam.CAM].
        samples: How many steps, n.
        channels: As for [`ScoreCAM`][interpviz.cam.ScoreCAM].
        batch_size: As for [`ScoreCAM`][interpviz.cam.ScoreCAM].
        **options: As for [`CAM`][interpviz.cam.CAM].

    Raises:
        InputError: `samples`, `channels` or `batch_size` is below 1.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> cam = ISCAM(resnet18().eval(), "layer4", samples=2, channels=8)
        >>> cam(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        *,
        samples: int = 10,
        channels: int | None = None,
        batch_size: int = 16,
        **options: Unpack[CAMOptions],
    ) -> None:
        super().__init__(model, target_layer, channels=channels, batch_size=batch_size, **options)
        if samples < 1:
            raise InputError(f"samples is {samples}, but must be at least 1.")
        self.samples = samples

    def _variants(self, masks: Tensor) -> Iterator[Tensor]:
        for step in range(1, self.samples + 1):
            yield masks * (step / self.samples)


@dataclass
class _Scorer:
    """Asks for scores of masked images, in the memory order that the model is fastest with."""

    run: Run
    refused: bool = False

    def __call__(self, masks: Tensor) -> Tensor:
        """The scores `(K, N)` of the images seen through masks `(K, N, 1, H, W)`."""
        images = self.run.inputs.images
        masks = masks.to(images.dtype)
        if images.device.type == "cpu" and images.ndim == 4 and not self.refused:
            channels, *size = images.shape[1:]
            room = images.new_empty(*masks.shape[:2], *size, channels).movedim(-1, 2)
            try:
                return self.run.scores_of(torch.mul(masks, images, out=room))
            # A model may call `.view` on its activations, which needs the usual order.
            except RuntimeError:
                self.refused = True
        return self.run.scores_of(masks * images)


def _scaled(values: Tensor) -> tuple[Tensor, Tensor]:
    """The last axis scaled to [0, 1], zeros where it has one value; and where it has several."""
    low, high = values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)
    live = high > low
    return (values - low) / torch.where(live, high - low, 1.0), live[..., 0]


def _pick(values: Tensor, channels: Tensor) -> Tensor:
    """Each image's own channels `(N, K)` of values `(N, C, ...)`."""
    index = channels.reshape(*channels.shape, *[1] * (values.ndim - 2))
    return values.gather(1, index.expand(-1, -1, *values.shape[2:]))


def _choose(shapes: Tensor, live: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Which channels are tried, and which of them each channel has its score of.

    Args:
        shapes: Tensor `(N, C, positions)` in [0, 1].
        live: Which channels are not constant, boolean `(N, C)`.
        count: The most channels of an image that are tried.

    Returns:
        Channels `(N, K)`, and places among these `(N, C)`. What is of no use is 0 in both.
    """
    tried = live.new_zeros(len(live), min(count, int(live.sum(1).max())), dtype=torch.long)
    place = torch.zeros_like(live, dtype=torch.long)
    for image, channels in enumerate(each.nonzero()[:, 0] for each in live):
        if len(channels) > count:
            chosen, place[image, channels] = _groups(shapes[image, channels], count)
            tried[image] = channels[chosen]
        else:
            tried[image, : len(channels)] = channels
            place[image, channels] = torch.arange(len(channels), device=live.device)
    return tried, place


def _groups(shapes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The central ones of groups of like shapes `(C, positions)`, and the group of each `(C,)`."""
    # Products of matrices would be quicker, but not exact where two shapes are the same.
    apart = torch.cdist(shapes, shapes, compute_mode="donot_use_mm_for_euclid_dist")
    central = [apart.sum(1).argmin()]
    nearest = apart[central[0]]
    while len(central) < count:
        central.append(nearest.argmax())
        nearest = torch.minimum(nearest, apart[central[-1]])
    tried = torch.stack(central)
    for _ in range(4):
        member = apart[:, tried].argmin(1, keepdim=True) == torch.arange(count, device=tried.device)
        tried = (apart @ member.to(apart)).masked_fill(~member, torch.inf).argmin(0)
    return tried, apart[:, tried].argmin(1)
