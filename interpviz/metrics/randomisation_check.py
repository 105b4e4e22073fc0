"""Whether a map depends on what the model has learned, and on what it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from interpviz.cam.engine.layers import Layer, layer_name
from interpviz.cam.targets import Targets
from interpviz.device import unwrap
from interpviz.errors import InputError
from interpviz.metrics.makers import Method, draw_maps, maker_of, name_of, without_zero_warnings
from interpviz.metrics.progress import progress_bar
from interpviz.metrics.reinitialise import copy_of, redraw, stages
from interpviz.metrics.scoring import Scorer
from interpviz.metrics.seeds import generator_of
from interpviz.metrics.similarity import rank_correlation, structural_similarity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Randomisation:
    """How much of its first map a method still draws as the model forgets.

    Attributes:
        method: The method's name.
        layers: The deepest layer that has lost its weights at each step, from the output down.
        rank_correlation: Spearman's correlation with the first map, `(N, S)`, in [-1, 1].
        structural_similarity: The structural similarity to the first map, `(N, S)`, in [-1, 1].
        original: The maps of the trained model, `(N, H, W)`.
        maps: The maps at each step, `(N, S, H, W)`, or None if they were not kept.
    """

    method: str
    layers: tuple[str, ...]
    rank_correlation: Tensor
    structural_similarity: Tensor
    original: Tensor
    maps: Tensor | None = None

    def plot(self, ax: Axes | None = None, *, label: str | None = None) -> Figure:
        """Draw the mean rank correlation against the layers.

        Args:
            ax: Where to draw; a new figure if left out. Several methods may share one.
            label: The name in the legend; by default the method's.

        Returns:
            The figure drawn on.
        """
        from interpviz.metrics.drawing import draw_randomisation

        return draw_randomisation(self, ax, label=label)


def randomisation(
    method: Method,
    model: nn.Module,
    images: Tensor,
    targets: Targets = None,
    *,
    target_layer: Layer | Sequence[Layer] | None = None,
    layers: Sequence[str] | None = None,
    steps: int = 10,
    keep_maps: bool = False,
    seed: int = 0,
    batch_size: int = 64,
    progress: bool = False,
) -> Randomisation:
    """Whether a method's maps change when the model's weights are lost, layer by layer.

    A copy of the model loses its weights from the output down to the input, step by step and for
    good, and after every step the map is compared with that of the trained model. A map that stays
    as it was does not explain what the model has learned, however sensible it looks; an edge
    detector passes every eye and fails this. From Adebayo et al., "Sanity Checks for Saliency
    Maps", NeurIPS 2018 (cascading randomisation).

    Lost weights are drawn anew from a normal distribution with the mean and the standard deviation
    that each tensor had, so that the signals of deep networks neither die nor explode; running
    statistics stay. A low value at the first steps is a pass. What lies before the target layer is
    still trained at these steps, so some likeness remains for every method that shows the
    layer's activations. A map that is zero everywhere counts as 0.

    Args:
        method: A name of [`methods()`][interpviz.cam.methods], a CAM class, or a function
            `make(model, target_layer)` that gives an explainer `explain(images, targets)`, which
            gives maps `(N, H, W)`.
        model: The model. It is copied, and stays as it is.
        images: Preprocessed images `(N, C, H, W)`, of 11 pixels a side or more.
        targets: What is explained, as a CAM takes it; None for what the trained model predicts,
            which is kept through all steps.
        target_layer: The layer that is explained, as a CAM takes it.
        layers: Names of modules to randomise one after another, each with all in it; by default
            all that have weights, in the order in which they run, the last one first.
        steps: Without `layers`: into how many steps all of them are grouped, 2 or more. The first
            is the output layer alone.
        keep_maps: Whether to keep the maps of every step.
        seed: Seeds the new weights.
        batch_size: How many images are explained at once.
        progress: Whether to show a bar, where tqdm is installed.

    Returns:
        The names of the layers and the likeness at every step.

    Raises:
        InputError: The method, images or layers do not fit, or the model cannot be copied.
        LayerError: There is no such layer.
        TargetError: A class does not exist, or there is not one target an image.
    """
    make = maker_of(method)
    scorer = Scorer(model, images, targets, batch_size=batch_size)
    inner = unwrap(model)
    layer = _by_name(inner, target_layer)
    twin = copy_of(inner)
    generator = generator_of(seed)
    plan = stages(twin, scorer.images, layers, steps)
    kept, ranks, structures = [], [], []
    with without_zero_warnings():
        original = draw_maps(make(twin, layer), scorer.images, scorer.targets, batch_size)
        for _, weights in progress_bar(plan, "randomisation", shown=progress):
            redraw(weights, generator)
            maps = draw_maps(make(twin, layer), scorer.images, scorer.targets, batch_size)
            ranks.append(_likeness(original, maps))
            structures.append(structural_similarity(_unit(original), _unit(maps)))
            kept.append(maps if keep_maps else maps[:0])
    return Randomisation(
        name_of(method),
        tuple(name for name, _ in plan),
        torch.stack(ranks, 1),
        torch.stack(structures, 1),
        original,
        torch.stack(kept, 1) if keep_maps else None,
    )


def class_sensitivity(
    method: Method,
    model: nn.Module,
    images: Tensor,
    targets: Targets = None,
    *,
    others: Targets = None,
    target_layer: Layer | Sequence[Layer] | None = None,
    seed: int = 0,
    batch_size: int = 64,
) -> Tensor:
    """Whether another class has the same map.

    `rho = rank correlation of the map of the target and the map of another class`. A method that
    ignores the class has 1, however good its maps look; low values are a pass. In the spirit of
    the random-logit test of Sixt, Granz and Landgraf, "When Explanations Lie: Why Many Modified BP
    Attributions Fail", ICML 2020.

    Args:
        method: A name, a CAM class, or a function `make(model, target_layer)`, as for
            [`randomisation`][interpviz.metrics.randomisation].
        model: The model.
        images: Preprocessed images `(N, C, H, W)`.
        targets: What is explained, as a CAM takes it; None for the predicted class.
        others: What is explained instead; None for a random other class of each image.
        target_layer: The layer that is explained, as a CAM takes it.
        seed: Seeds the choice of the other classes.
        batch_size: How many images are explained at once.

    Returns:
        Tensor `(N,)`, float32, in [-1, 1]; 0 where one of the maps is the same everywhere.

    Raises:
        InputError: The method or images do not fit, or there is no other class to ask for.
        TargetError: A class does not exist, or there is not one target an image.
    """
    make = maker_of(method)
    scorer = Scorer(model, images, targets, batch_size=batch_size)
    rest = (
        _other_classes(scorer, seed)
        if others is None
        else Scorer(model, images, others, batch_size=batch_size).targets
    )
    with without_zero_warnings():
        pair = [
            draw_maps(make(model, target_layer), scorer.images, asked, batch_size)
            for asked in (scorer.targets, rest)
        ]
    return _likeness(*pair)


def _other_classes(scorer: Scorer, seed: int) -> list[int]:
    targets = scorer.targets
    if not isinstance(targets, list) or scorer.classes < 2:
        raise InputError(
            "There is no other class to compare with: pass `others`, what the second map explains."
        )
    generator = generator_of(seed)
    ahead = torch.randint(1, scorer.classes, (len(targets),), generator=generator).tolist()
    return [(c + step) % scorer.classes for c, step in zip(targets, ahead, strict=True)]


def _likeness(a: Tensor, b: Tensor) -> Tensor:
    return rank_correlation(a, b).nan_to_num(0.0)


def _unit(maps: Tensor) -> Tensor:
    positive = maps.clamp_min(0)
    return positive / positive.amax((1, 2), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


def _by_name(model: nn.Module, layers: Layer | Sequence[Layer] | None) -> str | list[str] | None:
    """Layers by their names, which the copy has too."""
    if layers is None or isinstance(layers, str):
        return layers
    if isinstance(layers, nn.Module) and not isinstance(layers, nn.ModuleList):
        return layer_name(model, unwrap(layers))
    return [n if isinstance(n, str) else layer_name(model, unwrap(n)) for n in layers]
