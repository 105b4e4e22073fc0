"""Where a report may be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interpviz.errors import InputError, InterpvizError
from interpviz.report.addresses import filesystem, local_path
from interpviz.report.files import HOME
from interpviz.report.remote import RemoteFolder
from interpviz.report.sources import Folder


def check_place(out: Path, dataset: Any) -> None:
    """Refuse a folder in which a report would lie over other files.

    Args:
        out: The folder of the report.
        dataset: The images, as `build` takes them.

    Raises:
        InputError: It holds other files and no report, or the images lie in it.
    """
    check_apart(out, dataset)
    if out.is_dir() and not (out / HOME).is_dir() and any(out.iterdir()):
        raise InputError(f"{out} holds other files: choose a new folder for the report.")


def check_apart(out: str | Path, dataset: Any) -> None:
    """Refuse a place for a report in which its images lie. It may lie in a folder among them.

    Args:
        out: The folder of the report, or its address.
        dataset: The images, as `build` takes them.

    Raises:
        InputError: The images lie there, or an address cannot be reached.
    """
    given = _place_of(dataset)
    if given is not None and _is_in(given, out):
        raise InputError(
            f"The report in {out} would lie among the images in {given}: choose a folder of its "
            "own."
        )


def _place_of(dataset: Any) -> str | Path | None:
    if isinstance(dataset, Folder):
        return dataset.root
    given = dataset.address if isinstance(dataset, RemoteFolder) else dataset
    return given if isinstance(given, str | Path) else None


def _is_in(images: str | Path, out: str | Path) -> bool:
    folder, whole = local_path(images), local_path(out)
    if folder is not None and whole is not None:
        return folder.resolve().is_relative_to(whole.resolve())
    if folder is not None or whole is not None:
        return False
    (files, path), (others, root) = filesystem(str(images)), filesystem(str(out))
    return bool(files == others) and f"{path}/".startswith(f"{root}/")


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
