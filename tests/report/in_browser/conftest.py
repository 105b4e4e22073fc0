"""Reports whose names look like markup: of images with masks, and of texts."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from interpviz.report import build, build_texts
from interpviz.zoo.preprocess import Preprocess

if (folder := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.append(folder)

from report_pages import NAMES, records_of

HALF = (0.5, 0.5, 0.5)
LABELS = ["good", "bad", "good", "<i>odd</i>", "other", "bad", "good", "bad", "<i>odd</i>"]


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
    return records_of(out)


@pytest.fixture(scope="session")
def text_outs(tmp_path_factory):
    """A report of each kind of model; the one text that fails has a class."""
    from text_models import TEXTS, classifier, reader, tokenizer, writer

    home = tmp_path_factory.mktemp("texts")
    plain = tokenizer(home / "plain", special=False)
    models = {"classifies": classifier(), "writes": writer(), "reads": reader()}
    found = {}
    for name, model in models.items():
        rows = [*zip(TEXTS, LABELS, strict=True)]
        rows = [*rows, (" ", "good"), (TEXTS[0], "good")] if name == "classifies" else [*TEXTS, 3]
        own = plain if name == "writes" else tokenizer(home / "words")
        with pytest.MonkeyPatch.context() as patch:
            # Several files of records, as there are of many texts.
            patch.setattr("interpviz.report.texts.data.SHARD", 4)
            build_texts((model, own), rows, home / name, command=NAMES[0])
        found[name] = home / name
    return found


@pytest.fixture(scope="session")
def text_out(text_outs):
    return text_outs["classifies"]


@pytest.fixture(scope="session")
def text_records(text_out):
    return records_of(text_out)
