"""Statistics of heads without their maps: a block of queries at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.attaching import Crossings, attach_layers, later_weights
from interpviz.attention.blocks import eager_blocks, softmax_blocks
from interpviz.attention.calls import AttentionCall
from interpviz.attention.described import is_encoder_decoder
from interpviz.attention.inputs import arguments
from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.layers import chosen_layers, unwrapped
from interpviz.attention.maps import AttentionMaps
from interpviz.attention.measured import check_options, head_statistics, scene_of
from interpviz.attention.rows import RowStatistics
from interpviz.attention.sequences import Sequences, Tokens, sequences_of
from interpviz.attention.shared import Shared
from interpviz.attention.softmax import Softmax
from interpviz.attention.table import HeadStatistics, as_table
from interpviz.errors import AttentionError, InputError, troubleshooting

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interpviz.attention.kernels import Record, Stream


def attention_statistics(
    model: nn.Module,
    inputs: Mapping[str, Any] | Tensor | Sequence[Any],
    layers: Sequence[str | int] | str | int | None = None,
    tokens: Tokens | Any = None,
    *,
    window: int = 3,
    sinks: int = 1,
    queries: int | None = None,
    decoder_tokens: Tokens | Any = None,
    special_tokens_mask: Any = None,
) -> HeadStatistics:
    """Run a model once and measure what its heads look at, without ever holding a map.

    The numbers are those of `capture_attention(...).statistics()` within float tolerance. Layers
    of transformers' attention interface compute a block of rows, measure it and drop it, so that
    the memory needed grows with the length of the text and not with its square; the masks of the
    model are still as the model makes them. Of other layers one map is held at a time, and of a
    model that can only return all its weights at once, all of them. The model is left as it was,
    also after an exception, and runs without gradients.

    Args:
        model: A transformers model, or any model that holds `nn.MultiheadAttention` or timm
            attention blocks.
        inputs: What the model takes, as for `capture_attention`.
        layers: Which attention layers to measure: dotted names, names of blocks that hold some, or
            indices; None for all.
        tokens: The tokens or the tokenizer; needed for duplicate-token and induction scores where
            the inputs hold no `input_ids`.
        window: How far a local head looks to each side, at least 0.
        sinks: How many first tokens count as sinks, at least 1.
        queries: Measure about this many queries only, in runs that are spread evenly over the
            sequence, and compute the output with the usual kernel: an estimate at a part of the
            cost. All are measured where that is no more than four times as many, or None is given.
        decoder_tokens: The tokens of the decoder of an encoder-decoder, or the tokenizer.
        special_tokens_mask: 1 for tokens that the tokenizer added, shape `(position,)` or
            `(batch, position)`, where the inputs do not say it themselves.

    Returns:
        The table, whose columns are explained at
        [`HeadStatistics`][interpviz.attention.HeadStatistics].

    Raises:
        AttentionError: The model has no attention that can be captured, or none ran.
        LayerError: A name or an index means no attention layer.
        InputError: The model cannot take the inputs, or an option is too small.

    Example:
        >>> print(attention_statistics(model, tokenizer(long_text, return_tensors="pt")))
    """
    check_options(window, sinks)
    if queries is not None and queries < 1:
        raise InputError(f"queries must be at least 1, or None for all, not {queries}.")
    model = unwrapped(model)
    chosen = chosen_layers(model, layers)
    main = sequences_of(inputs, tokens, special_tokens_mask)
    decoder = sequences_of(inputs, decoder_tokens, decoder=True)
    second = decoder if is_encoder_decoder(model) else main
    meter = _Meter(main, second, window, sinks, queries)
    fastpath = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as undo:
        for name, module in chosen.items():
            undo.push(meter.crossings.watch(name, module))
        records = {name: meter.record(name) for name in chosen}
        streams = {name: meter.stream(name) for name in chosen}
        undo.push(attach_layers(model, chosen, records, streams))
        args, kwargs = arguments(model, inputs)
        undo.callback(torch.backends.mha.set_fastpath_enabled, fastpath)
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.no_grad():
            model(*args, **kwargs)
    if not meter.runs:
        raise AttentionError(
            f"None of the chosen layers of {type(model).__name__} ran for these inputs; "
            f"see {troubleshooting('attention-weights-not-captured')}."
        )
    return meter.table(list(chosen))


@dataclass
class _Meter:
    """Measures each layer as it runs, and keeps nothing but its numbers.

    Attributes:
        main: The sequences, of an encoder-decoder those of the encoder.
        second: Those of the decoder, or the same.
        window: How far a local head looks to each side.
        sinks: How many first tokens count as sinks.
        queries: How many queries to measure; None for all.
        runs: For each layer what it is and its columns, for every run.
        crossings: Which layers look at another sequence.
        known: Which kinds of layers compute a plain softmax.
        shared: What is known of each kind of sequence.
    """

    main: Sequences
    second: Sequences
    window: int
    sinks: int
    queries: int | None
    runs: dict[str, list[tuple[str, dict[str, Tensor]]]] = field(default_factory=dict)
    crossings: Crossings = field(default_factory=Crossings)
    known: dict[Any, bool] = field(default_factory=dict)
    shared: defaultdict[Any, Shared] = field(default_factory=lambda: defaultdict(Shared))

    def stream(self, name: str) -> Stream:
        """What takes the calls of a layer."""

        def measure(call: AttentionCall) -> Tensor | None:
            causal = getattr(call.module, "is_causal", None)
            rows, columns = call.query.shape[2], call.key.shape[2]
            seen = call.visible() if causal is None else None
            kind = self.crossings.kind(name, rows, seen, causal)
            shape = (*call.query.shape[:3], columns)
            scene = scene_of(
                shape,
                call.query.device,
                kind,
                self.second if kind in ("decoder", "cross") else self.main,
                self.second if kind == "decoder" else self.main,
                window=self.window,
                sinks=self.sinks,
                shared=self.shared[kind, rows, columns, call.query.device],
            )
            # Runs of rows cost more than the same rows in blocks, and the output comes on top.
            some = self.queries if self.queries and 4 * self.queries < rows else None
            statistics = RowStatistics(scene)
            maths = Softmax.of(call, self.known)
            if maths is not None:
                output = softmax_blocks(maths, statistics, some)
            else:
                output = eager_blocks(call, statistics, some)
            self.runs.setdefault(name, []).append((kind, statistics.by_head()))
            return output

        return measure

    def record(self, name: str) -> Record:
        """What takes the weights of a layer outside of the interface."""

        def measure(
            weights: Tensor, visible: Tensor | None = None, causal: bool | None = None
        ) -> None:
            if causal is None and visible is None and weights.shape[-2] > 1:
                causal = not later_weights(weights)
            kind = self.crossings.kind(name, weights.shape[-2], visible, causal)
            other = self.second if kind == "decoder" else self.main
            maps = AttentionMaps(
                LayerWeights({name: weights}),
                kinds=(kind,),
                tokens=other.tokens,
                token_ids=other.token_ids,
                padding_mask=other.padding_mask,
                special_tokens_mask=other.special_tokens_mask,
                decoder=self.second if kind == "cross" else None,
                visible={} if visible is None else {name: visible},
            )
            table = head_statistics(maps, window=self.window, sinks=self.sinks)
            columns = {column: values[0] for column, values in table.values.items()}
            self.runs.setdefault(name, []).append((kind, columns))

        return measure

    def table(self, names: list[str]) -> HeadStatistics:
        """All numbers, in the order of the layers."""
        columns, kinds = {}, {}
        for layer in names:
            runs = self.runs.get(layer, [])
            for n, (kind, found) in enumerate(runs):
                name = layer if len(runs) == 1 else f"{layer}[{n}]"
                columns[name], kinds[name] = found, kind
        return as_table(columns, kinds, window=self.window, sinks=self.sinks)
