"""The shell: the empty pages, rendered by MkDocs with Material."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

from interpviz.errors import InputError
from interpviz.render.views.page import script as views

FIRST = ("dom", "words", "columns")
SHARED = (
    "loading", "query", "controls", "filters", "histogram", "confusion", "summary", "grid", "list",
    "entry", "view", "failures",
)  # fmt: skip
OWN = {
    "images": (
        "words", "near", "heat", "strip", "tiles", "averages", "overview", "mistakes", "classes",
        "viewer", "image", "about",
    ),
    "texts": ("rows", "heads", "overview", "text", "about"),
}  # fmt: skip
STYLES = ("page", "tiles", "controls", "charts")

# What the theme brings and these pages, which are opened from disk, have no use for.
_UNUSED = ("404.html", "sitemap.xml*", "assets/javascripts/lunr/*", "assets/javascripts/workers/*")
_HOME = "interpviz.report.site"
_CONFIG = {"images": "mkdocs.yml", "texts": "texts.yml"}


def check_renderer() -> None:
    """Look whether pages can be rendered.

    Raises:
        InputError: MkDocs or its theme is not installed.
    """
    try:
        renderer()
    except PackageNotFoundError as error:
        raise InputError(
            f'The pages of a report need {error.name}: pip install "interpviz[report]", or leave '
            "the pages out (--no-site, site=False) and run again when it is there."
        ) from error


def renderer() -> dict[str, str]:
    """The versions of what renders.

    Raises:
        PackageNotFoundError: One of them is not installed.
    """
    return {name: version(name) for name in ("mkdocs", "mkdocs-material")}


def script(kind: str = "images") -> str:
    """The script of all pages, in a scope of its own.

    Args:
        kind: What the report is of: `"images"` or `"texts"`.
    """
    texts = [(files(_HOME) / "js" / f"{name}.js").read_text("utf-8") for name in sources(kind)]
    head = f'(() => {{\n"use strict";\nconst VIEWS = "{views()[1]}";\n'
    return head + "\n".join(texts) + "})();\n"


def sources(kind: str) -> list[str]:
    """The sources in the order in which they are joined; each defines names for those behind it.

    Args:
        kind: What the report is of: `"images"` or `"texts"`.
    """
    own = [f"{kind}/{name}" for name in OWN[kind]]
    return [*FIRST, f"{kind}/kind", *SHARED, *own, "boot"]


def style(kind: str = "images") -> str:
    """The style sheet of all pages, without the theme's.

    Args:
        kind: What the report is of: `"images"` or `"texts"`.
    """
    texts = [(files(_HOME) / "css" / f"{name}.css").read_text("utf-8") for name in (*STYLES, kind)]
    return "\n".join(texts)


@cache
def render(kind: str = "images") -> dict[str, bytes]:
    """The files of the shell by their paths, with `/`.

    They are rendered in a folder of their own, because MkDocs empties the one that it writes to.

    Args:
        kind: What the report is of: `"images"` or `"texts"`.

    Raises:
        InputError: MkDocs or its theme is not installed.
    """
    check_renderer()
    with TemporaryDirectory(prefix="interpviz-") as name, as_file(files(_HOME) / "shell") as shell:
        work, out = Path(name, "work"), Path(name, "site")
        shutil.copytree(shell, work)
        pages = work / "docs"
        if kind == "texts":
            pages = work / "texts"
            for look in ("theme.css", "favicon.svg"):
                shutil.copy(work / "docs" / look, pages)
        (pages / "report.js").write_text(script(kind), "utf-8")
        (pages / "report.css").write_text(style(kind), "utf-8")
        (pages / "views.js").write_text(views()[0], "utf-8")
        with _quiet_theme():
            from mkdocs.commands.build import build
            from mkdocs.config import load_config

            config = load_config(config_file=str(work / _CONFIG[kind]), site_dir=str(out))
            build(config)
        for path in [path for pattern in _UNUSED for path in out.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return {
            path.relative_to(out).as_posix(): _without_source_map(path)
            for path in sorted(out.rglob("*"))
            if path.is_file() and path.suffix != ".map"
        }


def _without_source_map(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix not in (".js", ".css"):
        return data
    # The maps are left out, and a browser's tools would complain of a dead link.
    kept = [line for line in data.split(b"\n") if b"# sourceMappingURL=" not in line[:40]]
    return b"\n".join(kept)


@contextmanager
def _quiet_theme() -> Iterator[None]:
    # The theme prints an announcement when it is first imported.
    before = os.environ.get("NO_MKDOCS_2_WARNING")
    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["NO_MKDOCS_2_WARNING"]
        else:
            os.environ["NO_MKDOCS_2_WARNING"] = before
