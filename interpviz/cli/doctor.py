"""`interpviz doctor`: what is installed, which devices there are, and what is in reach."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from interpviz.cli.common import AsJson, examples, in_one_sentence, print_json, print_table

EXAMPLES = examples("interpviz doctor", "interpviz doctor --json")

_LIBRARIES = {
    "interpviz": "core",
    "torch": "core",
    "numpy": "core",
    "Pillow": "core",
    "matplotlib": "core",
    "torchvision": "models",
    "timm": "models",
    "transformers": "models",
    "safetensors": "models",
    "av": "video",
    "typer": "cli",
    "rich": "cli",
    "mkdocs": "report",
    "mkdocs-material": "report",
    "ray": "ray",
}
_HUBS = {
    "Hugging Face": "https://huggingface.co/timm/tf_efficientnet_lite0.in1k/resolve/main/config.json",
    "PyTorch": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
}


def examine(as_json: AsJson = False) -> None:
    """Say what is installed, which devices there are, where caches lie, and what is in reach."""
    with in_one_sentence():
        found: dict[str, Any] = {
            "python": platform.python_version(),
            "libraries": _libraries(),
            "devices": _devices(),
            "caches": caches(),
            "hubs": _hubs(),
        }
    if as_json:
        print_json(found)
        return
    typer.echo(f"Python {found['python']}\n")
    rows = [(r["name"], r["version"] or "not installed", r["extra"]) for r in found["libraries"]]
    print_table(["library", "version", "extra"], rows)
    typer.echo()
    print_table(
        ["device", "name", "GiB"], [(d["device"], d["name"], d["gib"]) for d in found["devices"]]
    )
    typer.echo()
    print_table(["cache", "folder", "MiB"], cache_rows(found["caches"]))
    typer.echo()
    print_table(["hub", "in reach"], [(h["hub"], h["why_not"] or "yes") for h in found["hubs"]])


def _libraries() -> list[dict[str, str | None]]:
    found: list[dict[str, str | None]] = []
    for name, extra in _LIBRARIES.items():
        try:
            installed: str | None = version(name)
        except PackageNotFoundError:
            installed = None
        found.append({"name": name, "version": installed, "extra": extra})
    return found


def _devices() -> list[dict[str, Any]]:
    import torch

    found: list[dict[str, Any]] = [
        {"device": "cpu", "name": f"{torch.get_num_threads()} threads", "gib": "-"}
    ]
    for index in range(torch.cuda.device_count()):
        seen = torch.cuda.get_device_properties(index)
        memory = round(seen.total_memory / 2**30, 1)
        found.append({"device": f"cuda:{index}", "name": seen.name, "gib": memory})
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "name": "Apple", "gib": "-"})
    return found


def caches() -> list[dict[str, Any]]:
    """The folders in which weights are kept, with their sizes, or why there is none."""
    places = {
        "interpviz": _own_cache,
        "Hugging Face hub": _hugging_face_cache,
        "PyTorch hub": _pytorch_cache,
    }
    return [{"what": what, **_cache(place)} for what, place in places.items()]


def cache_rows(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """The cells of a table of caches.

    Args:
        found: What `caches` gives.
    """
    return [(c["what"], c["folder"] or c["why_not"], _cell(c["mib"])) for c in found]


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


def _cache(place: Callable[[], Path]) -> dict[str, Any]:
    folder = None
    try:
        folder = place()
        size: int | None = round(_bytes_below(folder) / 2**20)
    except (ImportError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        return {"folder": folder and str(folder), "mib": None, "why_not": reason}
    return {"folder": str(folder), "mib": size, "why_not": None}


def _own_cache() -> Path:
    from interpviz.zoo.assets import cache_dir

    return cache_dir()


def _hugging_face_cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _pytorch_cache() -> Path:
    import torch.hub

    return Path(torch.hub.get_dir()) / "checkpoints"


def _bytes_below(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _hubs() -> list[dict[str, str | None]]:
    from interpviz.zoo.hub import why_out_of_reach

    return [{"hub": name, "why_not": why_out_of_reach(url)} for name, url in _HUBS.items()]
