"""The method that switches channels off and looks what becomes of the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor, nn

from interpviz.cam.base import CAM
from interpviz.cam.engine.engine import CAMOptions
from interpviz.cam.engine.grids import channel_axis
from interpviz.cam.engine.layers import Layer
from interpviz.cam.engine.linear import is_affine
from interpviz.cam.engine.replay import Replay
from interpviz.cam.engine.run import Run
from interpviz.errors import InputError


class AblationCAM(CAM):
    r"""Each channel weighted by how much of the score is lost without it.

    A channel's weight is `(y - y_k) / |y|`, with y the score and y_k the score of the same image
    with channel k of the layer set to zero; the map is `ReLU(sum over k of w_k * A_k)`. No gradient
    decides what is shown. The paper divides by y itself, which turns the map around where the score
    is negative; the absolute value keeps its sign. A score of 0 divides by 1 instead.

    Every channel is switched off, and none is guessed at; but only as much of the model is run as
    must be. Where autograd's graph proves that the score is affine in the layer (the last block of
    a ResNet) all channels follow from one gradient. Else what lies behind the layer is run again,
    for many channels at once. Models that cannot be run in parts are run as a whole.

    Use it when gradients mislead, because the head saturates or is not differentiable.

    Paper: Desai and Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network
    via Gradient-free Localization", WACV 2020.

    Args:
        model: As for [`CAM`][interpviz.cam.CAM].
        target_layer: As for [`CAM`][interpviz.cam.CAM].
        batch_size: How many rows the model sees at once. More need more memory; the map is the
            same.
        options: As for [`CAM`][interpviz.cam.CAM].

    Raises:
        InputError: `batch_size` is below 1.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> AblationCAM(resnet18().eval(), "layer4")(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 64, 64])
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        *,
        batch_size: int = 128,
        **options: Unpack[CAMOptions],
    ) -> None:
        super().__init__(model, target_layer, **options)
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}, but a batch has at least one row.")
        self.batch_size = batch_size

    def _weigh(self, run: Run) -> list[Tensor]:
        trace = run.trace
        affine = [i for i, each in enumerate(trace.activations) if is_affine(run.score, each)]
        gradients: dict[int, Tensor] = {}
        if affine:
            # The others may have no gradient at all, which is no fault here.
            asked = replace(
                trace,
                activations=[trace.activations[i] for i in affine],
                names=[trace.names[i] for i in affine],
            )
            found = asked.gradients(run.score, again=run.again)
            gradients = dict(zip(affine, found, strict=True))
        return [self._weigh_layer(run, i, gradients.get(i)) for i in range(len(trace.activations))]

    def _weigh_layer(self, run: Run, index: int, gradient: Tensor | None) -> Tensor:
        ablation = Ablation(run, index, self.batch_size)
        lost = None if gradient is None else ablation.by_gradient(gradient)
        lost = ablation.by_replay() if lost is None else lost
        size = run.score.detach().abs()[:, None]
        # A score next to nothing would carry the weights out of range.
        return lost / torch.where(size > torch.finfo(size.dtype).tiny ** 0.5, size, 1)


class Ablation:
    """What a score loses without each channel of a layer.

    Args:
        run: The run that is explained.
        index: Which of its layers.
        batch_size: How many rows the model sees at once.
    """

    def __init__(self, run: Run, index: int, batch_size: int) -> None:
        self._activation = run.trace.activations[index].detach()
        self._channels = channel_axis(self._activation, run.layout, run.trace.names[index])
        self._score = run.score.detach()
        self._replay = Replay(run, index)
        self._groups = max(1, batch_size // run.inputs.count)

    def by_gradient(self, gradient: Tensor) -> Tensor | None:
        """All channels at once, for a score that is affine in the layer.

        A graph does not show what a model has computed from the layer and detached, so one score is
        predicted, for every second channel switched off, and compared.

        Args:
            gradient: The score's gradient for the activation.

        Returns:
            Tensor `(N, C)`, or None where the score does not go with its gradient.
        """
        lost = self._by_channel(self._activation.to(self._score) * gradient).sum(2)
        half = torch.arange(0, lost.shape[1], 2, device=lost.device)
        found = self._score - self._replay.scores(self._without([half]))[0]
        near = (lost[:, half].sum(1) - found).abs() <= self._replay.rounding * (
            self._score.abs() + lost.abs().sum(1)
        )
        return lost if near.all() else None

    def by_replay(self) -> Tensor:
        """One channel after another, many in one batch.

        Returns:
            Tensor `(N, C)`.
        """
        alive = self._by_channel(self._activation != 0).any(2).any(0)
        lost = self._score.new_zeros(len(self._score), len(alive))
        for chosen in torch.split(alive.nonzero()[:, 0], self._groups):
            scores = self._replay.scores(self._without(chosen[:, None]))
            lost[:, chosen] = self._score[:, None] - scores.T
        return lost

    def _by_channel(self, values: Tensor) -> Tensor:
        """Values `(N, C, positions)` from the layer's own order of axes."""
        order = (self._replay.batch_axis, self._channels)
        return values.movedim(order, (0, 1)).flatten(2)

    def _without(self, chosen: Sequence[Tensor] | Tensor) -> Tensor:
        """A copy of the activation for each of some sets of channels, which are zero in it."""
        copies = self._activation.expand(len(chosen), *self._activation.shape).clone()
        for copy, channels in zip(copies, chosen, strict=True):
            copy.index_fill_(self._channels, channels, 0)
        return copies
