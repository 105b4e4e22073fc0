"""The finished data of a report of texts, as scripts that a page loads from any host or a disk.

As in a report of images (see `interpviz.report.data`), each file calls `interpvizReport(kind,
content)`; integers and floats are little-endian, in base64.

`data/run.js`: `run`: `format`, `kind` (`"texts"`), `model`, `about`, `model_digest`, `does`
(`"classifies"`, `"writes"` or `"reads"`), `options`, `categories`, `classes`, `layers` (names),
`heads` (of a layer, at most), `shown` (the places of the layers whose weights are kept), `columns`
(the numbers of heads), `versions`, `command` (or null).

`data/index.js`: `index`: `count`; `shard`; `labels`; `label_class`; `scales` and `columns`, one
value a text: `key` 10 bytes each; `state` uint8, 0 explained, 1 failed; `label` and `predicted`
int32, -1 for none; and uint16, where 65535 is no value and 65534 stands for the column's number in
`scales`: `tokens`, `confidence`, `label_p`, `loss` (mean negative log-likelihood of a token, in
nats), and over all heads the mean `entropy`, `sink` (attention to the first token) and `special`
(to tokens that the tokenizer added).

`data/records-000.js` and on: `records`: `{first, records}`. A record of a failed text is `{id,
failed}`. Others have `id`, `label`, `key`, `text`, `tokens`, `notes`, `top`, `label_p`, `loss`,
`entropy`, `sink`, `special`, each where known.

`data/summary.js`: `summary`: `explained`, `failed`, `labelled`, `right`, `tokens`, `loss` (of all
tokens together), `confusion` (`[[label, predicted, count], ...]`) and `heads` (float32, layers x
columns x heads: the mean over all texts, NaN where there is none).

`data/texts/{2}/{key}.js`: `view {key}`: `heads` as above, of this text; `surprise` (for each token
its negative log-likelihood, null for the first, or null); `attention`, what `AttentionView` shows.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpviz.report.data import SHARD
from interpviz.report.scripts import as_base64, remove_records, write_records, write_script
from interpviz.report.texts.results import Results
from interpviz.report.texts.running import TextOutcome
from interpviz.report.totals import Totals

_NONE = 65535
_TOP = _NONE - 1
SCALES = {
    "tokens": float(_TOP),
    "confidence": 1.0,
    "label_p": 1.0,
    "loss": None,
    "entropy": 1.0,
    "sink": 1.0,
    "special": 1.0,
}
"""What the greatest code of each column stands for; None for its greatest value."""


@dataclass
class TextTotals(Totals):
    """Counts of a report of texts.

    Attributes:
        tokens: Tokens of all texts.
        predicted: Tokens among them that the model could have told.
        loss: Their negative log-likelihood, all together.
    """

    tokens: int = 0
    predicted: int = 0
    loss: float = 0.0


class TextWriter:
    """Writes the data of a report from its results, one shard at a time.

    Args:
        out: The folder of the report.
        labels: The names of all labels, in the order of their indices.
        label_class: The class that each means, or -1.
        shape: Layers, columns and heads of the numbers of a text.
        count: How many texts there are.
    """

    def __init__(
        self,
        out: Path,
        labels: Sequence[str],
        label_class: Sequence[int],
        shape: tuple[int, int, int],
        count: int,
    ) -> None:
        self._folder = out / "data"
        self._labels = list(labels)
        self._label_class = list(label_class)
        self._label_index = {label: index for index, label in enumerate(labels)}
        self._totals = TextTotals()
        self._sums = np.zeros(shape)
        self._counts = np.zeros(shape, np.int64)
        self._keys = np.zeros((count, 10), np.uint8)
        self._state = np.ones(count, np.uint8)
        self._whole = {name: np.full(count, -1, "<i4") for name in ("label", "predicted")}
        self._values = {name: np.full(count, np.nan, np.float32) for name in SCALES}

    def write(self, results: Results, outcome: TextOutcome) -> TextTotals:
        """Write all files, `index.js` last.

        Args:
            results: The records.
            outcome: Which of them are whose.
        """
        count = len(outcome.ids)
        write_records(self._folder, count, SHARD, lambda i: self._record(i, results, outcome))
        write_script(self._folder, "summary.js", "summary", self._summary())
        write_script(self._folder, "index.js", "index", self._index(count))
        remove_records(self._folder, count, SHARD)
        return self._totals

    def _record(self, index: int, results: Results, outcome: TextOutcome) -> dict[str, Any]:
        label, key = outcome.labels[index], outcome.keys[index]
        record: dict[str, Any] = {"id": outcome.ids[index]}
        if label is not None:
            record["label"] = label
            self._whole["label"][index] = self._label_index.get(label, -1)
        if key is None or not results.has(key):
            usual = outcome.refused.get(key or "", "not explained")
            reason = outcome.reasons.get(index, usual)
            self._totals.failures.append((record["id"], reason))
            return {**record, "failed": reason}
        result = results.get(key)
        heads = np.frombuffer(base64.b64decode(result.pop("heads")), "<f4")
        self._add_heads(heads.reshape(self._sums.shape))
        self._count(index, key, result)
        return {**record, **result}

    def _add_heads(self, heads: NDArray[np.float32]) -> None:
        known = np.isfinite(heads)
        self._sums += np.where(known, heads, 0.0)
        self._counts += known

    def _count(self, index: int, key: str, result: dict[str, Any]) -> None:
        self._keys[index] = np.frombuffer(bytes.fromhex(key), np.uint8)
        self._state[index] = 0
        for name, column in self._values.items():
            if result.get(name) is not None:
                column[index] = result[name]
        totals, label = self._totals, int(self._whole["label"][index])
        totals.explained += 1
        totals.tokens += result["tokens"]
        if result.get("loss") is not None:
            totals.predicted += result["tokens"] - 1
            totals.loss += result["loss"] * (result["tokens"] - 1)
        if "top" in result:
            predicted, self._values["confidence"][index] = result["top"][0]
            self._whole["predicted"][index] = predicted
            if label >= 0:
                totals.judge(label, self._label_class[label], predicted)

    def _summary(self) -> dict[str, Any]:
        totals = self._totals
        with np.errstate(invalid="ignore"):
            means = self._sums / np.where(self._counts, self._counts, np.nan)
        return {
            **totals.as_dict(),
            "tokens": totals.tokens,
            "loss": totals.loss / totals.predicted if totals.predicted else None,
            "heads": as_base64(means.astype("<f4")),
        }

    def _index(self, count: int) -> dict[str, Any]:
        scales, columns = {}, {}
        for name, values in self._values.items():
            known = np.isfinite(values)
            top = SCALES[name] or float(values.max(initial=1e-6, where=known))
            codes = np.where(known, values.clip(0, top) / top * _TOP, _NONE)
            scales[name], columns[name] = top, codes.round().astype("<u2")
        every = {"key": self._keys, "state": self._state, **self._whole, **columns}
        return {
            "count": count,
            "shard": SHARD,
            "labels": self._labels,
            "label_class": self._label_class,
            "scales": scales,
            "columns": {name: as_base64(values) for name, values in every.items()},
        }
