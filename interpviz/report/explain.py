"""A batch of images through the engine, as the numbers of their records."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from interpviz.cam.base import CAM
from interpviz.cam.batches import BatchMaps, batch_class_maps, reduced
from interpviz.cam.engine.hooks import explained
from interpviz.cam.engine.inputs import follow_model
from interpviz.cam.registry import get_method
from interpviz.cam.targets.categories import probabilities
from interpviz.cam.targets.outputs import find_logits
from interpviz.errors import InputError
from interpviz.metrics.localisation import share_inside
from interpviz.metrics.spread import half_mass_area
from interpviz.report.options import Options
from interpviz.zoo.any_model import Loaded

_NAMED = 5

Mask = NDArray[np.bool_] | None


class Explainer:
    """The methods of a report, ready for batches.

    Args:
        loaded: The model.
        options: What is drawn.
    """

    def __init__(self, loaded: Loaded, options: Options) -> None:
        layer = options.layer or loaded.target_layer
        names = loaded.categories or None
        self._options = options
        self._methods: list[CAM] = [
            get_method(name)(loaded.model, layer, categories=names) for name in options.methods
        ]

    @property
    def of_class(self) -> list[bool]:
        """For each method whether it has a map for each class, or one an image."""
        return [method.asks_for_score for method in self._methods]

    def class_total(self, image: Tensor) -> int:
        """How many classes the model tells apart.

        Args:
            image: Any input `(C, H, W)`.

        Raises:
            InputError: The model has no logits.
        """
        model = self._methods[0].model
        with explained(model), torch.no_grad():
            logits = find_logits(model(follow_model(image[None], model)))
        return max(2, int(logits.shape[-1]))

    def __call__(
        self, images: Sequence[Tensor], labels: Sequence[int], masks: Sequence[Mask]
    ) -> list[dict[str, Any]]:
        """Explain a batch.

        Args:
            images: Inputs `(C, H, W)` of one size.
            labels: The class that each image has, or -1.
            masks: Where each image's object is, `(H, W)`, or None.

        Returns:
            The numbers of each image's record.

        Raises:
            InputError: The model's outputs for one of them are not finite.
            InterpvizError: As the engine does.
        """
        found = batch_class_maps(
            self._methods, torch.stack(list(images)), lambda logits: self._choose(logits, labels)
        )
        # Who has one output only is not asked which class.
        _check_finite(found.logits)
        maps = found.maps
        spread = half_mass_area(maps.flatten(0, 1)).reshape(maps.shape[:2])
        outside = [self._outside(own, mask) for own, mask in zip(maps, masks, strict=True)]
        stored, peaks = self._stored(found)
        predictions = _predictions(found.logits, labels)
        records = zip(
            *(
                predictions,
                found.classes.tolist(),
                stored,
                peaks.tolist(),
                spread.tolist(),
                outside,
            ),
            strict=True,
        )
        return [
            {
                **prediction,
                "classes": classes,
                "grid": list(own.shape[1:]),
                "maps": base64.b64encode(own.tobytes()).decode(),
                "peaks": [_short(p) for p in peak],
                "spread": [_short(s) for s in wide],
                **({"outside": out} if out is not None else {}),
            }
            for prediction, classes, own, peak, wide, out in records
        ]

    def _choose(self, logits: Tensor, labels: Sequence[int]) -> Tensor:
        _check_finite(logits)
        chosen = logits.topk(min(self._options.top, logits.shape[1])).indices
        if chosen.shape[1] > 1:
            own = torch.tensor(labels, device=chosen.device)
            wanted = (own >= 0) & (own < logits.shape[1]) & ~(chosen == own[:, None]).any(1)
            chosen[:, -1] = own.where(wanted, chosen[:, -1])
        return chosen

    def _outside(self, maps: Tensor, mask: Mask) -> list[float | None] | None:
        if mask is None or mask.shape != tuple(maps.shape[1:]) or not mask.any():
            return None
        inside = share_inside(maps, torch.from_numpy(mask).to(maps.device))
        return [
            _short(1 - share) if seen else None
            for share, seen in zip(inside.tolist(), maps.flatten(1).any(1).tolist(), strict=True)
        ]

    def _stored(self, found: BatchMaps) -> tuple[NDArray[np.uint8], Tensor]:
        maps = found.maps.flatten(0, 1)
        share = self._options.map_side / max(found.grid)
        if share >= 1:
            small = reduced(maps, found.grid)
        else:
            high, wide = (max(1, round(side * share)) for side in found.grid)
            small = F.interpolate(maps[:, None], (high, wide), mode="area")[:, 0]
        small = small.reshape(*found.maps.shape[:2], *small.shape[1:])
        peak = small.flatten(2).amax(2)
        steps = small / peak.where(peak > 0, 1.0)[..., None, None] * 255
        return steps.round().byte().cpu().numpy(), peak


def _check_finite(logits: Tensor) -> None:
    if not bool(logits.isfinite().all()):
        raise InputError("The model's outputs are not finite: check its weights and its input.")


def _predictions(logits: Tensor, labels: Sequence[int]) -> list[dict[str, Any]]:
    shares = probabilities(logits)
    if shares.shape[1] == 1:
        shares = torch.cat([1 - shares, shares], 1)
    values, indices = shares.topk(min(_NAMED, shares.shape[1]))
    records = []
    for row, own, classes, label in zip(
        shares, values.tolist(), indices.tolist(), labels, strict=True
    ):
        record: dict[str, Any] = {
            "top": [[c, _short(p)] for c, p in zip(classes, own, strict=True)]
        }
        if 0 <= label < len(row):
            record["label_p"] = _short(float(row[label]))
        records.append(record)
    return records


def _short(value: float) -> float | None:
    """Five significant digits, which a browser needs no more of; None for no number."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
