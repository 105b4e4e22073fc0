"""From the scores of all types to one name for each head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.attention.head_types import HEAD_TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Table = NDArray[Any]

__all__ = ["Limits", "TypeScores", "by_type", "named"]

NARROWER = {
    "dilated": ("local", "previous token", "next token", "induction", "duplicate token"),
    "global": ("first token", "separator"),
    "duplicate token": ("induction",),
    "local": ("previous token", "next token", "self"),
}
"""For each wide type the narrow ones that may explain a head better, the widest type first."""

ENOUGH_OF_WIDER = 2 / 3
"""A narrow type is preferred if its score reaches this part of the wide one's."""


@dataclass(frozen=True)
class Limits:
    """What a head needs for a name.

    Attributes:
        min_score: The least score of every type but uniform.
        min_evenness: The least score of uniform.
        level: The chance that noise gets any name in a whole model.
    """

    min_score: float
    min_evenness: float
    level: float


@dataclass(frozen=True)
class TypeScores:
    """How each head does at each type.

    Attributes:
        scores: By type, `(layers, heads)`, NaN where a layer has no query that could follow.
        log_bounds: By type but uniform, `(layers, heads)`.
        tests: How many patterns each head was held against.
    """

    scores: dict[str, Table]
    log_bounds: dict[str, Table]
    tests: int


def by_type(
    layers: Sequence[Mapping[tuple[str, int], tuple[Tensor, Tensor]]],
) -> TypeScores:
    """Gather layers, and of the variants of a type take each head's best.

    Args:
        layers: For each layer, by type and variant, the score and bound of its heads.
    """
    scores: dict[str, Table] = {}
    bounds: dict[str, Table] = {}
    tests = 0
    for name in HEAD_TYPES:
        variants = [key for key in layers[0] if key[0] == name]
        # (layer, variant, score or bound, head)
        both = np.array([[_pair(layer[key]) for key in variants] for layer in layers])
        known = [v for v in range(len(variants)) if not np.isnan(both[:, v, 0]).all()]
        if not known:
            continue
        both = both[:, known].transpose(2, 1, 0, 3)
        best = np.nan_to_num(both[0], nan=-np.inf).argmax(0)[None, None]
        scores[name], bounds[name] = np.take_along_axis(both, best, 1)[:, 0]
        tests += len(known)
    uniform = bounds.pop("uniform", None)
    return TypeScores(scores, bounds, tests - (uniform is not None))


def _pair(score_and_bound: tuple[Tensor, Tensor]) -> Table:
    return np.stack([part.cpu().numpy() for part in score_and_bound])


def named(found: TypeScores, limits: Limits) -> tuple[Table, Table, Table, Table]:
    """The name of each head by the rule that `classify_heads` states.

    Args:
        found: How each head does at each type.
        limits: What a head needs for a name.

    Returns:
        Names, their scores, runners-up and theirs, each `(layers, heads)`.
    """
    types = list(found.scores)
    table = np.nan_to_num(np.stack(list(found.scores.values())), nan=-np.inf)
    sure = np.log(limits.level / max(found.tests * table[0].size, 1))
    fits = np.stack(
        [
            table[k] >= limits.min_evenness
            if name == "uniform"
            else (table[k] >= limits.min_score) & (found.log_bounds[name] <= sure)
            for k, name in enumerate(types)
        ]
    )
    allowed = np.where(fits, table, -np.inf)
    chosen = _narrowed(types, allowed)
    places = np.arange(len(types))[:, None, None]
    others = np.where(places == chosen, -np.inf, table)
    second = np.where(others.max(0) > 0, others.argmax(0), len(types))
    # One more type stands for none, with no score.
    names = np.array([*types, "none"])
    scores = np.concatenate([table, np.full_like(table[:1], np.nan)])

    def score_of(index: Table) -> Table:
        return np.asarray(np.take_along_axis(scores, index[None], 0)[0])

    return names[chosen], score_of(chosen), names[second], score_of(second)


def _narrowed(types: list[str], allowed: Table) -> Table:
    """The place of the best type, or of a narrower one that explains it; behind all for none."""
    chosen = np.where(np.isfinite(allowed).any(0), allowed.argmax(0), len(types))
    for wide, narrow in NARROWER.items():
        inner = [types.index(name) for name in narrow if name in types]
        if wide not in types or not inner:
            continue
        candidate = np.array(inner)[allowed[inner].argmax(0)]
        explains = allowed[inner].max(0) >= ENOUGH_OF_WIDER * allowed[types.index(wide)]
        chosen = np.where((chosen == types.index(wide)) & explains, candidate, chosen)
    return chosen
