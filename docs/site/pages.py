"""Turn what the gallery plugin wrote for an example into a finished page and notebook."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from layout import Example

SITE_URL = "https://interpviz.github.io/interpviz/"
END = "<!-- the end of the example -->"
"""Stands between what the last run made and what every build writes anew below it."""

_HEAD = re.compile(
    r"\A\s*<!--\s*DO NOT EDIT\..*?-->\s*!!! note\s.*?full example code[^\n]*\n", re.DOTALL
)
_SOURCE_LINES = re.compile(r"<!-- GENERATED FROM PYTHON SOURCE LINES .*? -->\n+")
_FOOT = re.compile(r"\n\*\*Total running time of the script:\*\* .*\Z", re.DOTALL)
_OUTPUT = re.compile(
    r"^Out:\n\{: \.mkd-glr-script-out \}\n\n"
    r"```\{\.shell \.mkd-glr-script-out-disp \}\n(.*?)\n```\n",
    re.DOTALL | re.MULTILINE,
)
_HTML_OUTPUT = 'class="output_subarea output_html rendered_html output_result"'
_CODE_EDGES = re.compile(r"(?<=^```\{\.python \}\n)\n+|\n+(?=\n```$)", re.MULTILINE)
_INSTALLS = "installs"
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
        The same prose, code and figures, with the site's own head and output blocks.
    """
    if not _HEAD.match(raw):
        return raw
    text = _HEAD.sub(lambda _: _front_matter(example), raw)
    text = _CODE_EDGES.sub("", _SOURCE_LINES.sub("", text))
    text = _OUTPUT.sub(lambda found: _output(found[1]), text)
    text = text.replace(_HTML_OUTPUT, 'class="iv-html"')
    return _FOOT.sub(f"\n{END}\n", text)


def _front_matter(example: Example) -> str:
    return f"---\ndescription: {json.dumps(example.summary, ensure_ascii=False)}\n---\n\n"


def _output(printed: str) -> str:
    # Of a line that was written over, a terminal shows what was written last.
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in printed.split("\n")]
    body = "\n".join(lines).strip("\n")
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", body)), default=0))
    return f'{fence} {{ .text .no-copy .iv-out title="Out" }}\n{body}\n{fence}\n'


def finish_notebook(example: Example) -> None:
    """Make the notebook run in Colab, and its references point to the site."""
    raw = example.notebook.read_text(encoding="utf-8")
    notebook = json.loads(raw)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = [_REFERENCE.sub(_address, line) for line in cell["source"]]
    others = [cell for cell in notebook["cells"] if not cell["metadata"].get(_INSTALLS)]
    notebook["cells"] = [_install(example), *others]
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    if text != raw:
        replace(example.notebook, text)


def _install(example: Example) -> dict[str, Any]:
    extras = ["models"] if "interpviz.zoo" in example.text else []
    # A film is written with the library that this extra brings.
    extras += ["video"] if ".video(" in example.text else []
    wanted = f"interpviz[{','.join(extras)}]" if extras else "interpviz"
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {_INSTALLS: True},
        "outputs": [],
        "source": [
            "# Colab has no interpviz; a machine of your own keeps what is installed there.\n",
            "import sys\n",
            "\n",
            'if "google.colab" in sys.modules:\n',
            f'    %pip install --quiet "{wanted}"',
        ],
    }


def _address(found: re.Match[str]) -> str:
    words, name = found.groups()
    page = name.split(".")[1]
    return f"[{words}]({SITE_URL}reference/{page}/#{name})"


def replace(path: Path, text: str) -> None:
    """Write a file in one step, so that a build cut off leaves the old one or the new one."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)  # noqa: PTH105
