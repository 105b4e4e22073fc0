"""Attention weights of one forward pass, by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.sequences import Sequences, as_token_lists

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from interpviz.attention.generated import Generated
    from interpviz.attention.table import HeadStatistics
    from interpviz.attention.words import WordIds
    from interpviz.render.views import AttentionView

__all__ = ["AttentionMaps", "LayerWeights", "as_token_lists"]


@dataclass(frozen=True, repr=False)
class AttentionMaps:
    """What every captured attention layer of one forward pass looked at.

    `maps[layer]` is a layer's weights, `maps[layer, head]` those of one head by its number in the
    model; `len(maps)` counts layers.

    Attributes:
        weights: The weights by layer name or index, each of shape `(batch, heads, query, key)`,
            detached, on the model's device and of the type that the model computed them in.
            Values lie in [0, 1]; a row sums to 1, except where the model keeps part of it for an
            attention sink of its own. Layers that fold windows into the batch (Swin) keep them
            there.
        tokens: The tokens of each sequence of the batch, of an encoder-decoder those of the
            encoder; None where they are not known.
        kinds: What each layer is, as the model says: `"encoder"` (self-attention that sees later
            tokens), `"decoder"` (self-attention that does not) or `"cross"` (keys from another
            sequence). Empty where nothing is known, as for maps made by hand.
        padding_mask: Shape `(batch, position)`, True for real tokens and False for padding, to
            which `tokens` belong; None where nothing is known to be padded.
        special_tokens_mask: Shape `(batch, position)`, True for tokens that the tokenizer added;
            None where it is not known.
        token_ids: Shape `(batch, position)`; None where they are not known.
        decoder: The sequences of the decoder of an encoder-decoder; None for all other models.
        visible: For layers whose masks are known, True where a query sees a key, broadcast to the
            weights.
        heads: For layers of which only some heads were kept, their numbers in the model.
        generated: What the model wrote, where it was captured with `generate=`: the new tokens,
            the last one included, and their log-probabilities; None otherwise.
    """

    weights: LayerWeights
    tokens: list[list[str]] | None = None
    kinds: tuple[str, ...] = ()
    padding_mask: Tensor | None = None
    special_tokens_mask: Tensor | None = None
    token_ids: Tensor | None = None
    decoder: Sequences | None = None
    visible: Mapping[str, Tensor] = field(default_factory=dict)
    heads: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    generated: Generated | None = None

    @property
    def prompt_length(self) -> int | None:
        """How many positions came before the first written token, padding included.

        None where nothing was written. See
        [`Generated`][interpviz.attention.Generated], which also says for which side of an
        encoder-decoder.
        """
        return None if self.generated is None else self.generated.prompt_length

    @property
    def layer_names(self) -> list[str]:
        """The names of the captured layers, in the order in which the model holds them.

        A layer that ran several times in one forward pass (shared weights, as in ALBERT) has one
        entry a run: `"name[0]"`, `"name[1]"`, and so on.
        """
        return list(self.weights)

    @property
    def decoder_tokens(self) -> list[list[str]] | None:
        """The tokens of the decoder of an encoder-decoder, where they are known."""
        return None if self.decoder is None else self.decoder.tokens

    def __len__(self) -> int:
        return len(self.weights)

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __getitem__(self, place: str | int | tuple[str | int, int]) -> Tensor:
        if not isinstance(place, tuple):
            return self.weights[place]
        from interpviz.attention.derived import one_head

        return one_head(self, *place)

    def __repr__(self) -> str:
        first = next(iter(self.weights.values()), None)
        shape = None if first is None else tuple(first.shape)
        return f"AttentionMaps({len(self)} layers, first of shape {shape})"

    def kind_of(self, layer: str | int) -> str | None:
        """What a layer is: `"encoder"`, `"decoder"`, `"cross"`, or None where it is not known.

        Args:
            layer: Its name or index.
        """
        place = self.layer_names.index(self.weights.name_of(layer))
        return self.kinds[place] if self.kinds else None

    def queries_of(self, layer: str | int) -> Sequences:
        """The sequences that a layer's queries belong to.

        Args:
            layer: Its name or index.
        """
        return self._side(self.kind_of(layer) in ("decoder", "cross"))

    def keys_of(self, layer: str | int) -> Sequences:
        """The sequences that a layer's keys belong to: in cross-attention those of the encoder.

        Args:
            layer: Its name or index.
        """
        return self._side(self.kind_of(layer) == "decoder")

    def _side(self, decoder: bool) -> Sequences:
        if decoder and self.decoder is not None:
            return self.decoder
        return Sequences(self.tokens, self.token_ids, self.padding_mask, self.special_tokens_mask)

    def query_positions(self, layer: str | int) -> Tensor:
        """The position of each query in its sequence, shape `(query,)`.

        With fewer queries than keys, as when decoding with a cache, they are the last ones.

        Args:
            layer: The layer's name or index.
        """
        weights = self.weights[layer]
        queries, keys = weights.shape[-2:]
        first = 0 if self.kind_of(layer) == "cross" else max(keys - queries, 0)
        return torch.arange(first, first + queries, device=weights.device)

    def key_positions(self, layer: str | int) -> Tensor:
        """The position of each key in its sequence, shape `(key,)`.

        Args:
            layer: The layer's name or index.
        """
        weights = self.weights[layer]
        return torch.arange(weights.shape[-1], device=weights.device)

    def stacked(self) -> Tensor:
        """All layers in one tensor, shape `(layers, batch, heads, query, key)`.

        Raises:
            InputError: The layers differ in shape, as those of an encoder-decoder do.
        """
        from interpviz.attention.derived import stacked

        return stacked(self)

    def mean_heads(self) -> AttentionMaps:
        """The mean over the heads of each layer, kept as a single head."""
        from interpviz.attention.derived import mean_heads

        return mean_heads(self)

    def renormalised(self) -> AttentionMaps:
        """The same with rows that sum to 1, where anything is left in them."""
        from interpviz.attention.derived import renormalised

        return renormalised(self)

    def by_word(self, word_ids: WordIds, decoder_word_ids: WordIds | None = None) -> AttentionMaps:
        """The same between words, where a tokenizer cut some into pieces.

        Attention to a word is the sum over its pieces, attention from it their mean (Clark et al.,
        "What Does BERT Look At?", BlackboxNLP 2019), so rows still sum to what they did. Padding is
        dropped, and shorter sequences are padded anew at their end with rows and columns of zeros.

        Args:
            word_ids: For each sequence the word of each token, as `word_ids(i)` of what a fast
                tokenizer returned gives it: neighbours of one number are one word, and None is a
                special token, which stays as it is. A row may end where its padding begins.
            decoder_word_ids: The same for the decoder of an encoder-decoder, whose tokens stay as
                they are if it is left out.

        Raises:
            InputError: The numbers do not fit the weights, or the layers do not look over whole
                sequences.
        """
        from interpviz.attention.words import by_word

        return by_word(self, word_ids, decoder_word_ids)

    def without_special_tokens(self) -> AttentionMaps:
        """The same without the rows and columns of special tokens and of padding.

        Rows then sum to less than 1 (see `renormalised`), and positions are counted anew. Where
        the sequences of a batch keep different numbers of tokens, the shorter ones are padded at
        their end with rows and columns of zeros.

        Raises:
            InputError: It is not known which tokens are special, or the layers do not look over
                whole sequences.
        """
        from interpviz.attention.trimming import without_special_tokens

        return without_special_tokens(self)

    def statistics(self, causal: bool | None = None, **options: Any) -> HeadStatistics:
        """Numbers for every head of every layer, in one table.

        Args:
            causal: Whether later keys are invisible; None for what the masks of the model say, or
                where these are not known for what the layer is.
            **options: `window`, `sinks`, `padding_mask` and `special_tokens_mask`, as
                [`head_statistics`][interpviz.attention.head_statistics] takes them.

        Returns:
            The table; its columns are explained at
            [`HeadStatistics`][interpviz.attention.HeadStatistics].

        Raises:
            InputError: A mask does not fit, or the weights hold negative or infinite values.
        """
        from interpviz.attention.measured import head_statistics

        return head_statistics(self, causal, **options)

    def view(self, item: int = 0, **options: Any) -> AttentionView:
        """One sequence as an interactive view, for a notebook or a file.

        Args:
            item: Which sequence of the batch.
            **options: As [`attention_view`][interpviz.attention.attention_view] takes them, which
                tells what the view shows.

        Returns:
            The view: the last expression of a notebook cell, or `view.to_html(path)`.

        Raises:
            InputError: There is no such sequence, or the tokens do not fit the weights.
            LayerError: There is no such layer.
        """
        from interpviz.attention.viewing import attention_view

        return attention_view(self, item, **options)

    def to_dict(self) -> dict[str, Any]:
        """Everything in plain containers: names, lists and tensors."""
        from interpviz.attention.storage import to_dict

        return to_dict(self)

    def save(self, path: str | Path) -> Path:
        """Write the maps into one safetensors file, which holds no code.

        The file appears whole or not at all.

        Args:
            path: Where to; the folder must exist.

        Returns:
            The path.

        Raises:
            InputError: The package safetensors is missing.
        """
        from interpviz.attention.storage import save

        return save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> AttentionMaps:
        """Read what `save` wrote, onto the CPU.

        Args:
            path: The file.

        Raises:
            InputError: There is no such file, it holds something else, or the package safetensors
                is missing.
        """
        from interpviz.attention.storage import load

        return load(path)
