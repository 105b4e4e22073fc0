"""Infidelity: by how much a map mispredicts the effect of a change of the image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from interpviz.cam.targets import Targets
from interpviz.errors import InputError
from interpviz.metrics.baselines import Baseline, baseline_images
from interpviz.metrics.checks import as_attributions, whole_number
from interpviz.metrics.scoring import Score, Scorer
from interpviz.metrics.seeds import generator_of


def infidelity(
    model: nn.Module,
    images: Tensor,
    attributions: Any,
    targets: Targets = None,
    *,
    samples: int = 64,
    noise: float | None = None,
    baseline: Baseline = 0.0,
    rescale: bool = True,
    score: Score = "logit",
    seed: int = 0,
    batch_size: int = 64,
    progress: bool = False,
) -> Tensor:
    """How far predicted and real changes of the score are apart, squared, on average.

    `INFD = mean over I of (beta I . Phi - (f(x) - f(x - I)))^2`, with Phi the attributions and I
    random changes. The lower, the better; 0 if the attributions predict every change. From Yeh,
    Hsieh, Suggala, Inouye and Ravikumar, "On the (In)fidelity and Sensitivity of Explanations",
    NeurIPS 2019.

    Attributions `(N, C, H, W)` are slopes, such as gradients: I . Phi is the sum over all input
    values. Maps `(N, H, W)` are contributions of pixels, such as gradient times input summed over
    channels, or heat maps: I . Phi is the sum of Phi over the pixels that I removes.

    Args:
        model: Any module that turns images `(N, C, H, W)` into class scores.
        images: Preprocessed images `(N, C, H, W)`.
        attributions: Tensor or array, `(N, C, H, W)` or `(N, H, W)`, of any sign, on any device.
        targets: None for the predicted class of each image; a class index or name for all; one an
            image; or a function from the logits `(N, ...)` to one score an image `(N,)`.
        samples: How many changes of each image.
        noise: None for the removal of squares: each change puts the baseline into a square at a
            random place, with a side from a tenth to half of the image's shorter one. A number for
            noise: each change subtracts Gaussian noise of this standard deviation, in the model's
            input units, from every value; only slopes can predict that.
        baseline: What a square becomes: a number, `"mean"`, `"blur"` or a tensor.
        rescale: Whether beta is the factor that makes the result least for each image,
            `mean of (I . Phi) d / mean of (I . Phi)^2` with d the real change. Heat maps have no
            unit, so without it their scale would decide. False: beta is 1.
        score: `"logit"` of the target class, or its `"probability"`.
        seed: Seeds the changes.
        batch_size: How many pictures the model sees at once, over images and samples.
        progress: Whether to show a bar, where tqdm is installed.

    Returns:
        Tensor `(N,)`, float32, 0 or above, in squared units of the score.

    Raises:
        InputError: Images, attributions or options do not fit.
        TargetError: A class does not exist, or there is not one target an image.
    """
    scorer = Scorer(model, images, targets, score=score, batch_size=batch_size)
    images = scorer.images
    phi = as_attributions(attributions, images)
    whole_number(samples, "samples")
    changes: _Squares | _Noise
    if noise is None:
        changes = _Squares(images, samples, seed, baseline)
    else:
        _require_slopes(phi)
        changes = _Noise(images, samples, seed, noise)
    predicted: list[Tensor] = []

    def build(image: Tensor, step: Tensor) -> Tensor:
        removed, change = changes.draw(image, step)
        product = phi[image] * (removed if phi.ndim == 3 else change)
        predicted.append(product.flatten(1).sum(1))
        return images[image].float() - change

    after = scorer.scores(build, samples, "infidelity", progress=progress)
    # The scorer goes through the samples in order, all images of one before the next.
    expected = torch.cat(predicted).view(samples, len(images)).T
    real = scorer.original[:, None] - after
    if rescale:
        expected = _best_factor(expected, real) * expected
    return (expected - real).square().mean(1)


def _require_slopes(phi: Tensor) -> None:
    if phi.ndim == 3:
        raise InputError(
            "Noise changes every channel by itself, which a map of one value a pixel cannot "
            "predict: leave `noise` out, or pass attributions (N, C, H, W)."
        )


def _best_factor(expected: Tensor, real: Tensor) -> Tensor:
    """For each image, what `expected` times it is nearest to `real`, `(N, 1)`."""
    power = expected.square().mean(1, keepdim=True)
    beta = (expected * real).mean(1, keepdim=True) / power
    return torch.where(power > 0, beta, 0.0)


class _Squares:
    """Random squares of the images become the baseline."""

    def __init__(self, images: Tensor, samples: int, seed: int, baseline: Baseline) -> None:
        height, width = images.shape[-2:]
        shorter = min(height, width)
        least, most = max(1, round(shorter / 10)), max(1, shorter // 2)
        self.difference = images.float() - baseline_images(images, baseline).float()
        generator = generator_of(seed)
        draws = torch.rand(3, samples, len(images), generator=generator)
        side = least + (draws[0] * (most - least + 1)).long()
        corners = [
            (draw * (length - side + 1)).long()
            for draw, length in zip(draws[1:], (height, width), strict=True)
        ]
        self.side, self.top, self.left = (x.to(images.device) for x in (side, *corners))
        self.rows, self.columns = (torch.arange(n, device=images.device) for n in (height, width))

    def draw(self, image: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """The removed pixels `(B, H, W)` and the change `(B, C, H, W)`."""
        side = self.side[step, image][:, None]
        top, left = self.top[step, image][:, None], self.left[step, image][:, None]
        inside_rows = (top <= self.rows) & (self.rows < top + side)
        inside_columns = (left <= self.columns) & (self.columns < left + side)
        removed = inside_rows[:, :, None] & inside_columns[:, None, :]
        return removed.float(), self.difference[image] * removed[:, None]


class _Noise:
    """Gaussian noise on every value, drawn anew for each sample."""

    def __init__(self, images: Tensor, samples: int, seed: int, deviation: float) -> None:
        if not isinstance(deviation, int | float) or not deviation > 0:
            raise InputError(f"The noise is {deviation!r}, but must be a number above 0.")
        self.images, self.deviation = images, deviation
        generator = generator_of(seed)
        # One seed a picture, so that the result does not depend on the size of the batches.
        self.seeds = torch.randint(2**62, (samples, len(images)), generator=generator)

    def draw(self, image: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Nothing is removed as a whole; the change is `(B, C, H, W)`."""
        generator = torch.Generator()
        noise = torch.stack(
            [
                torch.randn(self.images.shape[1:], generator=generator.manual_seed(int(seed)))
                for seed in self.seeds[step.cpu(), image.cpu()]
            ]
        )
        change = self.deviation * noise.to(self.images.device)
        return torch.ones_like(change[:, 0]), change
