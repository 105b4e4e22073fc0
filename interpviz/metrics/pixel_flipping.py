"""Insertion and deletion: how the score changes as pixels come and go in the map's order."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from interpviz.cam.targets import Targets
from interpviz.metrics.baselines import Baseline, baseline_images
from interpviz.metrics.checks import as_maps, whole_number
from interpviz.metrics.curves import Curve
from interpviz.metrics.removal import removal_ranks
from interpviz.metrics.scoring import Score, Scorer


def deletion(
    model: nn.Module,
    images: Tensor,
    maps: Any,
    targets: Targets = None,
    *,
    steps: int = 32,
    baseline: Baseline = "mean",
    score: Score = "probability",
    seed: int = 0,
    batch_size: int = 64,
    progress: bool = False,
) -> Curve:
    """How fast the score falls when the pixels with the highest values are taken away first.

    With `p` pixels ordered from the highest value of the map to the lowest, picture `x(k)` has the
    first `k p / steps` of them replaced by the baseline. The curve is the score of `x(0)` to
    `x(steps)`, the number its area: the lower, the better. From Petsiuk, Das and Saenko, "RISE:
    Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018.

    Pixels of equal value go in a random order. Compare areas only over the same pictures, targets,
    steps and baseline, and against a map that knows nothing:
    [`random_maps`][interpviz.metrics.random_maps].

    Args:
        model: Any module that turns images `(N, C, H, W)` into class scores.
        images: Preprocessed images `(N, C, H, W)`.
        maps: Tensor or array `(N, H, W)`, on any device. Only the order of the values counts.
        targets: None for the predicted class of each image; a class index or name for all; one an
            image; or a function from the logits `(N, ...)` to one score an image `(N,)`.
        steps: In how many equal steps all pixels go.
        baseline: What a pixel becomes: `"mean"`, each channel's mean over its picture; `"blur"`;
            a number in the model's input units; or a tensor that broadcasts to the images.
        score: `"probability"` of the target class (its softmax), or its `"logit"`. A function is
            its own score; in a list beside one, classes count by their logits.
        seed: Seeds the order of equal values.
        batch_size: How many pictures the model sees at once, over images and steps.
        progress: Whether to show a bar, where tqdm is installed.

    Returns:
        The curve with `steps + 1` points an image; probabilities in [0, 1].

    Raises:
        InputError: Images, maps or options do not fit.
        TargetError: A class does not exist, or there is not one target an image.
    """
    scorer = Scorer(model, images, targets, score=score, batch_size=batch_size)
    heat = as_maps(maps, like=scorer.images)
    return flipped(
        scorer, heat, "deletion", steps=steps, baseline=baseline, seed=seed, progress=progress
    )


def insertion(
    model: nn.Module,
    images: Tensor,
    maps: Any,
    targets: Targets = None,
    *,
    steps: int = 32,
    baseline: Baseline = "blur",
    score: Score = "probability",
    seed: int = 0,
    batch_size: int = 64,
    progress: bool = False,
) -> Curve:
    """How fast the score rises when the pixels with the highest values are shown first.

    As [`deletion`][interpviz.metrics.deletion], from the other end: picture `x(k)` is the baseline
    with the first `k p / steps` pixels of the image put in. The higher the area, the better. From
    Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
    BMVC 2018, where the baseline is a blurred picture, because bare patches on a plain ground show
    the model edges that it never saw. Look at the first point: it is what the model still makes of
    the blur.

    Args:
        model: Any module that turns images `(N, C, H, W)` into class scores.
        images: Preprocessed images `(N, C, H, W)`.
        maps: Tensor or array `(N, H, W)`, on any device. Only the order of the values counts.
        targets: None for the predicted class of each image; a class index or name for all; one an
            image; or a function from the logits `(N, ...)` to one score an image `(N,)`.
        steps: In how many equal steps all pixels come.
        baseline: The picture at the start: `"blur"`, a Gaussian with a standard deviation of a
            twentieth of the shorter side; `"mean"`; a number; or a tensor.
        score: `"probability"` of the target class (its softmax), or its `"logit"`. A function is
            its own score; in a list beside one, classes count by their logits.
        seed: Seeds the order of equal values.
        batch_size: How many pictures the model sees at once, over images and steps.
        progress: Whether to show a bar, where tqdm is installed.

    Returns:
        The curve with `steps + 1` points an image; probabilities in [0, 1].

    Raises:
        InputError: Images, maps or options do not fit.
        TargetError: A class does not exist, or there is not one target an image.
    """
    scorer = Scorer(model, images, targets, score=score, batch_size=batch_size)
    heat = as_maps(maps, like=scorer.images)
    return flipped(
        scorer, heat, "insertion", steps=steps, baseline=baseline, seed=seed, progress=progress
    )


def flipped(
    scorer: Scorer,
    maps: Tensor,
    kind: Literal["insertion", "deletion"],
    *,
    steps: int = 32,
    baseline: Baseline | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Curve:
    """The curve of insertion or deletion for a scorer that is ready.

    Args:
        scorer: The model and its images.
        maps: Tensor `(N, H, W)`, checked.
        kind: Which of the two.
        steps: In how many equal steps the pixels come or go.
        baseline: The other picture, by default the one of the paper.
        seed: Seeds the order of equal values.
        progress: Whether to show a bar.
    """
    steps = whole_number(steps, "steps")
    inserting = kind == "insertion"
    images = scorer.images
    if baseline is None:
        baseline = "blur" if inserting else "mean"
    other = baseline_images(images, baseline)
    ranks = removal_ranks(maps, seed)
    pixels = ranks[0].numel()
    counts = torch.tensor([round(k * pixels / steps) for k in range(steps + 1)])
    # One end of the scale is the image itself, whose score is known.
    changed = (counts[:-1] if inserting else counts[1:]).to(images.device)

    def build(image: Tensor, step: Tensor) -> Tensor:
        first = (ranks[image] < changed[step][:, None, None])[:, None]
        shown, rest = (images, other) if inserting else (other, images)
        return torch.where(first, shown[image], rest[image])

    found = scorer.scores(build, steps, kind, progress=progress)
    known = scorer.original[:, None]
    parts = [found, known] if inserting else [known, found]
    return Curve(
        (counts / pixels).to(images.device),
        torch.cat(parts, 1),
        kind,
        f"share of pixels {'shown' if inserting else 'removed'}",
        "score of the target",
    )
