"""Where a report may be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interpviz.errors import InputError, InterpvizError
from interpviz.report.addresses import local_path
from interpviz.report.files import HOME
from interpviz.report.sources import Folder


def check_place(out: Path, dataset: Any) -> None:
    """Refuse a folder in which a report would lie over other files.

    Args:
        out: The folder of the report.
        dataset: The images, as `build` takes them.

    Raises:
        InputError: It holds other files and no report, or the images lie where pictures are kept.
    """
    given = dataset.root if isinstance(dataset, Folder) else dataset
    folder = local_path(given) if isinstance(given, str | Path) else None
    if folder is not None:
        images, whole = folder.resolve(), out.resolve()
        if images == whole or images.is_relative_to(whole / "images"):
            raise InputError(
                f"The report in {out} would lie among the images in {given}: choose a folder of "
                "its own."
            )
    if out.is_dir() and not (out / HOME).is_dir() and any(out.iterdir()):
        raise InputError(f"{out} holds other files: choose a new folder for the report.")


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Say in one sentence that a report cannot be written, whatever the system's reason.

    Args:
        folder: The folder of the report.

    Raises:
        InputError: The system refused to read or write.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, InterpvizError):
            raise
        raise InputError(
            f"The report cannot be written to {folder} ({error.strerror or error}): mend that and "
            "run it again, and it goes on where it was."
        ) from error
