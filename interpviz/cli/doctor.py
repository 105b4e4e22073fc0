"""`interpviz doctor`: what is installed, which devices there are, and what is in reach."""

from __future__ import annotations

import platform
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
    "mkdocs-material": "gallery",
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
    print_table(["cache", "folder", "MiB"], [(c["what"], c["folder"], c["mib"]) for c in caches()])
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
    """The folders in which weights are kept, with their sizes."""
    import torch.hub
    from huggingface_hub import constants

    from interpviz.zoo.assets import cache_dir

    folders = {
        "interpviz": cache_dir(),
        "Hugging Face hub": Path(constants.HF_HUB_CACHE),
        "PyTorch hub": Path(torch.hub.get_dir()) / "checkpoints",
    }
    return [
        {"what": what, "folder": str(folder), "mib": round(_bytes_below(folder) / 2**20)}
        for what, folder in folders.items()
    ]


def _bytes_below(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _hubs() -> list[dict[str, str | None]]:
    from interpviz.zoo.hub import why_out_of_reach

    return [{"hub": name, "why_not": why_out_of_reach(url)} for name, url in _HUBS.items()]
