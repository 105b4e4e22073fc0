"""Texts stream through: read, cut into tokens, explained in batches, kept at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from interpviz.report.ledger import Counts, Watch
from interpviz.report.patience import Patience
from interpviz.report.texts.encoding import Encoded, Encoder
from interpviz.report.texts.explain import TextExplainer
from interpviz.report.texts.reading import Row, Rows
from interpviz.report.texts.results import Results

_ROOM = 256_000_000
_LONGEST_TEXT = 4000


@dataclass
class TextOutcome:
    """What became of each text, in their order.

    Attributes:
        ids: Where each one stands.
        labels: The name of its class, or None.
        keys: The key of its result, or None.
        reasons: Why a text has no result, by its place.
        refused: The same, by its key.
    """

    ids: list[str] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    """A text that waits for the model.

    Attributes:
        key: The key of its result.
        text: The text.
        encoded: Its tokens.
        own: The class that it has, or -1.
    """

    key: str
    text: str
    encoded: Encoded
    own: int


class TextRun:
    """One run over all texts.

    Args:
        results: Where results are kept.
        encode: Makes tokens.
        explain: What the model does.
        digest: A digest of the model and the options.
        class_of: The class that a label means, or -1.
        batch_size: How many texts the model sees at once, at most.
        watch: Is told how far the run is, after each batch.

    Attributes:
        counts: How far the run is.
    """

    def __init__(
        self,
        results: Results,
        encode: Encoder,
        explain: TextExplainer,
        *,
        digest: str,
        class_of: Callable[[str | None], int],
        batch_size: int,
        watch: Watch,
    ) -> None:
        self._results = results
        self._encode = encode
        self._explain = explain
        self._digest = digest
        self._class_of = class_of
        self._batch_size = batch_size
        self._watch = watch
        self.counts = Counts(0)
        self._outcome = TextOutcome()
        self._patience = Patience("texts", batch_size)

    def run(self, rows: Rows, total: int) -> TextOutcome:
        """Bring all texts through.

        Args:
            rows: Gives the texts.
            total: How many there are.

        Raises:
            InterpvizError: The model can explain no text.
        """
        self.counts = Counts(total)
        self._outcome = TextOutcome()
        self._patience = Patience("texts", self._batch_size)
        # By length, the one that was opened first in front.
        batches: dict[int, list[Waiting]] = {}
        held: set[str] = set()
        for row in rows():
            waiting = self._opened(row, held)
            if waiting is None:
                continue
            held.add(waiting.key)
            bucket = waiting.encoded.bucket
            batches.setdefault(bucket, []).append(waiting)
            if len(batches[bucket]) >= self._most(bucket):
                self._flush(batches.pop(bucket), held)
            elif len(held) >= 4 * self._batch_size:
                self._flush(batches.pop(next(iter(batches))), held)
        for batch in batches.values():
            self._flush(batch, held)
        self._patience.check(ended=True)
        self._results.flush()
        self._watch(self.counts)
        return self._outcome

    def _most(self, length: int) -> int:
        return max(1, min(self._batch_size, _ROOM // self._explain.bytes_of(length)))

    def _opened(self, row: Row, held: set[str]) -> Waiting | None:
        """Note a text; None where it needs no model."""
        outcome, place = self._outcome, len(self._outcome.ids)
        outcome.ids.append(row.id)
        outcome.labels.append(row.label)
        outcome.keys.append(None)
        if row.text is None:
            self._fail(place, row.reason or "no text")
            return None
        own = self._class_of(row.label)
        parts = f"{row.text}\0{self._digest}\0{own}"
        key = hashlib.sha256(parts.encode()).hexdigest()[:20]
        outcome.keys[place] = key
        if key in held or self._results.has(key):
            self.counts.reused += 1
            # Another text like one that waits may be refused yet.
            self._patience.worked = self._patience.worked or key not in held
            return None
        try:
            return Waiting(key, row.text, self._encode(row.text), own)
        except Exception as error:  # a tokenizer may fail in any way
            outcome.keys[place] = None
            self._fail(place, f"not read: {error}")
            return None

    def _fail(self, place: int, reason: str) -> None:
        self.counts.failed += 1
        self._outcome.reasons[place] = reason

    def _flush(self, batch: list[Waiting], held: set[str]) -> None:
        self._enter(batch)
        held.difference_update(one.key for one in batch)
        self._patience.check()
        self._results.flush()
        self._watch(self.counts)

    def _enter(self, batch: Sequence[Waiting]) -> None:
        """Explain a batch, in halves where the model refuses it."""
        try:
            found = self._explain([one.encoded for one in batch], [one.own for one in batch])
        except OSError:
            raise
        except Exception as error:  # a user's network may fail in any way
            if len(batch) == 1:
                self.counts.failed += 1
                self._outcome.refused[batch[0].key] = f"not explained: {error}"
                self._patience.bear(error)
                return
            half = len(batch) // 2
            if isinstance(error, torch.OutOfMemoryError):
                self._batch_size = half
            for part in (batch[:half], batch[half:]):
                self._enter(part)
            return
        for one, (record, view) in zip(batch, found, strict=True):
            facts = {"text": one.text[:_LONGEST_TEXT], "notes": _notes(one)}
            told = {name: value for name, value in facts.items() if value}
            self._results.put(one.key, {**told, **record}, view)
            self.counts.explained += 1
            self._patience.worked = True


def _notes(one: Waiting) -> list[str]:
    notes = []
    if one.encoded.total > len(one.encoded):
        notes.append(f"cut to {len(one.encoded)} of {one.encoded.total} tokens")
    if len(one.text) > _LONGEST_TEXT:
        notes.append(f"shown here are its first {_LONGEST_TEXT} characters of {len(one.text)}")
    return notes
