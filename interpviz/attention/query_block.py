"""Some queries of a layer, and the sums over the keys that they could look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from interpviz.attention.picks import Picks, for_all

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.scene import Scene


def visible_keys(
    scene: Scene, batch: slice, rows: slice, keys: slice, visible: Tensor | None
) -> Tensor:
    """Which keys some queries see: none that is padding.

    Args:
        scene: What the layer looks over.
        batch: Which sequences.
        rows: Which queries.
        keys: Which keys.
        visible: What the layer's mask says of them, `(batch or 1, 1 or heads, query, key)`; None
            for all.
    """
    if visible is None:
        shape = 1, 1, rows.stop - rows.start, keys.stop - keys.start
        visible = torch.ones(shape, dtype=torch.bool, device=scene.device)
    if scene.real_keys is None:
        return visible
    return visible & scene.real_keys[batch, None, None, keys]


class QueryBlock:
    """Some queries of some sequences, and what they could look at.

    Args:
        scene: What the layer looks over.
        batch: Which sequences.
        rows: Which queries.
        keys: Which keys; those outside are invisible to all of these queries.
        visible: What `visible_keys` returned for them.
    """

    def __init__(
        self, scene: Scene, batch: slice, rows: slice, keys: slice, visible: Tensor
    ) -> None:
        self.scene, self.batch, self.rows, self.keys = scene, batch, rows, keys
        queries = rows.stop - rows.start
        self.heads_differ = visible.shape[1] > 1
        self.count = visible.sum(-1)
        self.real = torch.ones(1, 1, queries, dtype=torch.bool, device=scene.device)
        if scene.real_queries is not None:
            self.real = scene.real_queries[batch, None, rows]
        # Where the first and the last query lie among the keys.
        self.begin = rows.start + (scene.first or 0)
        self.end = self.begin + queries - 1
        self.key_place = torch.arange(keys.start, keys.stop, device=scene.device)
        self.query_place = torch.arange(self.begin, self.end + 1, device=scene.device)
        self.features = self._features()
        if scene.first is not None:
            self._between, self._apart = self._among_themselves()
            beside, self._is_local = self._beside_each_query()
            # The place of a query itself among what lies beside it.
            self.own = beside.shape[1] // 2
            shape = batch.stop - batch.start, queries, keys.stop - keys.start
            self.picks = Picks(shape, beside, self._earlier_copies(visible[:, 0]))
            self._sees = {offset: self._near(visible, offset) for offset in (-1, 0, 1)}

    def _features(self) -> Tensor:
        """What a sum over keys, weighted by attention, is wanted of: `(batch or 1, key, n)`."""
        columns = [mark[_of(mark, self.batch), self.keys] for mark in self.scene.key_marks()]
        if self.scene.first is not None:
            # Counted from the ends of the block, so that no large numbers are subtracted.
            before, after = self.begin - self.key_place, self.key_place - self.end
            sides = (before > 0, before.clamp(min=0), after > 0, after.clamp(min=0))
            columns = [*(side.float()[None] for side in sides), *columns]
        batch = max(len(column) for column in columns)
        return torch.stack([column.expand(batch, -1) for column in columns], -1)

    def _among_themselves(self) -> tuple[slice, Tensor]:
        """The keys from the first of these queries to the last, and how far they are apart."""
        offset = self.keys.start
        low = min(max(self.begin - offset, 0), len(self.key_place))
        high = max(min(self.end + 1 - offset, len(self.key_place)), low)
        apart = (self.query_place[:, None] - self.key_place[low:high]).abs()
        return slice(low, high), apart.float()

    def _beside_each_query(self) -> tuple[Tensor, Tensor]:
        """The keys from the farthest local one before a query to the last; which of them exist."""
        # The nearest ones are asked for by themselves, too.
        reach = max(self.scene.window, 1)
        step = torch.arange(-reach, reach + 1, device=self.scene.device)
        place = self.query_place[:, None] - self.keys.start + step
        inside = (place >= 0) & (place < len(self.key_place))
        local = inside & (step.abs() <= self.scene.window)
        return place.clamp(0, len(self.key_place) - 1), local.float()

    def _earlier_copies(self, seen: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Sequence, query and key of every earlier copy of a token, and of what came behind it."""
        if self.scene.ids is None:
            return []
        sequence, query, key = self._equal_tokens(self.scene.ids)
        pairs = []
        for step in (0, 1):
            place = key + step
            inside = (place >= self.keys.start) & (place < self.keys.stop)
            kept = inside & (place < self.query_place[query])
            pairs.append((sequence[kept], query[kept], place[kept] - self.keys.start))
        count = self.batch.stop - self.batch.start
        if len(self.scene.ids) < count:
            pairs = [for_all(pair, count) for pair in pairs]
        kept = [seen[pair[0] if len(seen) > 1 else 0, pair[1], pair[2]] for pair in pairs]
        return [(s[k], q[k], j[k]) for (s, q, j), k in zip(pairs, kept, strict=True)]

    def _equal_tokens(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sequence, query and position of the key wherever both hold the same token."""
        # What came behind a copy can be visible while the copy is not.
        first = max(self.keys.start - 1, 0)
        where = (self.batch.start, self.begin, self.end, first, self.keys.stop)
        copies = self.scene.shared.copies
        if where not in copies:
            ids = ids[_of(ids, self.batch)].int()
            same = ids[:, self.query_place, None] == ids[:, None, first : self.keys.stop]
            sequence, query, key = same.nonzero(as_tuple=True)
            if len(key) > same.numel() // 16:
                return sequence, query, key + first
            copies[where] = (sequence, query, key + first)
        return copies[where]

    def read(self, weights: Tensor) -> tuple[Tensor, ...]:
        """What no product with `features` tells, of some heads.

        Args:
            weights: Shape `(batch, heads, query, key)`, 0 where nothing is visible.

        Returns:
            Tensors whose second dimension is the head, to be handed to `sums`.
        """
        if self.scene.first is None:
            return ()
        between = (weights[..., self._between] * self._apart).sum(-1)
        return between, self.picks.of(weights)

    def sums(self, featured: Tensor, *read: Tensor) -> Tensor:
        """Sums over keys, weighted by attention, for every row.

        Args:
            featured: The products of weights and `features`, `(batch, heads, query, n)`.
            read: What `read` returned for these weights.

        Returns:
            Shape `(batch, heads, query, m)`, to be handed to `numbers`.
        """
        if not read:
            return featured
        between, picked = read
        beside = self.picks.beside(picked)
        local = (beside * self._is_local).sum(-1)
        joined = torch.stack([local, between, *self.picks.repeats(picked)], -1)
        return torch.cat([featured, beside[..., self.own - 1 : self.own + 2], joined], -1)

    def numbers(
        self, sums: Tensor, mass: Tensor, row_sum: Tensor, entropy: Tensor
    ) -> dict[str, Tensor]:
        """The statistics of every row.

        Args:
            sums: What `sums` returned, for all heads.
            mass: The sum of each row, `(batch, heads, query)`.
            row_sum: The sum that the model gave it.
            entropy: The entropy of each row divided by its sum, in nats.

        Returns:
            Shape `(batch, heads, query)` each, NaN where a row does not count.
        """
        counted = self.real & (self.count > 0) & (mass > 0)
        chosen = counted & (self.count > 1)
        share = 1 / mass.where(chosen, torch.nan)
        parts = list(sums.unbind(-1))
        far = [parts.pop(0) for _ in range(4)] if self.scene.first is not None else []
        found = {
            "entropy": (entropy / self.count.clamp(min=2).log()).where(chosen, torch.nan),
            "row_sum": row_sum.where(counted, torch.nan),
            "sink_mass": parts.pop(0) * share,
        }
        if self.scene.special is not None:
            found["special_mass"] = parts.pop(0) * share
        if not far:
            return found
        for name, offset in (("previous_token", -1), ("self_mass", 0), ("next_token", 1)):
            found[name] = (parts.pop(0) * share).where(self._sees[offset], torch.nan)
        found["local_mass"] = parts.pop(0) * share
        place = self.query_place
        spread = parts.pop(0) + far[0] * (place - self.begin) + far[2] * (self.end - place)
        spread = (spread + far[1] + far[3]) * (row_sum / mass)
        found["distance"] = spread.where(counted, torch.nan)
        for name, one in zip(("duplicate_token", "induction"), parts, strict=False):
            found[name] = one * share
        return found

    def _near(self, visible: Tensor, offset: int) -> Tensor:
        """Whether each query sees the key so far from it, `(batch or 1, 1 or heads, query)`."""
        there = self.query_place + offset - self.keys.start
        inside = (there >= 0) & (there < len(self.key_place))
        index = there.clamp(0, len(self.key_place) - 1)[:, None]
        seen: Tensor = visible.gather(-1, index.expand(*visible.shape[:-1], 1))
        return seen.squeeze(-1).logical_and(inside)


def _of(mask: Tensor, batch: slice) -> slice:
    """The rows of a mask for some sequences, where it may have one for all."""
    return batch if len(mask) > 1 else slice(None)
