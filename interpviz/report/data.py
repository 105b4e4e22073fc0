"""The finished data of a report, as scripts that a page loads from any host or from a disk.

A browser refuses `fetch` and modules from the file system, so each file is a classic script that
calls one global function, which the page defines first: `interpvizReport(kind, content)`. Integers
of columns are little-endian, in base64. All paths are relative to the folder of the report.

`data/run.js`: `interpvizReport("run", {...})`: `format` (1), `model`, `about` (lines on the
weights), `model_digest`, `options`, `categories` (names in the order of the outputs, or empty),
`classes` (how many), `methods` (`[{name, of_class}]`), `versions`, `command` (or null).

`data/index.js`: `interpvizReport("index", {...})`: `count`; `shard` (records a file); `labels`
(names of folders); `label_class` (the class index of each, or -1); `pictures`
(`"images/{2}/{key}.webp"`, with the first two digits of the key); and `columns`, one value an image
in the order of the ids: `key` 10 bytes each, shown as 20 hexadecimal digits; `state` uint8, 0
explained, 1 failed; `label` int32 into `labels`; `predicted` int32 class index; and as uint16,
where 65535 is no value and 0 to 65534 stand for 0 to 1: `confidence` (of the prediction), `label_p`
(probability of the image's own class), `spread` (half-mass area of the first map, at most 0.5),
`outside` (share of that map outside of the object's mask). What has no value among the int32 is -1.

`data/records-000.js` and on: `interpvizReport("records", {first, records})`, `first` the place of
the first one. A record of a failed image is `{id, failed}`, with `label` where known. Others have
`id` (path below the folder), `label` (name, or absent), `key`, `size` and `view` (`[width, height]`
of the file and of the picture), `picture` (its bytes), `notes` (what was done to read it, or
absent), `top` (`[[class, probability], ...]`, five at most), `label_p`, `classes` (explained ones),
`grid` (`[height, width]` of a map), `maps` (base64 of uint8 maps, row by row, methods in their
order, each with a map for each of `classes`, or one where `of_class` is false), and for each map
`peaks` (the raw value that 255 stands for), `spread`, `outside` (null for an empty map). The
browser enlarges a map to the view bilinearly, with pixel centres at half steps, as a canvas does.

`data/summary.js`: `interpvizReport("summary", {...})`: `explained`, `failed`, `labelled`, `right`,
`confusion` (`[[label, predicted, count], ...]`, `label` into `labels`, most frequent first),
`averages` (`{class: {count, grid, map}}`: the mean first map of the images predicted as that class,
each divided by its own maximum, as base64 uint8).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpviz.report.ledger import Outcome
from interpviz.report.scripts import as_base64, remove_records, write_records, write_script
from interpviz.report.sources import Source
from interpviz.report.store import Store
from interpviz.report.totals import Totals

SHARD = 1000
_NONE = 65535
_UNIT = ("confidence", "label_p", "spread", "outside")


class DataWriter:
    """Writes the data of a report from its store, one shard at a time.

    Args:
        out: The folder of the report.
        source: The images.
        labels: The names of all labels, in the order of their indices.
        label_class: The class that each means, or -1.
    """

    def __init__(
        self, out: Path, source: Source, labels: Sequence[str], label_class: Sequence[int]
    ) -> None:
        self._folder = out / "data"
        self._source = source
        self._labels = list(labels)
        self._label_class = list(label_class)
        self._label_index = {label: index for index, label in enumerate(labels)}
        self._totals = Totals()
        self._sums: dict[int, tuple[int, NDArray[np.float64]]] = {}
        count = len(source)
        self._keys = np.zeros((count, 10), np.uint8)
        self._state = np.ones(count, np.uint8)
        self._whole = {name: np.full(count, -1, "<i4") for name in ("label", "predicted")}
        self._unit = {name: np.full(count, _NONE, "<u2") for name in _UNIT}

    def write(self, store: Store, outcome: Outcome) -> Totals:
        """Write all files, `index.js` last.

        Args:
            store: The results.
            outcome: Which of them are whose.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        count = len(self._source)
        write_records(self._folder, count, SHARD, lambda i: self._record(i, store, outcome))
        self._write_summary()
        write_script(self._folder, "index.js", "index", self._index())
        remove_records(self._folder, count, SHARD)
        return self._totals

    def _record(self, index: int, store: Store, outcome: Outcome) -> dict[str, Any]:
        label, key = outcome.labels[index], outcome.keys[index]
        record: dict[str, Any] = {"id": self._source.item(index).id}
        if label is not None:
            record["label"] = label
            self._whole["label"][index] = self._label_index.get(label, -1)
        if key is None or not store.has(key):
            reason = outcome.reasons.get(index, "not explained, as others of the same content")
            return self._failed(record, reason)
        result = store.get(key)
        if "failed" in result:
            return self._failed(record, result["failed"])
        self._count(index, key, result)
        return {**record, **result}

    def _failed(self, record: dict[str, Any], reason: str) -> dict[str, Any]:
        self._totals.failures.append((record["id"], reason))
        return {**record, "failed": reason}

    def _count(self, index: int, key: str, result: dict[str, Any]) -> None:
        predicted, confidence = result["top"][0]
        self._keys[index] = np.frombuffer(bytes.fromhex(key), np.uint8)
        self._state[index] = 0
        self._whole["predicted"][index] = predicted
        firsts = (confidence, result.get("label_p"), result["spread"][0], _first(result, "outside"))
        for name, value in zip(_UNIT, firsts, strict=True):
            if value is not None:
                self._unit[name][index] = round(min(max(value, 0.0), 1.0) * (_NONE - 1))
        totals, label = self._totals, int(self._whole["label"][index])
        totals.explained += 1
        if label >= 0:
            totals.judge(label, self._label_class[label], predicted)
        self._add_map(predicted, result)

    def _add_map(self, predicted: int, result: dict[str, Any]) -> None:
        high, wide = result["grid"]
        maps = np.frombuffer(base64.b64decode(result["maps"]), np.uint8)
        first = maps[: high * wide].reshape(high, wide)
        count, total = self._sums.get(predicted, (0, np.zeros((high, wide))))
        # Networks that take images of any size give maps of any size; the first one says which.
        if total.shape == first.shape:
            self._sums[predicted] = (count + 1, total + first)

    def _index(self) -> dict[str, Any]:
        columns = {"key": self._keys, "state": self._state, **self._whole, **self._unit}
        return {
            "count": len(self._source),
            "shard": SHARD,
            "labels": self._labels,
            "label_class": self._label_class,
            "pictures": "images/{2}/{key}.webp",
            "columns": {name: as_base64(values) for name, values in columns.items()},
        }

    def _write_summary(self) -> None:
        averages = {
            str(index): {
                "count": count,
                "grid": list(total.shape),
                "map": as_base64(np.round(total / count).astype(np.uint8)),
            }
            for index, (count, total) in sorted(self._sums.items())
        }
        content = {**self._totals.as_dict(), "averages": averages}
        write_script(self._folder, "summary.js", "summary", content)


def _first(result: dict[str, Any], name: str) -> float | None:
    values = result.get(name)
    return values[0] if values else None
