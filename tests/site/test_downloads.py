"""What readers download from the pages of examples."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL = ("cam", "plot_which_class_is_where")
"""An example that takes a second or two."""


def test_downloads_are_the_scripts(site, pages):
    for page in pages:
        if found := re.match(r"generated/gallery/(\w+)/(\w+)/", page):
            copy = site / "generated" / "gallery" / found[1] / f"{found[2]}.py"
            source = ROOT / "gallery" / found[1] / f"{found[2]}.py"
            assert copy.read_bytes() == source.read_bytes()


def test_a_downloaded_script_runs(site, tmp_path):
    script = site / "generated" / "gallery" / SMALL[0] / f"{SMALL[1]}.py"
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Weights" in done.stdout


def test_notebooks_install_what_they_need_in_colab(site, pages):
    for page in pages:
        if found := re.match(r"generated/gallery/(\w+)/(\w+)/", page):
            path = site / "generated" / "gallery" / found[1] / f"{found[2]}.ipynb"
            first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
            assert 'if "google.colab" in sys.modules:' in first
            assert "interpviz[models" in first
