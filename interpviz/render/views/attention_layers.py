"""One layer of an attention view: its weights in a form for the script."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpviz.errors import InputError
from interpviz.render.labels import heads_of
from interpviz.render.views.quantise import causal_offset, encode, packed, scales_of, thumbnail
from interpviz.render.views.texts import Text

COLUMNS = ("entropy", "pattern", "score", "number")


@dataclass(frozen=True)
class Layer:
    """A layer, checked.

    Attributes:
        weights: Shape `(heads, query, key)`.
        texts: Of its queries and of its keys.
        name: Its name, possibly empty.
        number: Its number in the model.
        kind: What it is.
        numbers: The numbers of its heads in the model.
        info: By column one value a head.
        offset: For a causal layer how many keys lie before the first query.
    """

    weights: NDArray[np.floating]
    texts: tuple[Text, Text]
    name: str
    number: int
    kind: str
    numbers: list[int]
    info: Mapping[str, list[Any]]
    offset: int | None

    def sizes(self) -> list[int]:
        """Bytes of each head in HTML."""
        queries, keys = self.weights.shape[1:]
        count = queries * keys
        if self.offset is not None:
            count -= queries * (queries - 1) // 2
        return [-(-count // 3) * 4 + 3] * len(self.weights)

    def scales(self) -> list[tuple[float, float]]:
        """The two scales of each head."""
        # What the script reads back must be the very scale that the codes were made with.
        found = [scales_of(head, self._special()) for head in self.weights]
        return [(float(f"{plain:.9g}"), float(f"{special:.9g}")) for plain, special in found]

    def _special(self) -> NDArray[np.bool_]:
        return self.texts[1].special

    def data(self) -> list[str]:
        """The codes of each head in base64."""
        coded = []
        for head, (plain, special) in zip(self.weights, self.scales(), strict=True):
            codes = encode(head, np.where(self._special(), special, plain))
            coded.append(_text(packed(codes, self.offset)))
        return coded

    def payload(self) -> dict[str, Any]:
        """Everything but the weights."""
        small = [thumbnail(head) for head in self.weights]
        return {
            "name": self.name,
            "number": self.number,
            "heads": self.numbers,
            "shape": list(self.weights.shape[1:]),
            "offset": self.offset,
            "scales": self.scales(),
            "small": {"shape": small[0].shape, "data": _text(np.stack(small).tobytes())},
            **self.info,
        }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def layer_of(
    weights: NDArray[np.floating],
    texts: tuple[Text, Text],
    name: tuple[str, int],
    kind: str,
    info: Mapping[str, Sequence[Any]],
) -> Layer:
    """Check the weights of a layer.

    Args:
        weights: Shape `(heads, query, key)`.
        texts: Of its queries and of its keys.
        name: Its name, possibly empty, and its number in the model.
        kind: What it is.
        info: By column at least one value a head.

    Raises:
        InputError: They do not fit each other, or the weights are negative or not finite.
    """
    heads, _ = heads_of(weights, texts[0].tokens, texts[1].tokens)
    if not np.isfinite(heads).all() or heads.min() < 0:
        raise InputError(
            f"The attention weights of layer '{name[0]}' are not all finite and at least 0: pass "
            "weights after the softmax."
        )
    count = len(heads)
    if any(len(values) < count for values in info.values()):
        raise InputError(
            f"Layer '{name[0]}' has {count} heads, but head_info tells of fewer: give one value "
            "a head."
        )
    kept = {column: list(values[:count]) for column, values in info.items()}
    numbers = kept.pop("number", list(range(count)))
    if None in numbers:
        raise InputError(
            f"head_info has no number for some heads of layer '{name[0]}': number all of them, or "
            "leave 'number' out."
        )
    whole = [int(number) for number in numbers]
    return Layer(heads, texts, *name, kind, whole, kept, causal_offset(heads))


def info_of(given: Mapping[str, Any] | None, layers: int) -> dict[str, list[list[Any]]]:
    """What is known of heads, in plain lists with None for what is not known.

    Args:
        given: By column `(layers, heads)`; None or NaN for what is not known.
        layers: How many layers there are.

    Raises:
        InputError: There is no such column, it has another number of layers or rows of different
            lengths, or it holds something else than numbers.
    """
    columns: dict[str, list[list[Any]]] = {}
    for column, values in (given or {}).items():
        table = _table(column, values)
        if column not in COLUMNS or table.ndim != 2 or len(table) != layers:
            raise InputError(
                f"head_info has {column!r} of shape {table.shape}: give {', '.join(COLUMNS)}, each "
                f"of shape (layers, heads) with {layers} layers."
            )
        if column == "pattern":
            columns[column] = [["" if one is None else str(one) for one in row] for row in table]
            continue
        columns[column] = [
            [round(float(value), 4) if np.isfinite(value) else None for value in row]
            for row in table
        ]
    return columns


def _table(column: str, values: Any) -> NDArray[Any]:
    plain = values.tolist() if hasattr(values, "tolist") else values
    try:
        return np.array(plain, dtype=object if column == "pattern" else np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"head_info has {column!r} that is no table of numbers: give one a head, None where it "
            "is not known, in rows of one length."
        ) from None
