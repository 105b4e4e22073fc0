"""What readers download from the pages of examples."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCRIPT = ("cam", "plot_which_class_is_where")
NOTEBOOK = ("attention", "plot_generation")
"""Examples that take a few seconds."""

# What a notebook does with its cells: one after the other, in one namespace.
RUN_CELLS = """
import json, pathlib, sys
names = {"__name__": "__main__"}
for cell in json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")):
    exec(compile(cell, "cell", "exec"), names)
"""


def test_downloads_are_the_scripts(site, pages):
    for page in pages:
        if found := re.match(r"generated/gallery/(\w+)/(\w+)/", page):
            copy = site / "generated" / "gallery" / found[1] / f"{found[2]}.py"
            source = ROOT / "gallery" / found[1] / f"{found[2]}.py"
            assert copy.read_bytes() == source.read_bytes()


def run(folder: Path, *command: str) -> str:
    """What Python prints, run in an empty folder without a screen."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def code(notebook: dict[str, Any]) -> list[str]:
    """The code of each cell, with a line that does nothing for each of IPython's own commands."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [re.sub(r"^(\s*)%.*$", r"\1pass", "".join(c["source"]), flags=re.M) for c in cells]


def test_a_downloaded_script_runs(site, tmp_path):
    script = site / "generated" / "gallery" / SCRIPT[0] / f"{SCRIPT[1]}.py"
    assert "Weights" in run(tmp_path, str(script))


def test_the_cells_of_a_downloaded_notebook_run(site, tmp_path):
    path = site / "generated" / "gallery" / NOTEBOOK[0] / f"{NOTEBOOK[1]}.ipynb"
    cells = tmp_path / "cells.json"
    cells.write_text(json.dumps(code(json.loads(path.read_text(encoding="utf-8")))))
    assert "Weights" in run(tmp_path, "-c", RUN_CELLS, str(cells))


def notebooks(site: Path) -> list[tuple[Path, dict[str, Any]]]:
    found = sorted((site / "generated" / "gallery").glob("*/plot_*.ipynb"))
    assert len(found) == len(list((ROOT / "gallery").glob("*/plot_*.py")))
    return [(path, json.loads(path.read_text(encoding="utf-8"))) for path in found]


def test_notebooks_have_the_code_of_the_scripts(site):
    for path, notebook in notebooks(site):
        # First what Colab installs and how figures show; a script has its opening text there.
        cells = code(notebook)[2:]
        script = (ROOT / "gallery" / path.parent.name / f"{path.stem}.py").read_text("utf-8")
        inside = ast.unparse(ast.parse(script).body[1:])
        assert ast.unparse(ast.parse("\n".join(cells))) == inside, path.name


def test_notebooks_are_of_the_format_that_jupyter_reads(site):
    for path, notebook in notebooks(site):
        assert {"cells", "metadata", "nbformat", "nbformat_minor"} == notebook.keys(), path.name
        assert notebook["nbformat"] == 4
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
        for cell in notebook["cells"]:
            keys = {"cell_type", "metadata", "source"}
            if cell["cell_type"] == "code":
                keys |= {"execution_count", "outputs"}
                assert (cell["execution_count"], cell["outputs"]) == (None, [])
            assert cell["cell_type"] in ("code", "markdown")
            assert cell.keys() == keys, path.name
            assert all(isinstance(line, str) for line in cell["source"])
        assert "".join("".join(cell["source"]) for cell in notebook["cells"]).strip()
        for cell in code(notebook):
            compile(cell, path.name, "exec")


def test_notebooks_install_what_they_need_in_colab(site, pages):
    for page in pages:
        if found := re.match(r"generated/gallery/(\w+)/(\w+)/", page):
            path = site / "generated" / "gallery" / found[1] / f"{found[2]}.ipynb"
            first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
            assert 'if "google.colab" in sys.modules:' in first
            assert "interpviz[models" in first
