"""ROAD: remove and debias. Pixels leave without a trace of where they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from interpviz.cam.targets import Targets
from interpviz.errors import InputError
from interpviz.metrics.checks import as_maps
from interpviz.metrics.curves import Curve
from interpviz.metrics.imputation import impute
from interpviz.metrics.removal import pixel_counts, removal_ranks
from interpviz.metrics.scoring import Score, Scorer
from interpviz.metrics.seeds import generator_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True, eq=False)
class RoadCurves:
    """Two orders of removal.

    Attributes:
        morf: Most relevant first. The lower, the better.
        lerf: Least relevant first. The higher, the better.
    """

    morf: Curve
    lerf: Curve

    @property
    def gap(self) -> Tensor:
        """How far the second curve lies above the first on average, `(N,)`; higher is better.

        A map that knows nothing has 0 on average; probabilities keep it within [-1, 1].
        """
        return self.lerf.area - self.morf.area

    @property
    def mean(self) -> float:
        """The mean gap over the images: the number to quote."""
        return float(self.gap.mean())

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draw both curves.

        Args:
            ax: Where to draw; a new figure if left out.

        Returns:
            The figure drawn on.
        """
        from interpviz.metrics.drawing import draw_curve

        figure = draw_curve(self.morf, ax)
        return draw_curve(self.lerf, figure.axes[0] if ax is None else ax)


def road(
    model: nn.Module,
    images: Tensor,
    maps: Any,
    targets: Targets = None,
    *,
    fractions: Sequence[float] = FRACTIONS,
    noise: float = 0.01,
    score: Score = "probability",
    seed: int = 0,
    batch_size: int = 64,
    progress: bool = False,
) -> RoadCurves:
    """How the score falls when pixels are replaced by what their surroundings suggest.

    A patch of grey tells the model where something was taken away, and what shape it had. Here
    every removed pixel becomes the weighted mean of its neighbours,
    `x(p) = sum over q of w(p, q) x(q) / sum of w(p, q) + noise`, with w = 1/6 for the four direct
    and 1/12 for the four diagonal neighbours, for all removed pixels at once. The pixels leave in
    two orders, most relevant first (MoRF) and least relevant first (LeRF). From Rong et al., "A
    Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022. The paper
    reports the accuracy; here it is the score of the target.

    Args:
        model: Any module that turns images `(N, C, H, W)` into class scores.
        images: Preprocessed images `(N, C, H, W)`.
        maps: Tensor or array `(N, H, W)`, on any device. Only the order of the values counts.
        targets: None for the predicted class of each image; a class index or name for all; one an
            image; or a function from the logits `(N, ...)` to one score an image `(N,)`.
        fractions: The shares of pixels to remove, ascending, above 0 and below 1.
        noise: The standard deviation of what is added to each filled pixel, in the model's input
            units, so that a perfectly smooth patch does not give the removal away.
        score: `"probability"` of the target class (its softmax), or its `"logit"`. A function is
            its own score; in a list beside one, classes count by their logits.
        seed: Seeds the noise and the order of equal values.
        batch_size: How many pictures the model sees at once, over images and steps.
        progress: Whether to show a bar, where tqdm is installed.

    Returns:
        Both curves; each begins with the unchanged image at 0.

    Raises:
        InputError: Images, maps or options do not fit.
        TargetError: A class does not exist, or there is not one target an image.
    """
    scorer = Scorer(model, images, targets, score=score, batch_size=batch_size)
    heat = as_maps(maps, like=scorer.images)
    return road_curves(scorer, heat, fractions=fractions, noise=noise, seed=seed, progress=progress)


def road_curves(
    scorer: Scorer,
    maps: Tensor,
    *,
    fractions: Sequence[float] = FRACTIONS,
    noise: float = 0.01,
    seed: int = 0,
    progress: bool = False,
) -> RoadCurves:
    """Both curves for a scorer that is ready.

    Args:
        scorer: The model and its images.
        maps: Tensor `(N, H, W)`, checked.
        fractions: The shares of pixels to remove.
        noise: The standard deviation of the noise.
        seed: Seeds the noise and the order of equal values.
        progress: Whether to show a bar.
    """
    if not isinstance(noise, int | float) or not noise >= 0:
        raise InputError(f"The noise is {noise!r}, but must be a number of 0 or more.")
    images = scorer.images
    pixels = maps[0].numel()
    counts = torch.tensor(pixel_counts(fractions, pixels), device=images.device)
    ranks = removal_ranks(maps, seed)
    orders = torch.stack([ranks, pixels - 1 - ranks])
    generator = generator_of(seed)
    grain = noise * torch.randn(images.shape, generator=generator).to(images.device)

    def build(image: Tensor, step: Tensor) -> Tensor:
        order, depth = step // len(counts), step % len(counts)
        missing = (orders[order, image] < counts[depth][:, None, None])[:, None]
        filled = impute(images[image].float(), missing)
        return torch.where(missing, filled + grain[image], filled)

    found = scorer.scores(build, 2 * len(counts), "ROAD", progress=progress)
    shares = torch.cat([counts.new_zeros(1), counts]) / pixels
    # The orders come one after the other, and both begin with the image as it is.
    morf, lerf = (
        torch.cat([scorer.original[:, None], part], 1)
        for part in torch.split(found, len(counts), dim=1)
    )
    return RoadCurves(
        _curve(shares, morf, "most relevant first"), _curve(shares, lerf, "least relevant first")
    )


def _curve(shares: Tensor, scores: Tensor, name: str) -> Curve:
    return Curve(shares, scores, name, "share of pixels removed", "score of the target")
