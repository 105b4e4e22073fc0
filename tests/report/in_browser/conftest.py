"""One report with names that look like markup, an empty picture and masks."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from interpviz.report import build
from interpviz.zoo.preprocess import Preprocess

if (folder := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.append(folder)

from report_pages import NAMES, read

HALF = (0.5, 0.5, 0.5)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5, stride=4)
        self.head = nn.Linear(6, 3)
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))


def draw(folder, masks):
    random = np.random.default_rng(0)
    for index in range(27):
        name = f"{NAMES[index % 3]}/{index:02d} <b onclick=alert(2)>.png"
        small = Image.fromarray(random.integers(0, 255, (5, 6, 3), dtype=np.uint8))
        for root, picture in ((folder, small), (masks, small.convert("L"))):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            picture.resize((44, 40)).save(root / name)
    for root in (folder, masks):
        shutil.copy(root / NAMES[0] / "00 <b onclick=alert(2)>.png", root / NAMES[0] / "copy.png")
    (folder / NAMES[2] / "no <i>picture.png").write_bytes(b"<script>alert(3)</script>")


@pytest.fixture(scope="session")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    draw(folder / "photos", folder / "masks")
    pair = (Net().eval(), Preprocess(36, 32, Image.Resampling.BILINEAR, HALF, HALF))
    options = {"methods": ["gradcam", "eigencam"], "masks": folder / "masks", "categories": NAMES}
    with pytest.MonkeyPatch.context() as patch:
        # Several files of records, as there are of many images.
        patch.setattr("interpviz.report.data.SHARD", 10)
        build(pair, folder / "photos", folder / "out", command=NAMES[0], **options)
    return folder / "out"


@pytest.fixture(scope="session")
def records(out):
    found = []
    for path in sorted((out / "data").glob("records-*.js")):
        found += read(path)["records"]
    return found
