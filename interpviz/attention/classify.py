"""Every head of a model held against the known patterns, and named after the one it follows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.head_calibration import Rows, evenness, follows, follows_few_keys
from interpviz.attention.head_naming import Limits, by_type, named
from interpviz.attention.head_patterns import place_patterns, token_patterns, token_sets
from interpviz.attention.head_types import HEAD_TYPES, HeadTypes
from interpviz.attention.maps import AttentionMaps
from interpviz.attention.visibility import Array, as_weights, visible_keys
from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    Patterns = Mapping[tuple[str, int], Tensor]

TOKEN_TYPES = ("induction", "duplicate token", "separator")

WHY_NOT = {
    "next token": "no query sees the next token: the model is causal",
    "induction": "no token comes a second time, so there is nothing to continue",
    "duplicate token": "no token comes a second time",
    "separator": "no separator or punctuation is among the tokens, so nothing can look at it",
}


def classify_heads(
    maps: AttentionMaps | Sequence[Array],
    tokens: Any = None,
    *,
    special_tokens: Collection[Any] | None = None,
    causal: bool | None = None,
    padding_mask: Array | None = None,
    mask: Array | None = None,
    window: int = 3,
    dilations: Sequence[int] = (2, 3, 4),
    min_score: float = 0.4,
    min_evenness: float = 0.8,
    level: float = 0.01,
) -> HeadTypes:
    r"""Name every head of a model after the pattern that it follows, if it follows one.

    What a head of each type looks at, from query i, over all queries that could do otherwise:

    - previous token, next token, self: j = i - 1, i + 1, i;
    - first token: the first token of the text, the attention sink of Xiao et al., "Efficient
      Streaming Language Models with Attention Sinks", ICLR 2024;
    - induction: a token that came after an earlier copy of token i; duplicate token: an earlier
      copy itself. Both after Olsson et al., "In-context Learning and Induction Heads", 2022
      (arXiv:2209.11895), best seen on random tokens repeated once;
    - separator: special tokens that end a text, punctuation and line breaks, as found by Clark et
      al., "What Does BERT Look At?", BlackboxNLP 2019;
    - local: |i - j| <= window; dilated: i - j a multiple of one of the dilations, but not 0;
    - global: the same few keys from all queries, a tenth of all keys;
    - uniform: evenly all keys.

    The score is `(s - u) / (1 - u)`: s is the share of its attention that a head puts on these
    keys, u what it would be with the weights of each row shuffled among the keys that the query
    sees; 1 is all, 0 is chance. The score of uniform is the part of the attention that lies where
    an even spread would put it. Every query of every sequence of the batch counts alike.

    A head gets a name for two things at once. The score is at least `min_score`. And shuffled
    attention is not likely to do it: the chance is bounded (Bennett 1962, on the exact mean and
    variance of the shuffles, so nothing is drawn at random), and the bound must lie below `level`
    divided by the number of heads and of patterns tried, so that in a whole model of noise any head
    gets a name with a chance of at most `level`. Short texts give few queries and cannot prove
    much: give several sentences as a batch. Uniform needs only `min_evenness`, for shuffling does
    not change how even a row is.

    Of several types that fit the one with the highest score wins, unless a narrower one explains
    it: previous token, next token and self over local; local, previous and next token, induction
    and duplicate token over dilated; first token and separator over global; induction over
    duplicate token; wherever the narrower one has at least two thirds of the wider one's score.

    A name says where a head looks on these texts, not what the model needs it for.

    Args:
        maps: Captured self-attention, or one array a layer of shape `(batch, heads, query, key)`
            or `(heads, query, key)`. Every layer has as many heads, and as many queries as keys.
        tokens: The tokens of the sequence, or of each of the batch, as strings or ids, padding
            included; those of `maps` if left out. Without them the types that need tokens are
            not considered.
        special_tokens: The tokens that count as separators, strings or ids as in `tokens`; if left
            out, special tokens that end a text, punctuation and line breaks, which needs strings.
        causal: Whether later keys are invisible; if left out, a layer without any attention on
            later keys is causal.
        padding_mask: 1 for real tokens and 0 for padding, shape `(key,)` or `(batch, key)`; that
            of `maps` if left out.
        mask: True where a query sees a key, shape `(query, key)` or `(batch, 1, query, key)`, for
            models that hide more than the future and padding. What they hide would otherwise count
            as a choice of the head.
        window: How far a local head looks to each side.
        dilations: The steps of dilated heads, each at least 2.
        min_score: The least score that gives a name, in (0, 1].
        min_evenness: The least score of uniform. A row of weights that are drawn evenly from all
            that sum to 1 has about 0.63.
        level: The chance that noise gets a name in a whole model, in (0, 1).

    Returns:
        A name, score and runner-up for each head; print it, or call its `plot`.

    Raises:
        InputError: There are no layers, a layer is not self-attention, layers differ in their
            heads, the tokens or a mask do not fit, or no query has a choice.

    Example:
        >>> found = classify_heads(capture_attention(model, inputs), tokens)
        >>> found.of("previous token")[0]
        (0, 2)
    """
    if min(window, min_score, level) <= 0 or min(dilations, default=2) < 2:
        raise InputError("window, min_score and level must lie above 0, and dilations above 1.")
    names, layers = _layers(maps)
    if isinstance(maps, AttentionMaps):
        known = maps.queries_of(0)
        tokens = known.tokens if tokens is None else tokens
        padding_mask = known.padding_mask if padding_mask is None else padding_mask
    patterns: Patterns = {}
    scored = []
    for weights in layers:
        real, visible = _seen(weights, mask, causal, padding_mask)
        if not patterns or next(iter(patterns.values())).shape[-1] != real.shape[-1]:
            patterns = _patterns(tokens, special_tokens, real, window, dilations)
        moved = {key: pattern.to(weights.device) for key, pattern in patterns.items()}
        scored.append(_scores(Rows.of(weights, visible), moved))
    found = by_type(scored)
    if not found.scores:
        raise InputError("No query sees more than one key: give a text of several tokens.")
    result = named(found, Limits(min_score, min_evenness, level))
    left_out = _left_out(found.scores, patterns, tokens)
    return HeadTypes(*result, found.scores, found.log_bounds, tuple(names), left_out)


def _layers(maps: AttentionMaps | Sequence[Array]) -> tuple[list[str], list[Tensor]]:
    """Names and weights, each `(batch, heads, query, key)`, float32."""
    given: list[Array]
    if isinstance(maps, AttentionMaps):
        names, given = maps.layer_names, [*maps.weights.values()]
    else:
        names, given = [str(place) for place in range(len(maps))], [*maps]
    if not given:
        raise InputError("There are no layers to classify: capture the attention of some first.")
    layers = [as_weights(weights) for weights in given]
    layers = [weights[None] if weights.dim() == 3 else weights for weights in layers]
    for name, weights in zip(names, layers, strict=True):
        if weights.dim() != 4 or weights.shape[-1] != weights.shape[-2]:
            raise InputError(
                f"Layer {name} has weights of shape {tuple(weights.shape)}: give self-attention of "
                "shape (batch, heads, query, key), over a whole text at once, with as many "
                "queries as keys, and leave out cross-attention."
            )
    if len({weights.shape[:2] for weights in layers}) > 1:
        raise InputError(
            "The layers differ in the number of their sequences or heads: capture and classify "
            "those that have as many each in a call of their own."
        )
    return names, layers


def _seen(
    weights: Tensor, mask: Array | None, causal: bool | None, padding_mask: Array | None
) -> tuple[Tensor, Tensor]:
    """Which positions are no padding `(batch, position)`, and what queries see."""
    batch, _, n, _ = weights.shape
    if causal is None:
        # Rows of padding are even over everything, so they must not count.
        seen = visible_keys(weights[:, :1], mask, False, padding_mask)
        causal = not bool((weights * seen).triu(1).any())
    visible = visible_keys(weights[:, :1], mask, causal, padding_mask)
    if padding_mask is None:
        return torch.ones(batch, n, dtype=torch.bool, device=weights.device), visible
    real = torch.as_tensor(padding_mask, device=weights.device).bool().broadcast_to(batch, n)
    return real, visible


def _patterns(
    tokens: Any,
    special_tokens: Collection[Any] | None,
    real: Tensor,
    window: int,
    dilations: Sequence[int],
) -> Patterns:
    sets = token_sets(tokens, special_tokens, len(real))
    if sets.ids is not None and sets.ids.shape[1] != real.shape[1]:
        raise InputError(
            f"{sets.ids.shape[1]} tokens were given for weights with {real.shape[1]} positions: "
            "pass one token per position, special tokens and padding included."
        )
    return {**place_patterns(real, window, dilations), **token_patterns(sets, real)}


def _scores(rows: Rows, patterns: Patterns) -> dict[tuple[str, int], tuple[Tensor, Tensor]]:
    """Score and bound of each pattern for the heads of a layer."""
    found = {key: follows(rows, pattern) for key, pattern in patterns.items()}
    found["global", 0] = follows_few_keys(rows)
    even = evenness(rows)
    found["uniform", 0] = (even, torch.zeros_like(even))
    return found


def _left_out(scores: Mapping[str, Any], patterns: Patterns, tokens: Any) -> dict[str, str]:
    """Why the types without a score have none."""
    reasons = {}
    for name in HEAD_TYPES:
        if name in scores:
            continue
        if (name, 0) in patterns or name not in TOKEN_TYPES:
            reasons[name] = WHY_NOT.get(name, "no query could look there and elsewhere")
        elif tokens is None:
            reasons[name] = "no tokens were given"
        else:
            reasons[name] = "tokens are ids: pass those of separators as special_tokens"
    return reasons
