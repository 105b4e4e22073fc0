"""The one engine: run to the layers, let a method weigh their channels, make maps of the size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypedDict

import torch
from torch import Tensor, nn

from interpviz.cam.engine.components import main_component
from interpviz.cam.engine.fusion import augmented, get_fusion, mean_of
from interpviz.cam.engine.grids import GridOverride, enlarge, layout_of
from interpviz.cam.engine.hooks import run_to_layers
from interpviz.cam.engine.inputs import Inputs
from interpviz.cam.engine.layers import Layer, find_target_layer, get_layers, layer_name
from interpviz.cam.engine.run import Run
from interpviz.cam.maps import Scale, scaled
from interpviz.cam.targets import Target, Targets, find_categories, resolve_target
from interpviz.cam.targets.mirroring import mirrored_target
from interpviz.device import unwrap
from interpviz.errors import GradientError, InputError


class CAMOptions(TypedDict, total=False):
    """The options of every method, which [`CAM`][interpviz.cam.CAM] explains."""

    categories: Sequence[str] | None
    grid: GridOverride
    fuse: str
    signed: bool
    eigen_smooth: bool
    augment: bool


class Engine(ABC):
    """What all methods share; [`CAM`][interpviz.cam.CAM] is how a user calls it."""

    asks_for_score: ClassVar[bool] = True
    """Whether the map depends on a target. Without one, models with any output can be explained."""

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        *,
        categories: Sequence[str] | None = None,
        grid: GridOverride = None,
        fuse: str = "mean",
        signed: bool = False,
        eigen_smooth: bool = False,
        augment: bool = False,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise InputError(
                f"The model is a {type(model).__name__}, not an nn.Module: pass the network, "
                "of a zoo model `m.model`."
            )
        self.model = unwrap(model)
        if any(p.is_inference() for p in self.model.parameters()):
            raise InputError(
                "The model was made inside torch.inference_mode(), so nothing of it can be "
                "differentiated: make or load it outside."
            )
        self.categories = find_categories(self.model, categories)
        self.target_layers = [] if target_layer is None else get_layers(self.model, target_layer)
        self._names = [layer_name(self.model, layer) for layer in self.target_layers]
        self.grid = grid
        self._fuse = get_fusion(fuse)
        if signed and fuse == "product":
            raise InputError(
                "The product of two negative values would count as evidence for the target: fuse "
                "signed maps by 'mean'."
            )
        self.signed = signed
        self.eigen_smooth = eigen_smooth
        self.augment = augment

    @classmethod
    def explains(cls, model: nn.Module) -> bool:  # noqa: ARG003
        """Whether this method is made for such a model.

        Args:
            model: Any module.
        """
        return True

    @abstractmethod
    def _weigh(self, run: Run) -> list[Tensor]:
        """Say what each channel of each layer has to do with the score.

        Args:
            run: The run of the model, with activations, gradients and scores of changed images.

        Returns:
            For each layer either a weight for each channel `(N, C)`, or the weighed channels
            `(N, C, h, w)` themselves.
        """

    def _run(self, inputs: Inputs) -> Run:
        layout = layout_of(self.model, inputs.images, self.grid)
        if not self.target_layers:
            self.target_layers = [find_target_layer(self.model, inputs, layout)]
            self._names = [layer_name(self.model, layer) for layer in self.target_layers]
        trace = run_to_layers(self.model, self.target_layers, self._names, inputs)
        return Run(self.model, self.target_layers, inputs, layout, trace)

    def _choose(self, targets: Targets, output: Any, count: int) -> Target | None:
        if targets is None and not self.asks_for_score:
            return None
        return resolve_target(targets, output, count, self.categories)

    def _maps(self, run: Run, scale: Scale) -> Tensor:
        if not self.augment:
            return self._maps_of(run, scale)
        turned = run
        if run.target is not None:
            target = mirrored_target(run.target, run.trace.output, run.inputs.size[-1])
            turned = replace(run, target=target)

        def each() -> Iterator[Tensor]:
            yield self._maps_of(run, scale)
            for images, mirrored in augmented(run.inputs.images):
                copy = (turned if mirrored else run).variants(images[None])
                maps = self._maps_of(copy, scale)
                yield maps.flip(-1) if mirrored else maps

        return mean_of(each())

    def _maps_of(self, run: Run, scale: Scale) -> Tensor:
        maps = []
        for name, grid, weights in zip(
            run.trace.names, run.activations, self._weigh(run), strict=True
        ):
            combined = self._combine(grid, weights)
            if not torch.isfinite(combined).all():
                raise GradientError(
                    f"The map at layer '{name}' has NaN or infinite values: activations or "
                    "gradients overflow; run the model in float32 or bfloat16, and check its "
                    "weights and inputs."
                )
            kept = combined if self.signed else combined.relu()
            maps.append(enlarge(kept.float(), run.inputs.size, run.layout.picture))
        if len(maps) == 1:
            return maps[0]
        return self._fuse(torch.stack([scaled(each, scale) for each in maps]))

    def _combine(self, activation: Tensor, weights: Tensor) -> Tensor:
        if weights.ndim == 2:
            weights = weights.reshape(*weights.shape, *[1] * (activation.ndim - 2)) * activation
        return self._add_channels(weights)

    def _add_channels(self, weighed: Tensor) -> Tensor:
        return main_component(weighed) if self.eigen_smooth else weighed.sum(1)
