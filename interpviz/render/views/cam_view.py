"""A photo with class activation maps over it, to be faded, compared and read."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError
from interpviz.render.images import ImageLike, as_rgb, resize
from interpviz.render.labels import visible
from interpviz.render.overlay import get_cmap
from interpviz.render.panels import show_map
from interpviz.render.style import MAP_CMAP, SIGNED_CMAP
from interpviz.render.views.base import InteractiveView
from interpviz.render.views.cam_maps import MethodMaps, methods_of

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

LARGEST_PHOTO = 768
"""Pixels of the longer side of the photo; larger ones are shrunk."""

SMALLEST_PHOTO = 480
"""Pixels of the longer side at which a smaller photo is shown."""

COLOURS = 32
"""Colours of a colour map that are told to the script, which mixes those between."""


class CamView(InteractiveView):
    """Maps over a photo: fade them, switch class and method, compare two, read values.

    Show it as the last expression of a notebook cell, or write it with `to_html`. It needs no
    network. Without JavaScript, and on paper, a figure of all maps stands there.

    Each map is kept in 8 bits a cell, at its own size: `q = round(255 v / m)`, where m is its
    greatest value, and `q = 128 + round(127 v / m)` for signed maps, m being the greatest absolute
    value. A value that is shown is off by at most `m / 510`, of signed maps by `m / 254`. Maps that
    were enlarged bilinearly, as those of a [`CAM`][interpviz.cam.CAM], are kept at the size that
    they had before; the view enlarges them again in the same way. The photo is a JPEG of at most
    768 pixels a side.

    Args:
        image: The photo, as [`as_rgb`][interpviz.render.as_rgb] takes it.
        maps: Raw maps, not divided by anything, that cover the whole photo: shape
            `(methods, classes, h, w)`, `(classes, h, w)` or `(h, w)`, arrays or tensors; or a
            mapping from names of methods to `(classes, h, w)`, whose sizes may differ.
        names: Names of the classes, as they are shown, perhaps with their probabilities.
        methods: Names of the methods, where `maps` is no mapping.
        signed: Whether maps have values below zero, which speak against a class. Colours then run
            from one end to the other with zero in the middle.
        shared: Whether the classes of a method begin on one scale, the greatest value of all, which
            shows whose evidence is stronger, rather than each on its own. Methods never share one,
            since their units differ. The reader can switch.
        cmap: A colour map by matplotlib or OpenCV name; by default `inferno`, of signed maps
            `RdBu_r`.
        alpha: How strongly the maps cover the photo at first, in [0, 1].
        title: The title above the view.
        alt: What is seen in the still picture; by default the classes, and where the first map is
            strongest.

    Raises:
        InputError: The photo cannot be read; the maps are not finite, or below zero without
            `signed`; shapes and names do not fit each other; there is no such colour map; `alpha`
            is out of range.

    Example:
        >>> CamView(photo, cam.class_maps(image, normalize=False).maps).to_html("maps.html")
    """

    name = "cam"

    def __init__(
        self,
        image: ImageLike,
        maps: Any,
        *,
        names: Sequence[str] | None = None,
        methods: Sequence[str] | None = None,
        signed: bool = False,
        shared: bool = False,
        cmap: str | int | Colormap | None = None,
        alpha: float = 0.6,
        title: str | None = None,
        alt: str | None = None,
    ) -> None:
        if not 0 <= alpha <= 1:
            raise InputError(f"alpha is {alpha}, but it must be between 0 (photo) and 1 (map).")
        self.methods: list[MethodMaps] = methods_of(maps, methods, signed)
        self.classes = _names(names, [len(method.maps) for method in self.methods])
        self.photo = _fitted(as_rgb(image))
        self.signed = signed
        self.shared = shared
        self.cmap = get_cmap(cmap if cmap is not None else SIGNED_CMAP if signed else MAP_CMAP)
        self.alpha = alpha
        self.title = title or "Where the evidence lies"
        self.alt = alt or self._alt()

    def _alt(self) -> str:
        values = np.abs(self.methods[0].maps[0])
        row, column = np.unravel_index(int(values.argmax()), values.shape)
        across, down = (
            round(100 * (place + 0.5) / length)
            for place, length in ((column, values.shape[1]), (row, values.shape[0]))
        )
        named = [method.name for method in self.methods if method.name]
        by = f", by {', '.join(named)}" if named else ""
        return (
            f"A photo under heat maps for {', '.join(self.classes)}{by}. The first map is "
            f"strongest {across} % of the way from left to right and {down} % from top to bottom."
        )

    def still(self) -> Figure:
        """All maps over the photo, a row for each method, on white."""
        import matplotlib as mpl
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.figure import Figure

        methods, classes = self.methods[:4], self.classes[:4]
        aspect = self.photo.shape[0] / self.photo.shape[1]
        size = (2.4 * len(classes) + 1, (2.4 * aspect + 0.5) * len(methods))
        low = -1 if self.signed else 0
        # The reader's own style may be dark, and pyplot would show the figure a second time.
        with mpl.rc_context():
            mpl.rcdefaults()
            figure = Figure(figsize=size, layout="constrained")
            grid = figure.subplots(len(methods), len(classes), squeeze=False)
            for method, row in zip(methods, grid, strict=True):
                tops = self._tops(method)
                for place, ax in enumerate(row):
                    title = "\n".join(wrap(classes[place], 28) + wrap(method.name, 28))
                    share = method.maps[place] / (tops[place] or 1.0)
                    show_map(
                        share, self.photo, ax=ax, title=title, cmap=self.cmap,
                        alpha=max(self.alpha, 0.3), vmin=low, colorbar=False,
                    )  # fmt: skip
            scale = ScalarMappable(Normalize(low, 1), self.cmap)
            whose = "the method's" if self.shared else "each map's"
            figure.colorbar(scale, ax=grid, shrink=0.85, label=f"share of {whose} maximum")
        return figure

    def _tops(self, method: MethodMaps) -> list[float]:
        tops = np.abs(method.maps).max(axis=(1, 2))
        return [float(tops.max())] * len(tops) if self.shared else tops.tolist()

    def size(self) -> int:
        """About how many bytes the data takes in HTML."""
        cells = sum(method.maps.size for method in self.methods)
        return 4 * (cells + len(self._jpeg())) // 3

    def _jpeg(self) -> bytes:
        from PIL import Image

        packed = io.BytesIO()
        # Drawings that are saved from the view hold it, and their readers know no WebP.
        Image.fromarray(self.photo).save(packed, format="jpeg", quality=88)
        return packed.getvalue()

    def payload(self) -> dict[str, Any]:
        """What the script needs."""
        from matplotlib.colors import to_hex

        height, width = self.photo.shape[:2]
        larger = max(1.0, SMALLEST_PHOTO / max(height, width))
        return {
            "title": self.title,
            "alt": self.alt,
            "photo": f"data:image/jpeg;base64,{base64.b64encode(self._jpeg()).decode('ascii')}",
            "size": [round(larger * side) for side in (width, height)],
            "ramp": ",".join(to_hex(colour) for colour in self.cmap(np.linspace(0, 1, COLOURS))),
            "signed": self.signed,
            "shared": self.shared,
            "opacity": round(100 * self.alpha),
            "classes": self.classes,
            "methods": [method.payload() for method in self.methods],
        }


def _names(names: Sequence[str] | None, counts: list[int]) -> list[str]:
    if isinstance(names, str):
        names = [names]
    given = [f"class {place}" for place in range(counts[0])] if names is None else list(names)
    if set(counts) != {len(given)}:
        told = ", ".join(map(str, dict.fromkeys(counts)))
        raise InputError(
            f"There are {len(given)} class names, but maps of {told} classes: give one map and one "
            "name for each class, the same for all methods."
        )
    return ["".join(map(visible, str(name))) for name in given]


def _fitted(photo: np.ndarray) -> np.ndarray:
    """A photo no larger than a view needs."""
    height, width = photo.shape[:2]
    smaller = LARGEST_PHOTO / max(height, width)
    if smaller >= 1:
        return photo
    return resize(photo, *(max(1, round(smaller * side)) for side in (height, width)))
