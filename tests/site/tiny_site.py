"""A tiny site with the real hooks, which the tests of the build build in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HOOKS = Path(__file__).parents[2] / "docs" / "site"

CONFIG = """
site_name: tiny
site_url: https://example.org/
strict: true
theme: {name: material, font: false}
nav: [{Home: index.md}, {Gallery: generated/gallery}]
hooks: [docs/site/hooks.py]
markdown_extensions: [attr_list, md_in_html]
exclude_docs: |
  /site/
  __pycache__/
  *.md5
  mg_execution_times.md
  /generated/gallery/inputs.json
  /generated/gallery/**/images/*.json
plugins:
  gallery:
    conf_script: docs/site/gallery_conf.py
    examples_dirs: gallery
    gallery_dirs: docs/generated/gallery
    within_subsection_order: FileNameSortKey
    abort_on_example_error: true
    capture_repr: ["_repr_html_"]
    remove_config_comments: true
    download_all_examples: false
    show_signature: false
    inspect_global_variables: false
"""

EXAMPLE = '''"""
# What is {name}?

One [sentence](https://example.org). Another one that goes on and on, until it has become so long
that there is no room for it on any card of the index, however hard one tries to make it fit.
No room at all.
"""

# %%
# A step.

import os
from pathlib import Path

import matplotlib.pyplot as plt

with Path(os.environ["RAN"]).open("a") as log:
    log.write("{name}\\n")
figure, axes = plt.subplots(figsize=(1, 1))
axes.set_title("A square for {name}")
print("printed by {name}")
'''


class Tiny:
    """A small site and what happened when it was built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "ran.txt"

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *command: str, prefix: tuple[str, ...] = (), **variables: str):
        """Start `mkdocs`; unless told otherwise, with one worker."""
        self.log.write_text("")
        environment = {**os.environ, "RAN": str(self.log), "NO_MKDOCS_2_WARNING": "1"}
        for name in ("INTERPVIZ_WEIGHTS", "INTERPVIZ_BUDGET"):
            environment.pop(name, None)
        environment["INTERPVIZ_WORKERS"] = "1"
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "mkdocs", *(command or ("build",))],
            cwd=self.root,
            env={**environment, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def build(self, prefix: tuple[str, ...] = (), **variables: str):
        return finish(self.start(prefix=prefix, **variables))

    def ran(self) -> list[str]:
        return self.log.read_text().split()

    def page(self, name: str) -> Path:
        return self.root / "site" / "generated" / "gallery" / "shapes" / name / "index.html"

    @property
    def gallery(self) -> Path:
        return self.root / "docs/generated/gallery"

    def stamp(self) -> dict[str, object]:
        return json.loads((self.gallery / "inputs.json").read_text())

    def recorded(self, name: str) -> dict[str, object]:
        return json.loads((self.gallery / f"shapes/images/{name}.run.json").read_text())


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait for a build."""
    _, errors = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, "", errors)


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)


def lay_out(root: Path) -> Tiny:
    tiny = Tiny(root)
    shutil.copytree(HOOKS, root / "docs" / "site", ignore=shutil.ignore_patterns("__pycache__"))
    tiny.write("mkdocs.yml", CONFIG)
    tiny.write("interpviz/__init__.py", "")
    tiny.write("docs/index.md", "# Home\n\n<!-- gallery-figure: shapes/plot_one 1 -->\n")
    tiny.write("gallery/README.md", "# Gallery\n\nAll of it.\n")
    tiny.write("gallery/shapes/README.md", "# Shapes\n\nFlat ones.\n")
    for name in ("one", "two"):
        tiny.write(f"gallery/shapes/plot_{name}.py", EXAMPLE.format(name=name))
    return tiny
