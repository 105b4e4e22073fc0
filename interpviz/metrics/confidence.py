"""How sure the model stays when it sees only what the map shows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from interpviz.cam.targets import Targets
from interpviz.errors import InputError
from interpviz.metrics.baselines import Baseline, baseline_images
from interpviz.metrics.checks import as_maps
from interpviz.metrics.scoring import Scorer


def average_drop(
    model: nn.Module,
    images: Tensor,
    maps: Any,
    targets: Targets = None,
    *,
    baseline: Baseline = 0.0,
    batch_size: int = 64,
    progress: bool = False,
) -> Tensor:
    """Which share of the probability is lost when only the map's part of the image is kept.

    `drop = max(0, Y - O) / Y`, with Y the probability of the class for the image x and O that for
    `m x + (1 - m) b`, where m is the map and b the baseline; with b = 0 this is the image times
    the map. The lower, the better. The mean over the images, times 100, is the average drop per
    cent of Chattopadhay et al., "Grad-CAM++: Generalized Gradient-based Visual Explanations for
    Deep Convolutional Networks", WACV 2018. A map that is 1 everywhere has no drop at all: read it
    beside [`insertion`][interpviz.metrics.insertion].

    Args:
        model: Any module that turns images `(N, C, H, W)` into class scores.
        images: Preprocessed images `(N, C, H, W)`.
        maps: Tensor or array `(N, H, W)` in [0, 1], on any device.
        targets: None for the predicted class of each image; a class index or name for all; one an
            image; or a function from the logits `(N, ...)` to one positive score an image `(N,)`.
        baseline: What the map hides: a number in the model's input units (0 is the mean of the
            training pictures where these were normalised), `"mean"`, `"blur"` or a tensor.
        batch_size: How many pictures the model sees at once.
        progress: Whether to show a bar, where tqdm is installed.

    Returns:
        Tensor `(N,)`, in [0, 1].

    Raises:
        InputError: Images, maps or options do not fit.
        TargetError: A class does not exist, or there is not one target an image.
    """
    scorer = Scorer(model, images, targets, batch_size=batch_size)
    heat = as_maps(maps, like=scorer.images)
    return drops(scorer, kept_scores(scorer, heat, baseline, progress=progress))


def increase_in_confidence(
    model: nn.Module,
    images: Tensor,
    maps: Any,
    targets: Targets = None,
    *,
    baseline: Baseline = 0.0,
    batch_size: int = 64,
    progress: bool = False,
) -> Tensor:
    """Whether the probability rises when only the map's part of the image is kept.

    `increase = 1 if O > Y else 0`, with Y and O as in
    [`average_drop`][interpviz.metrics.average_drop]. The higher, the better. The mean over the
    images, times 100, is the increase in confidence per cent of Chattopadhay et al., "Grad-CAM++",
    WACV 2018.

    Args:
        model: Any module that turns images `(N, C, H, W)` into class scores.
        images: Preprocessed images `(N, C, H, W)`.
        maps: Tensor or array `(N, H, W)` in [0, 1], on any device.
        targets: None for the predicted class of each image; a class index or name for all; one an
            image; or a function from the logits `(N, ...)` to one score an image `(N,)`.
        baseline: What the map hides, as for `average_drop`.
        batch_size: How many pictures the model sees at once.
        progress: Whether to show a bar, where tqdm is installed.

    Returns:
        Tensor `(N,)`, 0 or 1, float32.

    Raises:
        InputError: Images, maps or options do not fit.
        TargetError: A class does not exist, or there is not one target an image.
    """
    scorer = Scorer(model, images, targets, batch_size=batch_size)
    heat = as_maps(maps, like=scorer.images)
    return increases(scorer, kept_scores(scorer, heat, baseline, progress=progress))


def kept_scores(
    scorer: Scorer, maps: Tensor, baseline: Baseline = 0.0, *, progress: bool = False
) -> Tensor:
    """The scores `(N,)` of the images behind their maps.

    Args:
        scorer: The model and its images.
        maps: Tensor `(N, H, W)`, in [0, 1].
        baseline: What the maps hide.
        progress: Whether to show a bar.

    Raises:
        InputError: A map leaves [0, 1].
    """
    if maps.min() < 0 or maps.max() > 1:
        raise InputError(
            f"The maps have values from {float(maps.min()):.3g} to {float(maps.max()):.3g}, but as "
            "masks they must lie in [0, 1]: pass the maps that a CAM returns by default."
        )
    images = scorer.images
    other = baseline_images(images, baseline)

    def build(image: Tensor, _step: Tensor) -> Tensor:
        return torch.lerp(other[image].float(), images[image].float(), maps[image][:, None])

    return scorer.scores(build, 1, "kept by the map", progress=progress)[:, 0]


def drops(scorer: Scorer, kept: Tensor) -> Tensor:
    """The share of each score that is lost, `(N,)`.

    Args:
        scorer: Knows the scores of the unchanged images.
        kept: The scores behind the maps `(N,)`.
    """
    before = scorer.original
    if (before <= 0).any():
        raise InputError(
            "A score is 0 or below before anything is hidden, so no share of it can be lost: "
            "explain a class, or a function whose scores are positive."
        )
    return (before - kept).clamp_min(0) / before


def increases(scorer: Scorer, kept: Tensor) -> Tensor:
    """Whether each score is above that of the whole image, `(N,)`.

    Args:
        scorer: Knows the scores of the unchanged images.
        kept: The scores behind the maps `(N,)`.
    """
    return (kept > scorer.original).float()
