"""The attention of a whole model, to be explored head by head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interpviz.errors import InputError
from interpviz.render.heads import head_heatmap
from interpviz.render.labels import values_of
from interpviz.render.views.attention_layers import Layer, info_of, layer_of
from interpviz.render.views.base import InteractiveView
from interpviz.render.views.shards import as_script, grouped
from interpviz.render.views.texts import KINDS, sides_of, texts_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_HEAD = 50_000_000


class AttentionView(InteractiveView):
    r"""Heads to be explored in a notebook, on a page or in a file: links, heat map and numbers.

    Show it as the last expression of a notebook cell, or write it with `to_html`. It needs no
    network. Without JavaScript, and on paper, the heat map of the first head stands there.

    Each weight is kept in 8 bits, as `q = round(255 sqrt(a / m))`, where m is the greatest weight
    of the head on plain keys, or for special tokens that on these. A weight a that is shown is off
    by at most `sqrt(a m) / 255 + m / 510^2`, which is never more than 0.004. Rows that add up to 1
    again without special tokens are off by at most `(e + p E) / (S - E)`, e being the bound of the
    weight, E the sum of those of its row, S the sum of the row and p the share; on the logarithmic
    scale, which shows three powers of ten below its top t, a colour is off by at most
    `-2 log10(1 - 1 / (510 s)) / 3` of the scale, s being `sqrt(t / (1000 m))`: 2 % where t is m, as
    it is on plain heads, and more where t is smaller, since special tokens are left out or the
    first token of a causal text is left aside; t is then itself off as any weight is (see
    `interpviz.render.views.quantise`). A weight takes about 1.4 bytes of HTML, half of it where no
    query sees later keys.

    Args:
        weights: Shape `(layers, heads, query, key)`, or a sequence of layers or mapping from
            names to layers, each `(heads, query, key)`; arrays or tensors, at least 0.
        tokens: One token a position. For an encoder-decoder a mapping from `"encoder"` and
            `"decoder"` to their tokens.
        key_tokens: The tokens of the keys, where they are others than those of the queries.
        layer_names: Names of the layers; by default those of a mapping, or none.
        layer_numbers: Numbers of the layers in the model, where not all are shown; by default
            their places.
        special_tokens: True for tokens that a tokenizer added, one a key, or where `tokens` is a
            mapping one such list a text. The view can leave them out.
        head_info: What is known of the heads, each `(layers, heads)`: `"entropy"` in [0, 1],
            `"pattern"` (a name, or `"none"`) and `"score"` of that pattern, NaN where unknown;
            `"number"`, the number of a head in the model, where not all were kept; never unknown.
        kind: What the layers are, for all or one each: `"encoder"`, `"decoder"`, `"cross"` (the
            decoder looks at the encoder) or `"attention"`.
        steps: For a text that a model wrote, how many tokens it was given: a slider then shows how
            the text grew.
        title: The title above the view.
        alt: What is seen in the still picture; by default the head and its strongest link.
        layer: Which layer is shown first, by place.
        head: Which of its heads, by place.
        raw_tokens: Show the tokens as they are, with the marks of the tokenizer.

    Raises:
        InputError: The weights are negative, not finite or of a wrong shape, tokens or masks do
            not fit, or there is no such layer or head.

    Example:
        >>> AttentionView(weights, ["[CLS]", "a", "cat", "[SEP]"]).to_html("heads.html")
    """

    name = "attention"

    def __init__(  # noqa: PLR0913 - most are told by the engines
        self,
        weights: Any,
        tokens: Any,
        *,
        key_tokens: Sequence[str] | None = None,
        layer_names: Sequence[str] | None = None,
        layer_numbers: Sequence[int] | None = None,
        special_tokens: Any = None,
        head_info: Mapping[str, Any] | None = None,
        kind: str | Sequence[str] = "attention",
        steps: int | None = None,
        title: str | None = None,
        alt: str | None = None,
        layer: int = 0,
        head: int = 0,
        raw_tokens: bool = False,
    ) -> None:
        names = list(weights) if isinstance(weights, Mapping) else None
        arrays = [values_of(one) for one in (weights.values() if names else weights)]
        if not arrays:
            raise InputError("There are no layers to show: pass the weights of at least one.")
        names = list(layer_names) if layer_names is not None else names or [""] * len(arrays)
        kinds = [kind] * len(arrays) if isinstance(kind, str) else list(kind)
        numbers = list(range(len(arrays)) if layer_numbers is None else map(int, layer_numbers))
        _check_lengths(len(arrays), names, kinds, numbers)
        self.texts = texts_of(tokens, key_tokens, special_tokens, raw_tokens)
        columns = info_of(head_info, len(arrays))
        self.layers: list[Layer] = []
        for place, array in enumerate(arrays):
            sides = sides_of(kinds[place], self.texts)
            info = {column: rows[place] for column, rows in columns.items()}
            texts = self.texts[sides[0]], self.texts[sides[1]]
            name = names[place], numbers[place]
            self.layers.append(layer_of(array, texts, name, kinds[place], info))
        self.start = self._start(layer, head)
        self.steps = self._checked_steps(steps)
        self.title = title or "What the heads look at"
        self.alt = alt or self._alt()

    def _start(self, layer: int, head: int) -> tuple[int, int]:
        count = len(self.layers)
        if not -count <= layer < count:
            raise InputError(f"There is no layer {layer}: there are {count}, counted from 0.")
        layer %= count
        heads = len(self.layers[layer].weights)
        if not -heads <= head < heads:
            raise InputError(f"There is no head {head}: there are {heads}, counted from 0.")
        return layer, head % heads

    def _grown(self) -> str:
        """The text that a model wrote on."""
        return "decoder" if "decoder" in self.texts else "queries"

    def _checked_steps(self, steps: int | None) -> int | None:
        if steps is None:
            return None
        if self._grown() not in self.texts:
            raise InputError(
                "steps is about a text that a model wrote, but only encoder layers are shown: "
                "leave it out."
            )
        longest = len(self.texts[self._grown()].tokens)
        if not 1 <= steps <= longest:
            raise InputError(
                f"steps is {steps}, but must be the number of tokens that the model was given, "
                f"from 1 to {longest}."
            )
        return steps

    def _head(self) -> tuple[Layer, NDArray[np.floating], str]:
        layer = self.layers[self.start[0]]
        number = layer.numbers[self.start[1]]
        return layer, layer.weights[self.start[1]], f"Layer {layer.number}, head {number}"

    def _alt(self) -> str:
        layer, weights, where = self._head()
        query, key = np.unravel_index(int(weights.argmax()), weights.shape)
        return (
            f"Heat map of attention weights. {where}: the strongest link goes from "
            f"{layer.texts[0].tokens[query]!r} to {layer.texts[1].tokens[key]!r}, with "
            f"{weights[query, key]:.2f}."
        )

    def still(self) -> Figure:
        """The heat map of the head that is shown first, on white."""
        import matplotlib as mpl
        from matplotlib.figure import Figure

        layer, weights, where = self._head()
        queries, keys = (text.tokens for text in layer.texts)
        # The reader's own style may be dark, and pyplot would show the figure a second time.
        with mpl.rc_context():
            mpl.rcdefaults()
            figure = Figure(figsize=(5.4, 4.6), layout="constrained")
            head_heatmap(
                weights, queries, figure.subplots(), title=where, key_tokens=keys, raw_tokens=True
            )
        return figure

    def size(self) -> int:
        """About how many bytes the data takes in HTML."""
        return sum(sum(layer.sizes()) for layer in self.layers)

    def payload(self) -> dict[str, Any]:
        """What the script needs, with all weights inside."""
        return self._payload([{"data": layer.data()} for layer in self.layers])

    def _payload(self, data: list[dict[str, Any]]) -> dict[str, Any]:
        texts = list(self.texts)
        kinds = list(dict.fromkeys(layer.kind for layer in self.layers))
        layers = []
        for layer, where in zip(self.layers, data, strict=True):
            layers.append({**layer.payload(), "kind": kinds.index(layer.kind), **where})
        sides = {kind: sides_of(kind, self.texts) for kind in kinds}
        return {
            "title": self.title,
            "texts": [text.payload() for text in self.texts.values()],
            "kinds": [
                {
                    "label": KINDS[kind][0],
                    "queries": texts.index(sides[kind][0]),
                    "keys": texts.index(sides[kind][1]),
                    "grows": self.steps is not None and sides[kind][0] == self._grown(),
                }
                for kind in kinds
            ],
            "layers": layers,
            "steps": self.steps,
            "start": self.start,
        }  # fmt: skip

    def sharded(self, folder: str) -> tuple[dict[str, Any], Mapping[str, str]]:
        """The payload without weights, and the weights as scripts by file name.

        Args:
            folder: Where the scripts will lie, seen from the page.

        Raises:
            InputError: A single head is larger than what a browser can show.
        """
        scripts: dict[str, str] = {}
        where: list[dict[str, Any]] = []
        for place, layer in enumerate(self.layers):
            sizes = layer.sizes()
            if max(sizes) > LARGEST_HEAD:
                raise InputError(
                    f"A single head takes {max(sizes) / 1e6:.0f} MB, which no browser draws: show "
                    "fewer tokens."
                )
            data = layer.data()
            files = [""] * len(data)
            for number, group in enumerate(grouped(sizes)):
                name = f"{place}-{number}.js"
                address = f"{folder}/{name}"
                scripts[name] = as_script(address, {part: data[part] for part in group})
                for part in group:
                    files[part] = address
            where.append({"files": files})
        return self._payload(where), scripts


def _check_lengths(count: int, names: list[str], kinds: list[str], numbers: list[int]) -> None:
    if not len(names) == len(kinds) == len(numbers) == count:
        raise InputError(
            f"There are {count} layers, {len(names)} names and {len(kinds)} kinds, and "
            f"{len(numbers)} numbers: give one of each for every layer."
        )
