"""Gradient-weighted relevance: which tokens count for one class, or for one next token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from interpviz.attention.explained import Position, Target, explain
from interpviz.attention.gradients import differentiable_pass, weight_gradients
from interpviz.attention.stacks import sort_calls
from interpviz.errors import InputError, TargetError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from interpviz.attention.gradients import Call


@dataclass(frozen=True, repr=False)
class Relevance:
    """How much each token counts for each other, for one class or one next token.

    Row i of a matrix tells what the final state of token i holds of each token that went in. Every
    matrix of tokens with themselves contains the identity, which says that a token holds itself;
    it is often greater than all that came from others, and `without_itself` takes it away.

    Attributes:
        tokens: Relevance among the tokens that the output is read from, of the encoder or, where
            there is one, the decoder: shape `(batch, token, token)`, at least 0.
        cross: Relevance of the source's tokens (the encoder's) for those of the decoder, shape
            `(batch, token, source)`, at least 0; None without cross-attention.
        source: Relevance among the source's tokens, shape `(batch, source, source)`, at least 0;
            None without cross-attention.
        position: The token whose row explains the target, shape `(batch,)`.
        target: The explained class, or token of the vocabulary, shape `(batch,)`; None for a score
            of the user's own.
    """

    tokens: Tensor
    cross: Tensor | None
    source: Tensor | None
    position: Tensor
    target: Tensor | None

    @property
    def row(self) -> Tensor:
        """What explains the target among the tokens, shape `(batch, token)`, at least 0."""
        return self._row_of(self.tokens)

    @property
    def source_row(self) -> Tensor | None:
        """What explains the target among the source's tokens, shape `(batch, source)`."""
        return None if self.cross is None else self._row_of(self.cross)

    @property
    def mean_row(self) -> Tensor:
        """What explains a score that is read from the mean of all tokens, `(batch, token)`."""
        return self.tokens.mean(1)

    def without_itself(self) -> Relevance:
        """The same without the identity: only what attention brought, from other tokens or back."""
        source = None if self.source is None else _without_identity(self.source)
        return replace(self, tokens=_without_identity(self.tokens), source=source)

    def patches(self, grid: tuple[int, int], *, pooled: bool = False) -> Tensor:
        """What explains the target as a map over an image.

        Args:
            grid: Height and width of the image in patches. Tokens before the last
                `height * width` (class token, registers) are left out.
            pooled: Whether the model averages its tokens instead of reading one. What each patch
                holds of itself is alike for all, and is left out.

        Returns:
            Shape `(batch, height, width)`, at least 0.

        Raises:
            InputError: The grid has more patches than there are tokens.
        """
        height, width = grid
        row = self.without_itself().mean_row if pooled else self.row
        if not 0 < height * width <= row.shape[-1]:
            raise InputError(
                f"A grid of {height} x {width} has {height * width} patches, but there are "
                f"{row.shape[-1]} tokens."
            )
        return row[:, -height * width :].reshape(-1, height, width)

    def _row_of(self, matrix: Tensor) -> Tensor:
        return matrix[torch.arange(len(matrix), device=matrix.device), self.position]

    def __repr__(self) -> str:
        cross = None if self.cross is None else tuple(self.cross.shape)
        return f"Relevance(tokens {tuple(self.tokens.shape)}, cross {cross})"


def relevance(
    model: nn.Module,
    inputs: Mapping[str, Any] | Tensor | Sequence[Any],
    target: Target = None,
    *,
    position: Position = None,
    layers: Sequence[str | int] | str | int | None = None,
) -> Relevance:
    r"""Which tokens count for a class or a next token, followed through all attention layers.

    Chefer, Gur and Wolf, "Generic Attention-model Explainability for Interpreting Bi-Modal and
    Encoder-Decoder Transformers", ICCV 2021. With y the explained logit, every layer's weights A
    become

    `Abar = mean over heads of max(0, dy/dA * A)`

    and, with s the tokens that the output is read from and q those of an encoder that they attend
    to, the layers are gone through in the order in which they ran:

    - self-attention of q: `R(qq) <- R(qq) + Abar R(qq)`
    - self-attention of s: `R(ss) <- R(ss) + Abar R(ss)` and `R(sq) <- R(sq) + Abar R(sq)`
    - cross-attention: `R(sq) <- R(sq) + N(R(ss))^T Abar N(R(qq))`

    from `R(ss) = R(qq) = I`, `R(sq) = 0`. N divides each row of R - I by its sum and adds I again;
    a row of R - I that is all zeros stays so. Models with one stack use `R(ss)` alone.

    All layers take one forward pass and one gradient. Parameters may be frozen, and keep their
    `grad`. The training flag is not touched: call `model.eval()` first, or dropout takes part.

    Args:
        model: A transformers model with a head, or any model that holds `nn.MultiheadAttention`
            or timm attention blocks: an encoder, a decoder or an encoder-decoder.
        inputs: What the model takes, as for `capture_attention`.
        target: What is explained: a class, or a token of the vocabulary, by number; one number a
            sequence; None for the most probable one; or a function that takes the model's output
            and gives one score a sequence, shape `(batch,)`.
        position: The token that the score is read from, or one a sequence, counted from 0 or,
            negative, from the end. None means the last token that is no padding where no token
            looks ahead (decoders), else the first (the class token); it must be given where a
            model that sees in both directions has logits for every token. Padding is known from
            `attention_mask` or, of an encoder-decoder, `decoder_attention_mask`.
        layers: Which attention layers to follow, for models with several stacks, such as
            `"vision_model"`; None for all.

    Returns:
        The relevance of every token for every other, detached, on the device of the weights, in
        float32, or float64 where the model is. Of a vision transformer `relevance.patches(grid)`
        is the map; of one that averages its patches instead of reading a class token it is
        `relevance.patches(grid, pooled=True)`.

    Raises:
        AttentionError: The model has no attention that can be captured, has several stacks, or
            attends within windows.
        GradientError: The score does not depend on the weights of a layer, or the model computes
            them without a graph.
        InputError: There is no such position, or it must be given.
        LayerError: A name or an index means no attention layer.
        TargetError: There is no such class or token, or no logits to find it in.

    Example:
        >>> result = relevance(classifier, tokenizer("A fine film.", return_tensors="pt"))
        >>> result.row[0]  # one number a token, for the predicted class
    """
    with differentiable_pass(model, inputs, layers) as run:
        stacks = sort_calls(run.calls)
        explained = explain(run.output, target, position, stacks, inputs)
        scores = explained.scores(run.output)
        _require_scores(scores, len(stacks.own[0].weights))
        gradients = weight_gradients(scores.sum(), run.calls)
    with torch.no_grad():
        steps = [_positive(c.weights, g) for c, g in zip(run.calls, gradients, strict=True)]
        followed = _follow(run.calls, steps, {id(call) for call in stacks.source})
    own, cross, source = followed
    found = None if explained.target is None else explained.target.detach()
    return Relevance(own, cross, source, explained.position.to(own.device), found)


def _require_scores(scores: Any, batch: int) -> None:
    if not isinstance(scores, torch.Tensor) or scores.shape not in {(batch,), (batch, 1)}:
        shape = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise TargetError(
            f"The target gave {shape}, but it must give one score for each of the {batch} "
            f"sequences: a tensor of shape ({batch},)."
        )


def _positive(weights: Tensor, gradient: Tensor) -> Tensor:
    """Mean over the heads of what speaks for the target."""
    wide = torch.promote_types(weights.dtype, torch.float32)
    return (weights.to(wide) * gradient.to(wide)).clamp(min=0).mean(1)


def _follow(
    calls: Sequence[Call], steps: Sequence[Tensor], in_source: set[int]
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Update the relevance matrices layer by layer.

    What is updated is R - I: beside a 1 the small numbers of a weak gradient would be rounded off.
    """
    kinds = ["source" if id(c) in in_source else c.kind for c in calls]
    kinds = ["own" if kind in {"encoder", "decoder"} else kind for kind in kinds]
    own = torch.zeros_like(steps[kinds.index("own")])
    if "cross" not in kinds:
        for step in steps:
            own = _updated(own, step.to(own))
        return _with_identity(own), None, None
    cross = torch.zeros_like(steps[kinds.index("cross")])
    source = cross.new_zeros(len(cross), cross.shape[-1], cross.shape[-1])
    for kind, given in zip(kinds, steps, strict=True):
        step = given.to(own)
        if kind == "source":
            source = _updated(source, step)
        elif kind == "own":
            own, cross = _updated(own, step), cross + step @ cross
        else:
            left, right = _normalised(own), _normalised(source)
            cross = cross + left.transpose(-1, -2) @ step @ right
    return _with_identity(own), cross, _with_identity(source)


def _updated(rest: Tensor, step: Tensor) -> Tensor:
    """R + step R, both R without the identity."""
    return rest + step + step @ rest


def _with_identity(rest: Tensor) -> Tensor:
    return rest + torch.eye(rest.shape[-1]).to(rest)


def _without_identity(rest: Tensor) -> Tensor:
    # Rounding must not leave a token a little less than itself.
    return (rest - torch.eye(rest.shape[-1], dtype=rest.dtype, device=rest.device)).clamp(min=0)


def _normalised(rest: Tensor) -> Tensor:
    """R, after what a token holds of others has the same total as what it holds of itself."""
    total = rest.sum(-1, keepdim=True)
    return _with_identity(rest / total.where(total > 0, 1.0))
