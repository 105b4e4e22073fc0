"""Where weights come from, in the few lines that belong under a figure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Provenance:
    """Which weights drew a picture.

    `str()` gives two to four short lines for a caption.

    Attributes:
        architecture: The network, such as `"EfficientNet-Lite0"`.
        trained_on: The data it was trained on, such as `"ImageNet-1k"`.
        source: Whom the weights come from: a distribution of the package index, a hub repository,
            or the address of a checkpoint.
        version: Version, release or commit of the source.
        sha256: Digest of the weight file that was loaded, 64 hexadecimal digits.
        licence: Licence of the weights, as the source states it.
        reported: A result that someone reported for these weights, such as
            `"ImageNet top-1 76.13 %"`, or None where nobody did.
        reported_by: Who reported it and for what exactly; None with `reported`.
        note: Anything else a reader of the figure should know, or None.
    """

    architecture: str
    trained_on: str
    source: str
    version: str
    sha256: str
    licence: str
    reported: str | None = None
    reported_by: str | None = None
    note: str | None = None

    @property
    def caption(self) -> str:
        """One line that names the weights, for below a figure."""
        return f"Weights: {self.architecture}, {self.trained_on} ({self.source} {self.version})"

    def __str__(self) -> str:
        lines = [
            f"Weights: {self.architecture}, {self.trained_on}, "
            f"from {self.source} {self.version} ({self.licence})",
            f"sha256 {self.sha256[:8]}…",
        ]
        if self.reported:
            by = f" ({self.reported_by})" if self.reported_by else ""
            lines[-1] += f", reported {self.reported}{by}"
        if self.note:
            lines.append(self.note)
        return "\n".join(lines)
