"""Weights by layer, found by name or by place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from interpviz.errors import LayerError, nearest

if TYPE_CHECKING:
    from torch import Tensor


class LayerWeights(Mapping[str, "Tensor"]):
    """Weights by layer: a mapping from names that also takes an index.

    A layer can be asked for by its full name, by the name of the block that holds it
    (`"encoder.layer.0.attention"` for `"encoder.layer.0.attention.self"`) where only one captured
    layer lies inside that block, or by its place, counted from 0 or, negative, from the end.

    Args:
        weights: One tensor a layer, in the order of the layers.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._weights = dict(weights)

    def __getitem__(self, layer: str | int) -> Tensor:
        return self._weights[self.name_of(layer)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)

    def __contains__(self, layer: object) -> bool:
        try:
            self.name_of(layer)  # type: ignore[arg-type]
        except LayerError:
            return False
        return True

    def __repr__(self) -> str:
        shapes = {name: tuple(weights.shape) for name, weights in self._weights.items()}
        return f"LayerWeights({shapes})"

    def name_of(self, layer: str | int) -> str:
        """The full name of a layer given by name, block or place.

        Args:
            layer: A name, the name of an enclosing block, or an index.

        Raises:
            LayerError: No captured layer answers to it, or several do.
        """
        names = list(self._weights)
        if isinstance(layer, int | np.integer) and not isinstance(layer, bool):
            if not -len(names) <= layer < len(names):
                raise LayerError(
                    f"There is no layer {layer}: {len(names)} layers were captured, "
                    f"so an index from 0 to {len(names) - 1} is needed."
                )
            return names[layer]
        if layer in self._weights:
            return layer
        inside = [name for name in names if name.startswith((f"{layer}.", f"{layer}["))]
        if len(inside) == 1:
            return inside[0]
        if inside:
            raise LayerError(
                f"'{layer}' holds {len(inside)} captured layers: name one of them, "
                f"for example '{inside[0]}'."
            )
        raise LayerError(
            f"Layer {layer!r} was not captured: register it with register_hooks and run the model "
            f"again. {nearest(str(layer), names)}".rstrip()
        )
