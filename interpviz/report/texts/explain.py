"""A batch of texts through the model, as the records and views of its texts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from interpviz.attention.capture import AttentionCapture
from interpviz.attention.inputs import arguments
from interpviz.attention.maps import AttentionMaps
from interpviz.errors import AttentionError, InputError
from interpviz.report.texts.encoding import Encoded, Encoder
from interpviz.report.texts.heads import COLUMNS, head_numbers
from interpviz.report.texts.models import CLASSIFIES, WRITES, TextModel
from interpviz.report.texts.options import TextOptions
from interpviz.report.texts.views import Shown, view_payload

_NAMED = 5
_MEANS = ("entropy", "sink", "special")


class TextExplainer:
    """What a model makes of texts, and where its heads look in them.

    Args:
        model: The model.
        encode: Its tokenizer.
        options: What is kept of each text.

    Attributes:
        layers: The names of all layers, in their order.
        shown: The places of those whose weights are kept.
        heads: How many heads a layer has at most.

    Raises:
        AttentionError: The model has no attention that can be captured.
        LayerError: There is no such layer.
    """

    def __init__(self, model: TextModel, encode: Encoder, options: TextOptions) -> None:
        self._model = model
        self._encode = encode
        maps, _ = self._run(encode.batch([encode("One text.")])[0])
        self.layers = maps.layer_names
        self.heads = max(weights.shape[1] for weights in maps.weights.values())
        last = len(self.layers) - 1
        chosen = (0, last // 2, last) if options.layers is None else options.layers
        names = [maps.weights.name_of(layer) for layer in chosen]
        self.shown = sorted({self.layers.index(name) for name in names})

    def bytes_of(self, length: int) -> int:
        """About how much memory a text takes in the model.

        Args:
            length: Its number of tokens.
        """
        config = getattr(self._model.loaded.model, "config", None)
        words = getattr(config, "vocab_size", 0) if self._model.does == WRITES else 0
        return 4 * length * (length * self.heads * (len(self.layers) + 4) + 2 * int(words))

    def __call__(
        self, texts: Sequence[Encoded], classes: Sequence[int]
    ) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Explain a batch.

        Args:
            texts: The texts.
            classes: The class that each one has, or -1.

        Returns:
            For each text its record and its view.

        Raises:
            InputError: The model's outputs are not finite.
            AttentionError: Its attention is not one over the tokens.
        """
        inputs, real, special = self._encode.batch(texts)
        maps, output = self._run(inputs)
        _check(maps, real.shape)
        numbers = self._numbers(maps, real, special)
        told = self._told(output, inputs["input_ids"], texts, classes)
        found = []
        for item, text in enumerate(texts):
            means = {
                name: _short(float(numbers[item, :, COLUMNS.index(name)].nanmean()))
                for name in _MEANS
            }
            record, surprise = told[item]
            heads = _base64(numbers[item].numpy())
            view = {
                "heads": heads,
                "surprise": surprise,
                "attention": self._view(maps, item, text, numbers[item], len(heads)),
            }
            found.append(({"tokens": len(text), **record, **means, "heads": heads}, view))
        return found

    def _run(self, inputs: dict[str, Tensor]) -> tuple[AttentionMaps, Any]:
        capture = AttentionCapture(self._model.loaded.model)
        try:
            _, given = arguments(capture.model, inputs)
            with torch.no_grad():
                output = capture.model(**given)
        finally:
            capture.remove()
        if not capture.maps:
            raise AttentionError(
                f"None of the attention layers of {type(capture.model).__name__} gave its weights."
            )
        return capture.maps, output

    def _numbers(self, maps: AttentionMaps, real: Tensor, special: Tensor) -> Tensor:
        """Shape `(batch, layers, columns, heads)`."""
        layers = []
        for name, weights in maps.weights.items():
            known = maps.visible.get(name)
            causal = maps.kind_of(name) == "decoder"
            places = (mask.to(weights.device) for mask in (real, special))
            found = head_numbers(weights, known, causal, *places)
            layers.append(F.pad(found, (0, self.heads - found.shape[2]), value=float("nan")))
        return torch.stack(layers, 1)

    def _told(
        self, output: Any, ids: Tensor, texts: Sequence[Encoded], classes: Sequence[int]
    ) -> list[tuple[dict[str, Any], list[float | None] | None]]:
        """What the model says of each text, and how it was surprised by each token."""
        if self._model.does == CLASSIFIES:
            logits = output.logits.float().cpu()
            return [(_prediction(one, own), None) for one, own in zip(logits, classes, strict=True)]
        if self._model.does == WRITES:
            logits = output.logits
            return [
                _written(logits[item, : len(text)], ids[item, : len(text)])
                for item, text in enumerate(texts)
            ]
        return [({}, None)] * len(texts)

    def _view(
        self, maps: AttentionMaps, item: int, text: Encoded, numbers: Tensor, others: int
    ) -> dict[str, Any]:
        length, layers = len(text), []
        for place in self.shown:
            name = self.layers[place]
            weights = maps.weights[name][item, :, :length, :length].float().cpu().numpy()
            own = dict(zip(COLUMNS, numbers[place, :, : len(weights)].numpy(), strict=True))
            apart = 1 - np.nan_to_num(own["sink"]) - np.nan_to_num(own["special"])
            kind = maps.kind_of(name) or "attention"
            layers.append(Shown(place, name, kind, weights, apart, own["entropy"]))
        return view_payload(layers, text.tokens, text.special, others=others)


def _check(maps: AttentionMaps, shape: Sequence[int]) -> None:
    batch, length = shape
    for name, weights in maps.weights.items():
        if (weights.shape[0], *weights.shape[2:]) != (batch, length, length):
            raise AttentionError(
                f"Layer '{name}' does not look over the {length} tokens of a text (its weights "
                f"have shape {tuple(weights.shape)}): pass a model of one kind of text."
            )


def _prediction(logits: Tensor, own: int) -> dict[str, Any]:
    _check_finite(logits)
    shares = logits.softmax(0)
    if len(shares) == 1:
        second = logits.sigmoid()
        shares = torch.cat([1 - second, second])
    values, indices = shares.topk(min(_NAMED, len(shares)))
    record: dict[str, Any] = {
        "top": [[c, _short(p)] for c, p in zip(indices.tolist(), values.tolist(), strict=True)]
    }
    if 0 <= own < len(shares):
        record["label_p"] = _short(float(shares[own]))
    return record


def _written(logits: Tensor, ids: Tensor) -> tuple[dict[str, Any], list[float | None]]:
    """The mean negative log-likelihood of all tokens but the first, and that of each one."""
    _check_finite(logits)
    if len(ids) < 2:
        return {}, [None]
    losses = F.cross_entropy(logits[:-1].float(), ids[1:].to(logits.device), reduction="none")
    each = [round(loss, 3) for loss in losses.tolist()]
    return {"loss": _short(float(losses.mean()))}, [None, *each]


def _check_finite(logits: Tensor) -> None:
    if not bool(logits.isfinite().all()):
        raise InputError("The model's outputs are not finite: check its weights and its input.")


def _base64(values: NDArray[np.float32]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _short(value: float) -> float | None:
    return float(f"{value:.7g}") if np.isfinite(value) else None
