"""What all interactive views have in common: how they become HTML."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpviz.errors import InputError
from interpviz.render.views.page import document, host, runtime, still
from interpviz.render.views.shards import write_shards, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST = 25_000_000
"""Bytes of data that one HTML file holds unless its caller says otherwise."""


class InteractiveView(ABC):
    """A view that becomes HTML with a script inside and needs nothing from a network.

    Attributes:
        name: Which script draws it.
        title: Its title.
        alt: What is seen in its still picture, for readers who cannot see it.
    """

    name: str
    title: str
    alt: str

    @abstractmethod
    def payload(self) -> dict[str, Any]:
        """What the script needs, in plain containers."""

    @abstractmethod
    def still(self) -> Figure:
        """The picture that stands there without a script and on paper."""

    @abstractmethod
    def size(self) -> int:
        """About how many bytes the data takes in HTML."""

    def sharded(self, folder: str) -> tuple[dict[str, Any], Mapping[str, str]]:
        """The payload without its large parts, and these as scripts by file name.

        Args:
            folder: Where the scripts will lie, seen from the page.

        Raises:
            InputError: The view has no parts that could be loaded one by one.
        """
        raise InputError(
            f"The parts of this view cannot be put into '{folder}': show less, or raise max_bytes."
        )

    def fragment(self) -> str:
        """The view without its script, for pages that hold the script once.

        See [`write_page`][interpviz.render.views.write_page] and
        [`runtime`][interpviz.render.views.runtime].
        """
        return host(self.name, self.payload(), self.still(), self.alt)

    def to_html(self, path: str | Path, *, max_bytes: int = LARGEST) -> Path:
        """Write a page that opens from disk, without a server and without a network.

        Args:
            path: Where to; the folder must exist. Whole files appear at once or not at all.
            max_bytes: Data above this size is written into a folder beside the page,
                `NAME_data`, whose parts load when they are first shown. Move both together.

        Returns:
            The path.

        Raises:
            InputError: The folder does not exist, or the view cannot be told in parts.
        """
        path = Path(path)
        if self.size() <= max_bytes:
            write_whole(path, document(self.fragment() + runtime(), self.title, heading=False))
            return path
        folder = f"{path.stem}_data"
        payload, scripts = self.sharded(folder)
        body = host(self.name, payload, self.still(), self.alt) + runtime()
        write_shards(path.parent / folder, scripts)
        write_whole(path, document(body, self.title, heading=False))
        return path

    def _repr_html_(self) -> str:
        if self.size() <= LARGEST:
            return self.fragment() + runtime()
        told = html.escape(
            f"This view takes {self.size() / 1e6:.0f} MB, too much for a notebook: show "
            "less, or write it beside the notebook with to_html(path)."
        )
        return f"<p>{told}</p>{still(self.still(), self.alt)}"


def write_page(views: Sequence[InteractiveView], path: str | Path, title: str) -> Path:
    """Write several views into one file, with their script once.

    Args:
        views: The views, in their order on the page.
        path: Where to; the folder must exist.
        title: The title of the page.

    Returns:
        The path.

    Raises:
        InputError: There are no views, the folder does not exist, or the views are too large for
            one file together.
    """
    if not views:
        raise InputError("There are no views to write: pass at least one.")
    size = sum(view.size() for view in views)
    if size > LARGEST:
        raise InputError(
            f"Together these views take {size / 1e6:.0f} MB: write each one with its own to_html."
        )
    body = "\n".join(view.fragment() for view in views) + runtime()
    write_whole(Path(path), document(body, title, heading=True))
    return Path(path)
