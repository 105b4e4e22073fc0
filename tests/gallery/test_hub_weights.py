"""The same scripts draw the well-known networks where the hub's cache has them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision

GALLERY = Path(__file__).parents[2] / "gallery" / "cam"
CHECKPOINTS = {
    "resnet50": torchvision.models.ResNet50_Weights.IMAGENET1K_V1,
    "vgg16": torchvision.models.VGG16_Weights.IMAGENET1K_V1,
    "mobilenet_v3_large": torchvision.models.MobileNet_V3_Large_Weights.IMAGENET1K_V1,
}
# Runs a script as a user would and prints the caption of each figure.
DRIVER = """
import runpy, sys, warnings
import matplotlib.pyplot as plt
warnings.simplefilter("ignore")
runpy.run_path(sys.argv[1])
for number in plt.get_fignums():
    caption = plt.figure(number)._supxlabel
    print("CAPTION", caption.get_text().replace("\\n", " ") if caption else "none")
"""


def small_on_disk(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Large matrices become one random row that is repeated, which takes no room in the file."""
    return {
        key: value[:1].contiguous().expand_as(value) if value.numel() > 4_000_000 else value
        for key, value in state.items()
    }


@pytest.fixture(scope="module")
def torch_home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("torch")
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    for name, weights in CHECKPOINTS.items():
        options = {"init_weights": False} if name == "vgg16" else {}
        state = getattr(torchvision.models, name)(weights=None, **options).state_dict()
        torch.save(small_on_disk(state), folder / weights.url.rsplit("/", 1)[1])
    return home


def captions(script: str, home: Path) -> list[str]:
    variables = {
        **os.environ,
        "INTERPVIZ_WEIGHTS": "hub",
        "TORCH_HOME": str(home),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "2",
    }
    run = subprocess.run(
        [sys.executable, "-c", DRIVER, str(GALLERY / script)],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [line for line in run.stdout.splitlines() if line.startswith("CAPTION")]


def test_the_page_of_a_family_draws_the_hubs_network(torch_home):
    found = captions("plot_mobilenet.py", torch_home)
    assert len(found) >= 4
    assert all("MobileNetV3-Large" in caption for caption in found), found


def test_the_comparison_draws_all_three(torch_home):
    found = captions("plot_three_architectures.py", torch_home)
    assert len(found) >= 4
    for caption in found:
        assert all(n in caption for n in ("ResNet-50", "VGG-16", "MobileNetV3-Large"))
