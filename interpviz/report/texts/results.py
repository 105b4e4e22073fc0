"""What was done so far: records in the journal of the report, views in files beside its data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from interpviz.report.scripts import write_script
from interpviz.report.store import Store

_VIEW = re.compile(r"(\.part-\d+-\d+-)?([0-9a-f]{20})\.js")


class Results:
    """The records and views of a report of texts.

    A record is written behind its view, so one that is there is true.

    Args:
        store: The journal.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.out / "data" / "texts"

    def has(self, key: str) -> bool:
        """Whether the result of a text is there, with its view.

        Args:
            key: The text's key.
        """
        if not self._store.has(key):
            return False
        try:
            return self._path(key).stat().st_size == int(self._store.get(key)["bytes"])
        except OSError:
            return False

    def get(self, key: str) -> dict[str, Any]:
        """The record of a text.

        Args:
            key: The text's key.
        """
        return self._store.get(key)

    def put(self, key: str, record: dict[str, Any], view: dict[str, Any]) -> None:
        """Keep a record and its view.

        Args:
            key: The text's key.
            record: What the pages of the whole report need.
            view: What only the page of the text needs.
        """
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_script(path.parent, path.name, f"view {key}", view)
        self._store.put({"key": key, "bytes": path.stat().st_size, **record})

    def flush(self) -> None:
        """Hand all records to the system."""
        self._store.flush()

    def tidy(self, keys: Iterable[str]) -> None:
        """Forget what is no longer asked for, and remove its views, but no file of another.

        Args:
            keys: The keys of all results that stay.
        """
        kept = set(keys)
        self._store.tidy(kept, ())
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            own = _VIEW.fullmatch(path.name)
            if own and (own[1] or own[2] not in kept):
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.js"
