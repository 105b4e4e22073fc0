import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from interpviz.cli.app import app

NET = """
import torch
from torch import nn
from interpviz.zoo.preprocess import Preprocess
from PIL import Image


def make():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                            nn.Flatten(), nn.Linear(4, 3))
    net.categories = ["apple", "pear", "plum"]
    half = (0.5, 0.5, 0.5)
    return net, Preprocess(36, 32, Image.Resampling.BILINEAR, half, half)
"""


@pytest.fixture
def call():
    """Calls the command line."""

    def invoke(*words, **options):
        return CliRunner().invoke(app, [str(word) for word in words], **options)

    return invoke


@pytest.fixture
def net(tmp_path, monkeypatch):
    (tmp_path / "net_of_cli_tests.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "net_of_cli_tests:make"


@pytest.fixture
def photo(tmp_path):
    noise = torch.rand(6, 8, 3, generator=torch.Generator().manual_seed(0)).mul(255).byte()
    path = tmp_path / "images" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(noise.numpy()).resize((48, 40)).save(path)
    return path
