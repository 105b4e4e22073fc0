"""Turn what the gallery plugin wrote for an example into a finished page and notebook."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from layout import Example

SITE_URL = "https://interpviz.github.io/interpviz/"

_HEAD = re.compile(
    r"\A\s*<!--\s*DO NOT EDIT\..*?-->\s*!!! note\s.*?full example code[^\n]*\n", re.DOTALL
)
_SOURCE_LINES = re.compile(r"<!-- GENERATED FROM PYTHON SOURCE LINES .*? -->\n+")
_FOOT = re.compile(
    r"\n\*\*Total running time of the script:\*\* \(\s*(\d+) minutes\s+([\d.]+) seconds\).*\Z",
    re.DOTALL,
)
_OUTPUT = re.compile(
    r"^Out:\n\{: \.mkd-glr-script-out \}\n\n"
    r"```\{\.shell \.mkd-glr-script-out-disp \}\n(.*?)\n```\n",
    re.DOTALL | re.MULTILINE,
)
_HTML_OUTPUT = 'class="output_subarea output_html rendered_html output_result"'
_CODE_EDGES = re.compile(r"(?<=^```\{\.python \}\n)\n+|\n+(?=\n```$)", re.MULTILINE)
_REFERENCE = re.compile(r"\[([^\]]+)\]\s?\[(interpviz\.[\w.]+)\]")


def finish(example: Example) -> None:
    """Finish the page and the notebook of an example; a finished one stays as it is."""
    raw = example.page.read_text(encoding="utf-8")
    text = finished(raw, example)
    if text != raw:
        replace(example.page, text)
    finish_notebook(example)


def finished(raw: str, example: Example) -> str:
    """The page of an example, from what the plugin wrote.

    Args:
        raw: The plugin's Markdown.
        example: The example.

    Returns:
        The same prose, code and figures, with the site's own head, output blocks and foot.
    """
    if not _HEAD.match(raw):
        return raw
    text = _HEAD.sub(lambda _: _front_matter(example), raw)
    text = _CODE_EDGES.sub("", _SOURCE_LINES.sub("", text))
    text = _OUTPUT.sub(lambda found: _output(found[1]), text)
    text = text.replace(_HTML_OUTPUT, 'class="iv-html"')
    return _FOOT.sub(lambda found: _foot(example, 60 * int(found[1]) + float(found[2])), text)


def _front_matter(example: Example) -> str:
    return f"---\ndescription: {json.dumps(example.summary, ensure_ascii=False)}\n---\n\n"


def _output(printed: str) -> str:
    # Of a line that was written over, a terminal shows what was written last.
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in printed.split("\n")]
    body = "\n".join(lines).strip("\n")
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", body)), default=0))
    return f'{fence} {{ .text .no-copy .iv-out title="Out" }}\n{body}\n{fence}\n'


def _foot(example: Example, seconds: float) -> str:
    took = f"{seconds:.1f} seconds" if seconds < 60 else f"{seconds / 60:.1f} minutes"
    return f"""
<div class="iv-end" markdown>

[:material-language-python: Download Python source]({example.script.name}){{ .md-button download }}
[:material-notebook-outline: Download notebook]({example.notebook.name}){{ .md-button download }}

This page was made by running the script, which took {took}.

</div>
"""


def finish_notebook(example: Example) -> None:
    """Turn references between pages, which a notebook cannot follow, into addresses."""
    raw = example.notebook.read_text(encoding="utf-8")
    notebook = json.loads(raw)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = [_REFERENCE.sub(_address, line) for line in cell["source"]]
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    if text != raw:
        replace(example.notebook, text)


def _address(found: re.Match[str]) -> str:
    words, name = found.groups()
    page = name.split(".")[1]
    return f"[{words}]({SITE_URL}reference/{page}/#{name})"


def replace(path: Path, text: str) -> None:
    """Write a file in one step, so that a build cut off leaves the old one or the new one."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)  # noqa: PTH105
