"""A small table of numbers, one a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.rows import COLUMNS
from interpviz.errors import InputError, nearest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from torch import Tensor

_LABELS = {
    "entropy": "entropy (0 to 1)",
    "distance": "distance (tokens)",
    "local_mass": "attention within the window",
    "sink_mass": "attention to the first token",
    "self_mass": "attention to itself",
    "previous_token": "attention to the previous token",
    "next_token": "attention to the next token",
    "special_mass": "attention to special tokens",
    "duplicate_token": "attention to earlier copies",
    "induction": "attention behind earlier copies",
    "row_sum": "sum of a row",
}
_SHORT = {
    "local_mass": "local",
    "sink_mass": "sink",
    "self_mass": "self",
    "previous_token": "previous",
    "next_token": "next",
    "special_mass": "special",
    "duplicate_token": "duplicate",
    "row_sum": "row sum",
}


@dataclass(frozen=True, eq=False)
class HeadStatistics:
    """Numbers for every head of every layer.

    Let A be the weights of a head, i a query, V(i) the keys that it sees, n(i) their number, and P
    a row of A divided by its sum. How many keys are visible is told by the model's masks, never by
    counting weights that are not zero. Padded queries are left out, and all queries of all
    sequences of the batch count alike. Except for distance and row sum, so are queries that see
    one key only: they have no choice.

    - `entropy`: mean of `-sum over j of P(i, j) ln P(i, j) / ln n(i)`, 0 on one key, 1 evenly on
      all that are visible (Ghader and Monz, IJCNLP 2017).
    - `distance`: `sum of A(i, j) |i - j| / sum of A(i, j)`, in tokens (Vig and Belinkov,
      BlackboxNLP 2019).
    - `local_mass`: share on keys with |i - j| <= `window`.
    - `sink_mass`: share on the first `sinks` tokens (Xiao et al., "Efficient Streaming Language
      Models with Attention Sinks", ICLR 2024).
    - `self_mass`, `previous_token`, `next_token`: share on key i, i - 1 and i + 1, over the queries
      that see it.
    - `special_mass`: share on special tokens (Clark et al., "What Does BERT Look At?",
      BlackboxNLP 2019).
    - `duplicate_token`: share on earlier keys that hold the query's own token; `induction`: share
      on keys j < i behind such a one, whose previous token is the query's. Both over the queries
      that have such keys (Olsson et al., "In-context Learning and Induction Heads", 2022), to be
      read on random tokens that are repeated.
    - `row_sum`: mean sum of a row of A: below 1 where a model keeps part for a sink of its own.

    Shares lie in [0, 1]. NaN says that a head has no such queries, or that what is needed (special
    tokens, token ids) is not known. In cross-attention, where queries and keys belong to different
    sequences, only entropy, sink, special and row sum are given.

    Attributes:
        values: The columns, each of shape `(layers, heads)`, float32, on the CPU. Layers with
            fewer heads than others are padded with NaN.
        layer_names: The layers' names.
        kinds: What each layer is: `"encoder"`, `"decoder"`, `"cross"`, or None where not known.
        window: How far a local head looks to each side.
        sinks: How many first tokens count as sinks.
        heads: For layers of which only some heads were kept, their numbers in the model.
    """

    values: Mapping[str, Tensor]
    layer_names: tuple[str, ...]
    kinds: tuple[str | None, ...]
    window: int = 3
    sinks: int = 1
    heads: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.values)

    def column(self, name: str) -> Tensor:
        """One statistic of all heads.

        Args:
            name: For example `"entropy"`.

        Returns:
            Shape `(layers, heads)`, float32.

        Raises:
            InputError: There is no such column.
        """
        if name not in self.values:
            hint = nearest(name, self.values) or f"The columns are {', '.join(self.values)}."
            raise InputError(f"There is no column {name!r}. {hint}")
        return self.values[name]

    def top(self, column: str, k: int = 1, smallest: bool = False) -> list[tuple[int, int]]:
        """The heads with the greatest values in a column.

        Args:
            column: Which one, for example `"induction"`.
            k: How many heads; all of them where there are fewer.
            smallest: Whether the least values come first instead.

        Returns:
            Pairs of layer and head, sorted; equal values by layer, NaN last. Layers are counted
            from 0 as in `layer_names`, heads are numbers in the model, as `maps[layer, head]` and
            [`ablate_heads`][interpviz.attention.ablate_heads] take them.

        Raises:
            InputError: There is no such column, or `k` is no whole number above 0.

        Example:
            >>> layer, head = maps.statistics().top("induction")[0]
        """
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise InputError(f"k must be a whole number of heads, at least 1, not {k!r}.")
        values, entries = self.column(column), self._entries()
        numbers = torch.tensor([float(values[layer, place]) for layer, place, _ in entries])
        keys = (numbers if smallest else -numbers).nan_to_num(torch.inf)
        order = keys.argsort(stable=True)[:k].tolist()
        return [(entries[i][0], entries[i][2]) for i in order]

    def plot(
        self,
        column: str,
        ax: Axes | None = None,
        *,
        title: str | None = None,
        cmap: str | Colormap | None = None,
        vmin: float | None = None,
        vmax: float | None = None,
        mark: Sequence[Sequence[int]] | None = None,
    ) -> Figure:
        """Draw one statistic, layers by heads.

        Args:
            column: Which one, for example `"entropy"`.
            ax: Where to draw; a new figure if left out.
            title: Title of the picture.
            cmap: Colour map; the one of attention if left out.
            vmin: Value at the lower end of the colours; 0 if left out.
            vmax: Value at the upper end; if left out 1, or the greatest distance.
            mark: Heads to frame, as the pairs of layer and head that `top` returns.

        Returns:
            The figure that was drawn on.

        Raises:
            InputError: There is no such column, or a marked head is not in the table.
        """
        from interpviz.render.style import ATTENTION_CMAP, describe
        from interpviz.render.tables import layer_head_heatmap

        values, label = self.column(column), _LABELS[column]
        if column == "sink_mass" and self.sinks > 1:
            label = f"attention to the first {self.sinks} tokens"
        top = None if column == "distance" else 1.0
        figure = layer_head_heatmap(
            values,
            ax,
            label=label,
            title=title,
            cmap=ATTENTION_CMAP if cmap is None else cmap,
            vmin=0.0 if vmin is None else vmin,
            vmax=top if vmax is None else vmax,
            mark=mark,
        )
        if ax is None and not bool(values.isnan().all()):
            layer, head = self.top(column)[0]
            describe(
                figure,
                f"{label.capitalize()}, {values.shape[0]} layers by {values.shape[1]} "
                f"heads: most in layer {layer}, head {head}, with "
                f"{values.nan_to_num(-torch.inf).max():.2f}.",
            )
        return figure

    def to_pandas(self) -> DataFrame:
        """One row a head.

        Returns:
            The columns `layer`, `head`, `layer_name` and `kind`, and those of this table.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("This needs pandas: install it with `pip install pandas`.") from error
        rows: list[dict[str, Any]] = []
        for layer, place, head in self._entries():
            row = {"layer": layer, "head": head, "layer_name": self.layer_names[layer]}
            numbers = {name: float(self.values[name][layer, place]) for name in self.values}
            rows.append({**row, "kind": self.kinds[layer], **numbers})
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        shown = [name for name in self.values if not bool(self.values[name].isnan().all())]
        titles = [_SHORT.get(name, name) for name in shown]
        lines = ["layer  head" + "".join(f"{title:>{_width(title)}}" for title in titles)]
        for layer, place, head in self._entries():
            numbers = (float(self.values[name][layer, place]) for name in shown)
            cells = (
                f"{'-' if number != number else f'{number:.2f}':>{_width(title)}}"  # noqa: PLR0124
                for number, title in zip(numbers, titles, strict=True)
            )
            lines.append(f"{layer:>5}{head:>6}" + "".join(cells))
        lines.append("")
        lines.extend(
            f"layer {place}: {name}" + (f" ({kind})" if kind else "")
            for place, (name, kind) in enumerate(zip(self.layer_names, self.kinds, strict=True))
        )
        lines.append(f"local: within {self.window} tokens; sink: the first {self.sinks}")
        return "\n".join(lines)

    def _head(self, layer: int, place: int) -> int:
        kept = self.heads.get(self.layer_names[layer])
        return place if kept is None else kept[place]

    def _entries(self) -> list[tuple[int, int, int]]:
        """Layer, place and number of every head that exists."""
        exists = ~self.values["row_sum"].isnan() if "row_sum" in self.values else None
        layers, width = next(iter(self.values.values())).shape
        return [
            (layer, place, self._head(layer, place))
            for layer in range(layers)
            for place in range(width)
            if exists is None or bool(exists[layer, place])
        ]


def _width(title: str) -> int:
    return max(len(title), 5) + 2


def as_table(
    layers: Mapping[str, Mapping[str, Tensor]],
    kinds: Mapping[str, str | None],
    *,
    window: int,
    sinks: int,
    heads: Mapping[str, tuple[int, ...]] | None = None,
) -> HeadStatistics:
    """Put the statistics of layers together.

    Args:
        layers: For each layer its columns, `(heads,)` each.
        kinds: What each layer is.
        window: How far a local head looks to each side.
        sinks: How many first tokens count as sinks.
        heads: For layers of which only some heads were kept, their numbers in the model.
    """
    width = max(len(columns["entropy"]) for columns in layers.values())
    values = {name: torch.full((len(layers), width), torch.nan) for name in COLUMNS}
    for place, columns in enumerate(layers.values()):
        for name, numbers in columns.items():
            values[name][place, : len(numbers)] = numbers.cpu()
    told = tuple(kinds[name] for name in layers)
    return HeadStatistics(values, tuple(layers), told, window, sinks, heads or {})
