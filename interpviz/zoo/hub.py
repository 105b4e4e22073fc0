"""Checkpoints of the model hubs: from their local caches, else from a hub in reach."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from interpviz.errors import AssetError
from interpviz.zoo.extras import require
from interpviz.zoo.quiet import quiet

CONNECT_TIMEOUT = 3.0
"""Seconds within which a hub must answer; asked once a process and host."""

_answers: dict[str, str | None] = {}


class HubError(AssetError):
    """A hub's file that is neither in the local cache nor in reach."""


def torch_checkpoint(url: str) -> Path:
    """Get a checkpoint of PyTorch's hub.

    Args:
        url: Its address; the file name ends in the first digits of its sha256.

    Returns:
        The file in `torch.hub`'s cache. One that lay there already is taken as it is.

    Raises:
        HubError: If it is not in the cache and cannot be fetched.
    """
    torch_hub = require("torch.hub")
    path = Path(torch_hub.get_dir()) / "checkpoints" / Path(urlsplit(url).path).name
    if path.is_file():
        return path
    _demand(url, f"{path.name} is not in {path.parent}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not `load_state_dict_from_url`: that prints, and unpickles whatever it finds.
        torch_hub.download_url_to_file(url, str(path), hash_in_name(path), progress=False)
    except (OSError, RuntimeError, HTTPException) as error:
        _check_disk(error, path.parent)
        raise HubError(f"{path.name} could not be fetched into {path.parent} ({error})") from error
    return path


def hash_in_name(path: Path) -> str:
    """The first digits of the sha256 that the name of a checkpoint ends in."""
    return path.stem.rpartition("-")[2]


def hub_folder(repository: str, needed: Sequence[str], optional: Sequence[str] = ()) -> Path:
    """Get the files of a repository of the Hugging Face hub.

    Args:
        repository: Owner and name.
        needed: Files that must be there.
        optional: Files to fetch with them where the repository has them.

    Returns:
        The snapshot folder in the hub's cache; its name is the commit.

    Raises:
        HubError: If a needed file is not in the cache and cannot be fetched.
    """
    library = require("huggingface_hub")
    constants = require("huggingface_hub.constants")
    folder = _cached_snapshot(repository, needed)
    if folder is not None:
        return folder
    what = f"{repository} is not whole in {constants.HF_HUB_CACHE}"
    if constants.HF_HUB_OFFLINE:
        raise HubError(f"{what} and HF_HUB_OFFLINE is set")
    _demand(f"{constants.ENDPOINT}/{repository}/resolve/main/{needed[0]}", what)
    try:
        with quiet():
            library.snapshot_download(repository, allow_patterns=[*needed, *optional])
    except Exception as error:  # the library's own errors differ between its versions
        _check_disk(error, Path(constants.HF_HUB_CACHE))
        raise HubError(f"{repository} could not be fetched ({_first_line(error)})") from error
    folder = _cached_snapshot(repository, needed)
    if folder is None:
        raise HubError(f"{repository} does not hold {', '.join(needed)}")
    return folder


def _cached_snapshot(repository: str, needed: Sequence[str]) -> Path | None:
    library = require("huggingface_hub")
    paths = [library.try_to_load_from_cache(repository, name) for name in needed]
    return Path(paths[0]).parent if all(isinstance(path, str) for path in paths) else None


def _check_disk(error: Exception, folder: Path) -> None:
    """A cache that cannot be written is no matter of reach, so no other weights are taken."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        raise AssetError(
            f"The hub's cache {folder} cannot be written ({os.strerror(number)}): free some space, "
            "or set TORCH_HOME or HF_HOME to another folder."
        ) from error


def _demand(url: str, what: str) -> None:
    reason = why_out_of_reach(url)
    if reason is not None:
        raise HubError(f"{what} and {urlsplit(url).netloc} is out of reach ({reason})")


def why_out_of_reach(url: str) -> str | None:
    """Ask whether a host serves a file; each host is asked once a process.

    Args:
        url: The file.

    Returns:
        None where it answers within `CONNECT_TIMEOUT`, else what went wrong.
    """
    host = urlsplit(url).netloc
    if host not in _answers:
        _answers[host] = _ask(url)
    return _answers[host]


def _ask(url: str) -> str | None:
    answer: list[str | None] = []

    def head() -> None:
        try:
            with urlopen(Request(url, method="HEAD"), timeout=CONNECT_TIMEOUT):
                answer.append(None)
        except (OSError, HTTPException, ValueError) as error:
            answer.append(_first_line(getattr(error, "reason", None) or error))

    # The timeout of a socket does not cover the look-up of a name, which may hang for a minute.
    thread = threading.Thread(target=head, daemon=True)
    thread.start()
    thread.join(CONNECT_TIMEOUT)
    return answer[0] if answer else f"no answer within {CONNECT_TIMEOUT:g} s"


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
