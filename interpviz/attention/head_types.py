"""Names for heads: which known pattern each head of a model follows, if any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError, nearest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pandas import DataFrame

HEAD_TYPES = (
    "previous token",
    "next token",
    "self",
    "first token",
    "induction",
    "duplicate token",
    "separator",
    "local",
    "dilated",
    "global",
    "uniform",
)
"""The names that a head can get; a head that gets none of them is called `"none"`."""


@dataclass(frozen=True, eq=False)
class HeadTypes:
    """Which pattern each head of a model follows: what `classify_heads` found.

    Attributes:
        names: Shape `(layers, heads)`, one of `HEAD_TYPES` or `"none"`.
        scores: How far each head follows its pattern beyond chance, `(layers, heads)`, at most 1;
            NaN for a head without a name.
        runners_up: The type with the next highest score, or the highest for a head without a
            name, `(layers, heads)`; `"none"` where no other type scores above 0. A runner-up has
            not been tested against chance.
        runner_up_scores: Its score, NaN where there is none.
        all_scores: For each type that was considered the scores of all heads, `(layers, heads)`;
            NaN where nothing in a layer could follow it.
        log_bounds: For each type but uniform the natural logarithm of a bound on the chance that
            shuffled attention scores as high, `(layers, heads)`, at most 0.
        layer_names: The names of the layers.
        not_considered: The types that were left out, with the reason.
    """

    names: NDArray[np.str_]
    scores: NDArray[np.float32]
    runners_up: NDArray[np.str_]
    runner_up_scores: NDArray[np.float32]
    all_scores: Mapping[str, NDArray[np.float32]]
    log_bounds: Mapping[str, NDArray[np.float32]]
    layer_names: tuple[str, ...]
    not_considered: Mapping[str, str] = field(default_factory=dict)

    def count(self) -> dict[str, int]:
        """How many heads got each name, the most frequent first, `"none"` included."""
        return dict(Counter(self.names.flatten().tolist()).most_common())

    def of(self, head_type: str) -> list[tuple[int, int]]:
        """The heads of one type, the one with the highest score first.

        Args:
            head_type: One of `HEAD_TYPES`, or `"none"`, whose heads come by layer.

        Returns:
            Pairs of layer and head, both counted from 0.

        Raises:
            InputError: There is no such type.
        """
        known = (*HEAD_TYPES, "none")
        if head_type not in known:
            hint = nearest(head_type, known) or f"The types are {', '.join(known)}."
            raise InputError(f"There is no type of head {head_type!r}. {hint}")
        layers, heads = np.nonzero(self.names == head_type)
        order = np.argsort(-np.nan_to_num(self.scores[layers, heads]), kind="stable")
        return [(int(layers[i]), int(heads[i])) for i in order]

    def plot(self, ax: Axes | None = None, *, title: str | None = None) -> Figure:
        """Draw layers by heads, each head in the colour and with the letters of its type.

        Args:
            ax: Where to draw; a new figure if left out.
            title: Title of the picture.

        Returns:
            The figure that was drawn on, with its alternative text if it is a new one.
        """
        from interpviz.render.head_types import head_type_map
        from interpviz.render.style import describe

        figure = head_type_map(self.names, ax, title=title)
        if ax is None:
            counts = ", ".join(f"{name} {number}" for name, number in self.count().items())
            layers, heads = self.names.shape
            describe(figure, f"The types of heads, {layers} layers by {heads} heads: {counts}.")
        return figure

    def to_pandas(self) -> DataFrame:
        """One row a head, for further work.

        Returns:
            The columns `layer`, `head`, `layer_name`, `type`, `score`, `runner_up` and
            `runner_up_score`.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("This needs pandas: install it with `pip install pandas`.") from error
        layers, heads = self.names.shape
        columns: dict[str, Any] = {
            "layer": np.repeat(np.arange(layers), heads),
            "head": np.tile(np.arange(heads), layers),
            "layer_name": np.repeat(self.layer_names, heads),
            "type": self.names.flatten(),
            "score": self.scores.flatten(),
            "runner_up": self.runners_up.flatten(),
            "runner_up_score": self.runner_up_scores.flatten(),
        }
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        from interpviz.render.head_types import HEAD_TYPE_STYLES

        codes = {name: code for name, (code, _) in HEAD_TYPE_STYLES.items()} | {"none": "."}
        width = max(5, len(str(len(self.names) - 1)))
        header = "".join(f"{head:>4}" for head in range(self.names.shape[1]))
        lines = [f"{'layer':<{width}}{header}  (head)"]
        for layer, row in enumerate(self.names.tolist()):
            lines.append(f"{layer:>{width}}" + "".join(f"{codes[name]:>4}" for name in row))
        lines.append("")
        for name, number in self.count().items():
            line = f"{codes[name]:>2}  {name:<16}{number:>4} of {self.names.size}"
            if name != "none":
                layer, head = self.of(name)[0]
                line += f"  best: layer {layer} head {head}, {self.scores[layer, head]:.2f}"
            lines.append(line)
        lines.extend(f"not considered: {name} ({why})" for name, why in self.not_considered.items())
        return "\n".join(lines)
