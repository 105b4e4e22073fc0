"""One digest for each thing that the gallery's pictures depend on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tomllib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# Another version of one of these may draw other pictures.
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "tokenizers",
    "numpy",
    "pillow",
    "matplotlib",
    "seaborn",
    "opencv-python",
    "scikit-image",
    "scikit-learn",
    "mkdocs-gallery",
)
WEIGHTS_VARIABLE = "INTERPVIZ_WEIGHTS"
_PASSING = {".pyc", ".pyo", ".so"}


def inputs(root: Path, gallery_options: Mapping[str, Any]) -> dict[str, str]:
    """Everything outside the scripts themselves that decides what the gallery shows.

    The scripts are not part of it: each carries its own checksum, so that a change in one
    runs only that one.

    Args:
        root: The folder of `mkdocs.yml`.
        gallery_options: The options of the gallery plugin.

    Returns:
        A digest, or a short text, under a name that can be shown to the maintainer.
    """
    return {
        "interpviz/": _folder(root / "interpviz"),
        "docs/site/": _folder(root / "docs" / "site"),
        "the gallery's options in mkdocs.yml": _options(root, gallery_options),
        "the requirements in pyproject.toml": _requirements(root / "pyproject.toml"),
        "installed versions": _installed(),
        WEIGHTS_VARIABLE: os.environ.get(WEIGHTS_VARIABLE, ""),
    }


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Name what is not the same in two sets of inputs."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def _sha(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _folder(folder: Path) -> str:
    total = hashlib.sha256()
    files = (path for path in folder.rglob("*") if path.is_file())
    for path in sorted(files):
        if "__pycache__" in path.parts or path.suffix in _PASSING:
            continue
        name = path.relative_to(folder).as_posix()
        total.update(f"{name} {_sha(path.read_bytes())}\n".encode())
    return total.hexdigest()


def _options(root: Path, options: Mapping[str, Any]) -> str:
    # Paths are taken relative to the checkout, so that another checkout has the same digest.
    text = json.dumps(dict(options), sort_keys=True, default=str)
    return _sha(text.replace(f"{root.resolve()}{os.sep}", "").replace(str(root), "").encode())


def _requirements(pyproject: Path) -> str:
    if not pyproject.is_file():
        return ""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
    extras = project.get("optional-dependencies", {})
    wanted = [project.get("dependencies", []), extras.get("models", []), extras.get("gallery", [])]
    return _sha(json.dumps(wanted).encode())


def _installed() -> str:
    found = [f"python {'.'.join(platform.python_version_tuple()[:2])}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
