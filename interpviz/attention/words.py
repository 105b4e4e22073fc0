"""Attention between words, where a tokenizer cut them into pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.sequences import Sequences
from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.maps import AttentionMaps

WordIds = Sequence[int | None] | Sequence[Sequence[int | None]]
"""The number of each token's word, None for special tokens: of one sequence, or a row for each."""

_Side = tuple[Sequences, "Tensor"]

# A token of this text is known as padding wherever tokens are drawn.
_PADDING = "[PAD]"


def by_word(
    maps: AttentionMaps, word_ids: WordIds, decoder_word_ids: WordIds | None = None
) -> AttentionMaps:
    """Join the pieces of words.

    Args:
        maps: The maps.
        word_ids: The word of each token, of an encoder-decoder those of the encoder.
        decoder_word_ids: The same for the decoder, whose tokens stay as they are if left out.

    Raises:
        InputError: The numbers do not fit the weights, or the layers do not look over whole
            sequences.
    """
    main = _words(maps._side(False), word_ids)
    both = maps.decoder is not None or decoder_word_ids is not None
    second = None if both else main
    if decoder_word_ids is not None:
        second = _words(maps.decoder or Sequences(), decoder_word_ids)
    weights, visible = {}, {}
    for name, layer in maps.weights.items():
        kind = maps.kind_of(name)
        rows = second if kind in ("decoder", "cross") else main
        columns = second if kind == "decoder" else main
        _check(name, layer, rows, columns)
        weights[name] = _joined(layer, rows, columns)
        if name in maps.visible:
            seen = maps.visible[name].expand(-1, -1, *layer.shape[2:])
            visible[name] = _joined(seen.float(), rows, columns) > 0
    return replace(
        maps,
        weights=LayerWeights(weights),
        tokens=main[0].tokens,
        token_ids=main[0].token_ids,
        padding_mask=main[0].padding_mask,
        special_tokens_mask=main[0].special_tokens_mask,
        decoder=second[0] if both and second is not None else maps.decoder,
        visible=visible,
        generated=None,
    )


def _words(side: Sequences, word_ids: WordIds) -> _Side:
    """Sequences of words, and which tokens are pieces of each, `(batch, word, position)`."""
    ids, missing = _as_tensor(word_ids)
    real = ~missing if side.padding_mask is None else side.padding_mask.cpu()
    if real.shape != ids.shape or bool((real & missing).any()):
        raise _unfitting(ids, f"{len(real)} sequences of {real.shape[1]} tokens")
    ids = ids.where(real, -1)
    before = torch.nn.functional.pad(ids, (1, 0), value=-1)[:, :-1]
    # A pair of texts counts its words twice from 0, so only neighbours can be pieces of one word.
    starts = real & ((ids < 0) | (ids != before))
    word = (starts.cumsum(1) - 1).clamp(min=0)
    pieces = torch.nn.functional.one_hot(word).mT.bool() & real[:, None]
    special = side.special_tokens_mask
    special = ids < 0 if special is None else special.cpu()
    tokens = side.tokens
    if tokens is not None:
        rows = tokens * len(ids) if len(tokens) == 1 else tokens
        tokens = [_texts(row, of) for row, of in zip(rows, pieces, strict=True)]
    # A word has no id of its own: words are told apart by their texts.
    joined = Sequences(tokens, None, pieces.any(-1), (pieces & special[:, None]).any(-1))
    return joined, pieces


def _as_tensor(word_ids: WordIds) -> tuple[Tensor, Tensor]:
    """The numbers, -1 where there is none, and where a shorter row has ended."""
    try:
        one = all(word is None or isinstance(word, int) for word in word_ids)
        rows: list[list[int | None]] = [list(row) for row in ([word_ids] if one else word_ids)]  # type: ignore[arg-type]
        longest = max(map(len, rows))
        numbers = [
            [-1 if word is None else word for word in row] + [-1] * (longest - len(row))
            for row in rows
        ]
        ids = torch.tensor(numbers, dtype=torch.long)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            "Word ids are one list a sequence, of whole numbers and None: pass "
            "[encoded.word_ids(i) for i in range(batch)] of what a fast tokenizer returned."
        ) from error
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(longest) >= lengths[:, None]


def _texts(tokens: Sequence[str], pieces: Tensor) -> list[str]:
    """The words of one sequence, with the marks that their first pieces have."""
    marks = any(mark in token for token in tokens for mark in ("Ġ", "Ċ", "▁", "</w>"))
    words = []
    for of in pieces:
        first, *rest = [tokens[place] for place in of.nonzero()[:, 0].tolist()] or [_PADDING]
        words.append(first + "".join(t if marks else t.removeprefix("##") for t in rest))
    return words


def _check(name: str, weights: Tensor, rows: _Side | None, columns: _Side | None) -> None:
    for dim, side in ((2, rows), (3, columns)):
        if side is None:
            continue
        batch, _, length = side[1].shape
        if (len(weights), weights.shape[dim]) != (batch, length):
            what = f"layer '{name}' with weights of shape {tuple(weights.shape)}"
            raise _unfitting(side[1][:, 0], what)


def _joined(weights: Tensor, rows: _Side | None, columns: _Side | None) -> Tensor:
    """Sums over the pieces that are looked at, means over those that look."""
    # Sums of many half-precision weights would lose what a short word gets.
    joined = weights if weights.dtype == torch.float64 else weights.float()
    if columns is not None:
        joined = joined @ columns[1][:, None].to(joined).mT
    if rows is not None:
        pieces = rows[1][:, None].to(joined)
        joined = pieces / pieces.sum(-1, keepdim=True).clamp(min=1) @ joined
    return joined.to(weights.dtype)


def _unfitting(ids: Tensor, what: str) -> InputError:
    return InputError(
        f"Word ids of {ids.shape[0]} sequences of {ids.shape[1]} tokens were given for {what}: "
        "pass word_ids(i) of every sequence, special tokens and padding included."
    )
