"""HTML around the views: the script, the data, and the picture that stands in for both."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from interpviz.render.views.stripping import stripped_script, stripped_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCRIPTS = (
    "dom", "theme", "roving", "controls", "codec", "colours", "save", "core",
    "shards", "grids", "tokens", "links", "heatmap", "picker", "readout", "settings",
    "attention_svg", "attention_view", "cam_map", "cam_photo", "cam_controls", "cam_view", "boot",
)  # fmt: skip
"""The sources in the order in which they are joined; each defines names for those behind it."""


def style() -> str:
    """The style sheet of all views, which the script carries."""
    source = files("interpviz.render.views") / "views.css"
    return stripped_style(source.read_text(encoding="utf-8"))


@cache
def script() -> tuple[str, str]:
    """The script of all views and its digest.

    The script does nothing but look for new views where it has run before.
    """
    folder = files("interpviz.render.views") / "js"
    sources = [(folder / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    body = "\n".join(stripped_script(source) for source in sources)
    digest = hashlib.sha256(f"{style()}\n{body}".encode()).hexdigest()[:12]
    head = f'const DIGEST = "{digest}";\nconst STYLE = {as_json(style())};'
    return f'(() => {{\n"use strict";\n{head}\n{body}\n}})();', digest


def runtime() -> str:
    """The script as an element, the same to the byte for all views of this version.

    A page that holds several views needs it once: of elements with the same value of
    `data-interpviz-runtime` all but the first can be dropped.
    """
    text, digest = script()
    return f'<script data-interpviz-runtime="{digest}">{text}</script>'


def as_json(value: Any) -> str:
    """JSON that is safe inside a script element and inside JavaScript.

    Args:
        value: Plain containers, without NaN.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def host(name: str, payload: Mapping[str, Any], figure: Figure, alt: str) -> str:
    """A view without its script: the data, and a picture that shows until the script takes over.

    Args:
        name: Which view, as its script registered it.
        payload: What the script needs.
        figure: The picture, on white.
        alt: Its alternative text.
    """
    return (
        f'<div class="interpviz" data-interpviz-view="{name}" data-interpviz-needs="{script()[1]}">'
        f'{still(figure, alt)}<script type="application/json">{as_json(payload)}</script></div>'
    )


def still(figure: Figure, alt: str) -> str:
    """A figure as an image element that needs no other file.

    Args:
        figure: Any matplotlib figure.
        alt: Its alternative text.
    """
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=150, facecolor="white")
    packed = io.BytesIO()
    with Image.open(drawn) as picture:
        size = picture.size
        picture.convert("RGB").save(packed, format="webp", quality=80, method=4)
    data = base64.b64encode(packed.getvalue()).decode("ascii")
    width, height = (round(side / 1.5) for side in size)
    return (
        f'<img src="data:image/webp;base64,{data}" width="{width}" height="{height}" '
        f'alt="{html.escape(alt)}" style="max-width:100%;height:auto;background:#fff">'
    )


def document(body: str, title: str, heading: bool) -> str:
    """A whole page.

    Args:
        body: Views and the script, as HTML.
        title: Its title, plain text.
        heading: Whether its heading is seen, or only there for screen readers, where the view
            itself shows the title.
    """
    name = html.escape(title)
    look = "" if heading else ' style="position:absolute;clip-path:inset(50%)"'
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>:root{{color-scheme:light dark}}"
        "body{margin:0 auto;padding:1rem;max-width:80rem;font:16px/1.5 system-ui,sans-serif;"
        "background:#fff;color:#1b2426}h1{font-size:1.3rem;margin:0 0 1rem}"
        ".interpviz{margin:0 0 2rem}"
        "@media (prefers-color-scheme:dark){body{background:#0e1213;color:#e4ebec}}"
        "@media (max-width:30rem){body{padding:.5rem}}"
        "@media print{body{background:#fff;color:#000}}</style>\n</head>\n<body>\n<main>\n"
        f"<h1{look}>{name}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
