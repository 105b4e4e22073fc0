"""Methods side by side, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from interpviz.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class MethodTable:
    """What each method scored on each image.

    Attributes:
        methods: The M methods' names.
        values: For each metric a tensor `(M, N)`, one value an image.
        higher_is_better: For each metric, which way is good.
        seconds: How long each method took to draw all N maps, `(M,)`; one call, so the first one
            may include what the machine does only once.
        maps: Each method's maps `(N, H, W)`.
        left_out: Methods that cannot explain this model or layer, with what they said.
    """

    methods: tuple[str, ...]
    values: Mapping[str, Tensor]
    higher_is_better: Mapping[str, bool]
    seconds: Tensor
    maps: Mapping[str, Tensor]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def means(self) -> dict[str, list[float]]:
        """For each metric the mean over the images, one a method."""
        return {metric: values.mean(1).tolist() for metric, values in self.values.items()}

    def best(self, metric: str) -> str:
        """The method with the best mean, the first one where several share it.

        Args:
            metric: One of the metrics in the table.

        Raises:
            InputError: There is no such metric.
        """
        if metric not in self.values:
            raise InputError(
                f"There is no metric {metric!r} in this table: it has {', '.join(self.values)}."
            )
        return self.methods[self.are_best(metric).index(True)]

    def are_best(self, metric: str) -> list[bool]:
        """For each method whether no other has a better mean; several may share the place.

        Args:
            metric: One of the metrics in the table.
        """
        means = self.means[metric]
        pick = max if self.higher_is_better[metric] else min
        return [mean == pick(means) for mean in means]

    def label(self, metric: str) -> str:
        """A metric's name with an arrow to where the better values are.

        Args:
            metric: One of the metrics in the table.
        """
        return f"{metric.replace('_', ' ')} {'↑' if self.higher_is_better[metric] else '↓'}"

    def __str__(self) -> str:
        """The means as text; an asterisk marks the best of each column."""
        columns = [["", *self.methods]]
        for metric, means in self.means.items():
            stars = ["*" if best else " " for best in self.are_best(metric)]
            cells = [f"{mean:.3f}{star}" for mean, star in zip(means, stars, strict=True)]
            columns.append([f"{self.label(metric)} ", *cells])
        columns.append(["seconds", *(f"{s:.2f}" for s in self.seconds.tolist())])
        widths = [max(map(len, column)) for column in columns]
        first, *others = (
            [cell.ljust(width) if not i else cell.rjust(width) for cell in column]
            for i, (column, width) in enumerate(zip(columns, widths, strict=True))
        )
        lines = ["  ".join(row).rstrip() for row in zip(first, *others, strict=True)]
        if self.left_out:
            lines.append(f"left out, see `left_out`: {', '.join(self.left_out)}")
        return "\n".join(lines)

    def to_pandas(self, *, per_image: bool = False) -> DataFrame:
        """The table for further work.

        Args:
            per_image: One row a method and image instead of the mean over images.

        Returns:
            Rows by method (and image), a column for each metric, and the seconds.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("This needs pandas: install it with `pip install pandas`.") from error
        seconds = self.seconds.tolist()
        if not per_image:
            table: dict[str, Any] = {**self.means, "seconds": seconds}
            return pd.DataFrame(table, index=pd.Index(self.methods, name="method"))
        count = next(iter(self.maps.values())).shape[0]
        rows = pd.MultiIndex.from_product([self.methods, range(count)], names=["method", "image"])
        flat = {metric: values.flatten().tolist() for metric, values in self.values.items()}
        each = [s / count for s in seconds for _ in range(count)]
        return pd.DataFrame({**flat, "seconds": each}, index=rows)

    def plot(self) -> Figure:
        """Draw a panel for each metric: a small dot an image, a large one a mean, a ring the best.

        Returns:
            A new figure.
        """
        from interpviz.metrics.drawing import draw_table

        return draw_table(self)
