"""The attention of one text in a size that a page can load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpviz.render.views import AttentionView
from interpviz.render.views.quantise import causal_offset

MOST_BYTES = 150_000
_AROUND = 4_000
_THUMBNAIL = 20


@dataclass(frozen=True)
class Shown:
    """One layer of one text.

    Attributes:
        number: Its place in the model.
        name: Its name.
        kind: What it is.
        weights: Shape `(heads, query, key)`.
        apart: How little each head looks at special tokens and the first one, `(heads,)`.
        entropy: Shape `(heads,)`, NaN where there is none.
    """

    number: int
    name: str
    kind: str
    weights: NDArray[np.float32]
    apart: NDArray[np.float32]
    entropy: NDArray[np.float32]


def view_payload(
    layers: Sequence[Shown], tokens: Sequence[str], special: Sequence[bool], *, others: int
) -> dict[str, Any]:
    """What the view of attention is told of one text.

    Where not all heads have room, those that look least at special tokens and at the first token
    are kept, as many of each layer.

    Args:
        layers: The layers to show.
        tokens: The tokens of the text.
        special: True for those that the tokenizer added.
        others: Bytes that the file of the text needs beside the view.
    """
    cost = _bytes_of_head(layers[0].weights)
    room = max((MOST_BYTES - _AROUND - others - 12 * len(tokens)) // cost, 1)
    shown = list(layers[-room:]) if room < len(layers) else list(layers)
    each = min(room // len(shown), *(len(layer.weights) for layer in shown))
    kept = [_kept(layer.apart, each) for layer in shown]
    view = AttentionView(
        [layer.weights[heads] for layer, heads in zip(shown, kept, strict=True)],
        tokens,
        layer_names=[layer.name for layer in shown],
        layer_numbers=[layer.number for layer in shown],
        special_tokens=special,
        head_info={
            "entropy": [layer.entropy[heads] for layer, heads in zip(shown, kept, strict=True)],
            "number": kept,
        },
        kind=[layer.kind for layer in shown],
        layer=len(shown) // 2,
        head=0,
    )
    return view.payload()


def _kept(apart: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    order = np.argsort(-np.nan_to_num(apart, nan=-1.0), kind="stable")
    return np.sort(order[:count])


def _bytes_of_head(weights: NDArray[np.float32]) -> int:
    queries, keys = (int(side) for side in weights.shape[1:])
    count = queries * keys
    if causal_offset(weights) is not None:
        count -= queries * (queries - 1) // 2
    small = min(queries, _THUMBNAIL) * min(keys, _THUMBNAIL)
    return (count + small) * 4 // 3 + 80
