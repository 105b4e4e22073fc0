"""The same images and targets, explained by several methods and measured alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from interpviz.cam import methods as method_names
from interpviz.cam.engine.layers import Layer
from interpviz.cam.targets import Targets
from interpviz.errors import GradientError, InputError, LayerError, TargetError, nearest
from interpviz.metrics.confidence import drops, increases, kept_scores
from interpviz.metrics.localisation import energy_inside, iou, pointing_game
from interpviz.metrics.makers import Explainer, Method, draw_maps, maker_of, name_of
from interpviz.metrics.pixel_flipping import flipped
from interpviz.metrics.progress import progress_bar
from interpviz.metrics.road_curves import road_curves
from interpviz.metrics.scoring import Score, Scorer
from interpviz.metrics.table import MethodTable


@dataclass(frozen=True)
class _Setting:
    scorer: Scorer
    regions: Any
    steps: int

    @cached_property
    def confidence(self) -> Scorer:
        """The same images, scored by probability: logits have no shares to lose."""
        scorer = self.scorer
        if scorer.score == "probability":
            return scorer
        return Scorer(scorer.model, scorer.images, scorer.targets, batch_size=scorer.batch_size)


@dataclass(frozen=True)
class _Row:
    maps: Tensor
    seconds: float
    values: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Metric:
    higher_is_better: bool
    measure: Callable[[_Setting, Tensor], Tensor]
    on_regions: bool = False


def _drop(setting: _Setting, maps: Tensor) -> Tensor:
    return drops(setting.confidence, _kept(setting, maps))


def _increase(setting: _Setting, maps: Tensor) -> Tensor:
    return increases(setting.confidence, _kept(setting, maps))


def _kept(setting: _Setting, maps: Tensor) -> Tensor:
    return kept_scores(setting.confidence, maps.clamp(0, 1))


_METRICS = {
    "insertion": _Metric(True, lambda s, m: flipped(s.scorer, m, "insertion", steps=s.steps).area),
    "deletion": _Metric(False, lambda s, m: flipped(s.scorer, m, "deletion", steps=s.steps).area),
    "road": _Metric(True, lambda s, m: road_curves(s.scorer, m).gap),
    "average_drop": _Metric(False, _drop),
    "increase_in_confidence": _Metric(True, _increase),
    "pointing_game": _Metric(True, lambda s, m: pointing_game(m, s.regions), on_regions=True),
    "energy_inside": _Metric(True, lambda s, m: energy_inside(m, s.regions), on_regions=True),
    "iou": _Metric(True, lambda s, m: iou(m, s.regions), on_regions=True),
}


def compare_methods(
    model: nn.Module,
    images: Tensor,
    methods: Sequence[Method] | Mapping[str, Method] | None = None,
    *,
    target_layer: Layer | Sequence[Layer] | None = None,
    targets: Targets = None,
    metrics: str | Sequence[str] = (
        "insertion",
        "deletion",
        "average_drop",
        "increase_in_confidence",
    ),
    regions: Any = None,
    steps: int = 32,
    score: Score = "probability",
    batch_size: int = 64,
    progress: bool = False,
) -> MethodTable:
    """Explain the same images by several methods, and measure all alike.

    What is explained is settled once, before any method runs. Put a control among the methods,
    such as `{"random": lambda model, layer: lambda images, targets: random_maps(images)}`: a
    number that a random map reaches too says nothing.

    Args:
        model: Any module that turns images `(N, C, H, W)` into class scores.
        images: Preprocessed images `(N, C, H, W)`.
        methods: Names, CAM classes, or functions `make(model, target_layer)` that give an
            explainer `explain(images, targets)`; or a mapping from names of one's own to these.
            None for all of [`methods()`][interpviz.cam.methods]; of these, the ones that cannot
            explain this model, layer or target are left out, and the table says so.
        target_layer: The layer for all methods, as a CAM takes it.
        targets: What is explained, as a CAM takes it; None for the predicted class.
        metrics: One or several of `"insertion"`, `"deletion"` and `"road"` (areas and gap as the
            functions of that name give them); `"average_drop"` and `"increase_in_confidence"`
            (always of the probability; values of a map below 0 count as 0); with `regions` also
            `"pointing_game"`, `"energy_inside"` and `"iou"`. All take their default baseline.
        regions: Where the objects are: masks `(N, H, W)` or boxes `(N, 4)`.
        steps: The steps of insertion and deletion.
        score: `"probability"` of the target class, or its `"logit"`.
        batch_size: How many pictures the model sees at once.
        progress: Whether to show a bar over the methods, where tqdm is installed.

    Returns:
        The table, with every image's own values, the maps, and the seconds that each took.

    Raises:
        InputError: A method or metric does not exist, comes twice, or lacks the regions.
        LayerError: There is no such layer, or a method that was named cannot explain it.
        TargetError: A class does not exist, there is not one target an image, or a method that was
            named cannot explain such a target.
    """
    chosen = _metrics(metrics, regions)
    makers = _makers(methods)
    scorer = Scorer(model, images, targets, score=score, batch_size=batch_size)
    setting = _Setting(scorer, regions, steps)
    rows: dict[str, _Row] = {}
    left_out: dict[str, str] = {}
    for name, make in progress_bar(makers.items(), "methods", shown=progress):
        try:
            maps, seconds = _drawn(make, target_layer, scorer)
        except (GradientError, InputError, LayerError, TargetError) as error:
            # Some are for transformers or classes only; who names a method wants to know why.
            if methods is not None:
                raise
            left_out[name] = str(error)
            continue
        values = {metric: how.measure(setting, maps) for metric, how in chosen.items()}
        rows[name] = _Row(maps, seconds, values)
    if not rows:
        raise _none_fits(model, left_out)
    return _table(rows, chosen, left_out)


def _drawn(
    make: Callable[..., Explainer], layer: Layer | Sequence[Layer] | None, scorer: Scorer
) -> tuple[Tensor, float]:
    """A method's maps, and the seconds that they took."""
    started = _clock(scorer.images)
    explain = make(scorer.model, layer)
    maps = draw_maps(explain, scorer.images, scorer.targets, scorer.batch_size)
    return maps, _clock(scorer.images) - started


def _none_fits(model: nn.Module, left_out: Mapping[str, str]) -> InputError:
    return InputError(
        f"No method can explain this {type(model).__name__} here: name a `target_layer`; the first "
        f"one said: {next(iter(left_out.values()))}"
    )


def _table(
    rows: Mapping[str, _Row], metrics: Mapping[str, _Metric], left_out: Mapping[str, str]
) -> MethodTable:
    return MethodTable(
        tuple(rows),
        {name: torch.stack([row.values[name] for row in rows.values()]) for name in metrics},
        {name: metric.higher_is_better for name, metric in metrics.items()},
        torch.tensor([row.seconds for row in rows.values()]),
        {name: row.maps for name, row in rows.items()},
        left_out,
    )


def _makers(
    methods: Sequence[Method] | Mapping[str, Method] | None,
) -> dict[str, Callable[..., Explainer]]:
    if isinstance(methods, Mapping):
        named = dict(methods)
    else:
        listed = method_names() if methods is None else methods
        listed = [listed] if isinstance(listed, str) or callable(listed) else list(listed)
        named = {name_of(method): method for method in listed}
        if len(named) < len(listed):
            raise InputError(
                f"Two of the {len(listed)} methods have the same name: pass a dict from names of "
                "your own to methods."
            )
    if not named:
        raise InputError("There are no methods to compare: name at least one.")
    return {name: maker_of(method) for name, method in named.items()}


def _metrics(names: str | Sequence[str], regions: Any) -> dict[str, _Metric]:
    listed = [names] if isinstance(names, str) else names
    return {name: _metric(name, regions) for name in listed}


def _metric(name: str, regions: Any) -> _Metric:
    if name not in _METRICS:
        raise InputError(
            f"There is no metric {name!r}. {nearest(name, _METRICS)} All are: "
            f"{', '.join(_METRICS)}."
        )
    if _METRICS[name].on_regions and regions is None:
        raise InputError(f"{name!r} needs to know where the objects are: pass `regions`.")
    return _METRICS[name]


def _clock(images: Tensor) -> float:
    """Seconds, once the device has done all that it was asked to."""
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    elif images.device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()
