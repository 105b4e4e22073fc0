"""One run of a model, and what a method may ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from interpviz.cam.engine.grids import Layout, as_grid
from interpviz.cam.engine.hooks import Trace, explained, run_to_layers
from interpviz.cam.engine.inputs import Inputs
from interpviz.cam.targets import Target, grouped_scores, score_of
from interpviz.errors import GradientError


@dataclass(frozen=True)
class Run:
    """A run of a model up to some layers and on to its output.

    Attributes:
        model: The model.
        layers: The layers that are explained.
        inputs: What the model was called with.
        layout: How the layers' activations become grids.
        trace: What the layers and the model returned.
        target: What is explained, or None where a method asks for no score.
        groups: How many variants of the same N images are in the batch, one group after another.
        again: Whether another target of this run will be explained after this one.
    """

    model: nn.Module
    layers: Sequence[nn.Module]
    inputs: Inputs
    layout: Layout
    trace: Trace
    target: Target | None = None
    groups: int = 1
    again: bool = False

    @cached_property
    def score(self) -> Tensor:
        """The scores `(G * N,)`, which can be differentiated for the layers' activations."""
        if self.target is None:
            raise GradientError("This run explains no score: pass a target.")
        with torch.enable_grad():
            if self.groups == 1:
                return score_of(self.target, self.trace.output, self.inputs.count)
            count = self.inputs.count // self.groups
            return grouped_scores(self.target, self.trace.output, count).flatten()

    @cached_property
    def activations(self) -> list[Tensor]:
        """Each layer's activation as a grid `(N, C, h, w)`, float32, without a graph."""
        return self._grids([kept.detach() for kept in self.trace.activations])

    def gradients(self) -> list[Tensor]:
        """The score's gradient for each activation, of the same shape."""
        return self._grids(self.trace.gradients(self.score, again=self.again))

    def variants(self, images: Tensor) -> Run:
        """The same target and layers for changed images.

        Args:
            images: Tensor `(G, N, C, H, W)`: G variants of the N images.

        Returns:
            A run of all of them at once, whose score and activations have `G * N` rows, the first
            variant of every image first.
        """
        inputs = self.inputs.with_images(images.flatten(0, 1))
        trace = run_to_layers(self.model, self.layers, self.trace.names, inputs)
        layout = replace(self.layout, batch=inputs.count)
        return replace(
            self, inputs=inputs, layout=layout, trace=trace, groups=len(images), again=False
        )

    def scores_of(self, images: Tensor) -> Tensor:
        """The target's scores for changed images, without a graph.

        Args:
            images: Tensor `(G, N, C, H, W)`: G variants of the N images.

        Returns:
            Tensor `(G, N)`.
        """
        if self.target is None:
            raise GradientError("This run explains no score: pass a target.")
        with explained(self.model), torch.no_grad():
            output = self.inputs.with_images(images.flatten(0, 1)).run(self.model)
            return grouped_scores(self.target, output, self.inputs.count)

    def _grids(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        named = zip(tensors, self.trace.names, strict=True)
        return [as_grid(tensor, name, self.layout) for tensor, name in named]
