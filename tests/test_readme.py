"""What the README shows is what runs."""

import re
import runpy
from pathlib import Path

import pytest
from PIL import Image

from interpviz.errors import AssetError
from interpviz.zoo import load_model

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["cam", "attention"])
def test_the_readme_shows_the_tested_file(name):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    snippet = (ROOT / "docs" / "snippets" / f"{name}.py").read_text(encoding="utf-8")
    assert snippet in blocks
    assert len([line for line in snippet.splitlines() if line]) <= 10


@pytest.mark.network
@pytest.mark.parametrize(("name", "model"), [("cam", "efficientnet_lite0"), ("attention", "bert")])
def test_the_tested_file_runs(name, model, tmp_path, monkeypatch):
    try:
        load_model(model)
    except AssetError as error:
        pytest.skip(f"the weights cannot be had: {error}")
    monkeypatch.chdir(tmp_path)
    variables = runpy.run_path(str(ROOT / "docs" / "snippets" / f"{name}.py"))
    with Image.open(tmp_path / f"{name}.png") as picture:
        assert picture.width > 400
    if name == "cam":
        assert variables["heatmap"].shape == (224, 224)
    else:
        assert variables["weights"].shape[-1] == len(variables["tokens"])


def test_the_figure_and_the_links_exist():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).is_file(), target
