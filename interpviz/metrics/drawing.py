"""Curves and tables as figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from interpviz.render.style import describe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from interpviz.metrics.curves import Curve
    from interpviz.metrics.randomisation_check import Randomisation
    from interpviz.metrics.table import MethodTable


def draw_curve(curve: Curve, ax: Axes | None = None, *, label: str | None = None) -> Figure:
    """Draw the mean of a curve, and each image's own as a thin line.

    Args:
        curve: The curve.
        ax: Where to draw; a new figure if left out.
        label: The name in the legend; by default the curve's name with its mean area.

    Returns:
        The figure drawn on.
    """
    figure, ax, new = _figure_of(ax)
    x, each = curve.fractions.cpu().numpy(), curve.scores.cpu().numpy()
    name = f"{curve.name} {curve.mean:.2f}" if label is None else label
    (line,) = ax.plot(x, each.mean(0), linewidth=2, label=name)
    if len(each) > 1:
        ax.plot(x, each.T, linewidth=0.6, alpha=0.35, color=line.get_color())
    ax.set(xlabel=curve.xlabel, ylabel=curve.ylabel)
    _legend(ax)
    if new:
        describe(
            figure,
            f"A curve: {curve.ylabel} from {each[:, 0].mean():.2f} to {each[:, -1].mean():.2f} "
            f"over the {curve.xlabel}; mean area {curve.mean:.2f}.",
        )
    return figure


def draw_randomisation(
    result: Randomisation, ax: Axes | None = None, *, label: str | None = None
) -> Figure:
    """Draw the mean rank correlation at each step, and each image's own as a thin line.

    Args:
        result: What was found.
        ax: Where to draw; a new figure if left out.
        label: The name in the legend; by default the method's.

    Returns:
        The figure drawn on.
    """
    figure, ax, new = _figure_of(ax)
    each = result.rank_correlation.cpu().numpy()
    steps = range(len(result.layers) + 1)
    # Before the first step the map is itself.
    mean = [1.0, *each.mean(0)]
    (line,) = ax.plot(steps, mean, marker="o", label=label or result.method)
    if len(each) > 1:
        for own in each:
            ax.plot(steps, [1.0, *own], linewidth=0.6, alpha=0.35, color=line.get_color())
    ax.set_xticks(steps, ["trained", *result.layers], rotation=90)
    ax.axhline(0, linewidth=1, linestyle=":", color="gray")
    ax.set(xlabel="weights lost down to", ylabel="rank correlation with the first map")
    _legend(ax)
    if new:
        describe(
            figure,
            f"The likeness of {result.method}'s maps to the first one falls from 1 to "
            f"{mean[-1]:.2f} as {len(result.layers)} groups of layers lose their weights.",
        )
    return figure


def draw_table(table: MethodTable) -> Figure:
    """Draw a panel for each metric and one for the time, with the methods below each other.

    Each image is a small dot, each mean a large one, and the best means have a ring.

    Args:
        table: The table.

    Returns:
        A new figure.
    """
    import matplotlib.pyplot as plt

    rows = range(len(table.methods))
    panels = len(table.values) + 1
    size = (1.6 + 1.75 * panels, 1.1 + 0.3 * len(table.methods))
    figure, axes = plt.subplots(1, panels, figsize=size, sharey=True, layout="constrained")
    for ax, (metric, values) in zip(axes, table.values.items(), strict=False):
        best = table.are_best(metric)
        for row, each in zip(rows, values.cpu().numpy(), strict=True):
            ax.plot(each, [row] * len(each), "o", markersize=3, alpha=0.4, color="C0")
            ax.plot(each.mean(), row, "o", markersize=8, color="C0")
            if best[row]:
                ax.plot(each.mean(), row, "o", markersize=13, fillstyle="none", color="C1")
        ax.set_title(table.label(metric).replace(" in ", "\nin "), fontsize=10)
        ax.margins(x=0.12)
    axes[-1].barh(rows, table.seconds.cpu().numpy(), height=0.6, color="gray")
    axes[-1].set_title("seconds", fontsize=10)
    axes[0].set_yticks(rows, table.methods)
    axes[0].invert_yaxis()
    for ax in axes:
        ax.grid(axis="y", linewidth=0.4, alpha=0.5)
        ax.tick_params(labelsize=8)
    listed = "; ".join(f"{table.label(m)} best for {table.best(m)}" for m in table.values)
    return describe(figure, f"Dots for {len(table.methods)} methods, a panel a metric: {listed}.")


def _legend(ax: Axes) -> None:
    ax.legend(fontsize="small", framealpha=0.6)


def _figure_of(ax: Axes | None) -> tuple[Figure, Axes, bool]:
    import matplotlib.pyplot as plt

    if ax is not None:
        return cast("Figure", ax.get_figure(root=True)), ax, False
    figure, ax = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
    return figure, ax, True
