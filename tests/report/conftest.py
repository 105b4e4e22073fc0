import base64
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

NET = """
import torch
from PIL import Image
from torch import nn

from interpviz.zoo.preprocess import Preprocess


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5, stride=4)
        self.head = nn.Linear(6, 3)
        self.categories = ["apple", "pear", "plum"]

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))


def make():
    generator = torch.Generator().manual_seed(5)
    net = Net()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    half = (0.5, 0.5, 0.5)
    return net, Preprocess(36, 32, Image.Resampling.BILINEAR, half, half)
"""


@pytest.fixture(scope="module")
def net_module(tmp_path_factory):
    """The name of a module whose `make` gives a small net and its preprocessing."""
    folder = tmp_path_factory.mktemp("nets")
    (folder / "small_net_of_tests.py").write_text(NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder))
        yield "small_net_of_tests"
    sys.modules.pop("small_net_of_tests", None)


@pytest.fixture
def net(net_module):
    return f"{net_module}:make"


def picture(seed: int, size=(44, 40)) -> Image.Image:
    """A picture of coarse noise, another one for each seed."""
    small = torch.rand(5, 6, 3, generator=torch.Generator().manual_seed(seed)).mul(255).byte()
    return Image.fromarray(small.numpy()).resize(size)


@pytest.fixture
def draw():
    return picture


@pytest.fixture
def photos(tmp_path):
    """Makes a folder of pictures, in a folder for each of three classes."""

    def make(count: int, name: str = "photos") -> Path:
        for index in range(count):
            folder = tmp_path / name / ("apple", "pear", "plum")[index % 3]
            folder.mkdir(parents=True, exist_ok=True)
            picture(index).save(folder / f"{index:04d}.png")
        return tmp_path / name

    return make


class Data:
    """What the scripts of a report hold."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.run = self._read("run")
        self.index = self._read("index")
        self.summary = self._read("summary")
        self.records = []
        for path in sorted((out / "data").glob("records-*.js")):
            content = self._read(path.stem, "records")
            assert content["first"] == len(self.records)
            self.records += content["records"]

    def _read(self, name: str, kind: str | None = None):
        text = (self.out / "data" / f"{name}.js").read_text("ascii")
        before, after = f'interpvizReport("{kind or name}",', ");\n"
        assert text.startswith(before)
        assert text.endswith(after)
        return json.loads(text[len(before) : -len(after)])

    def column(self, name: str, kind: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(self.index["columns"][name]), kind)

    def maps(self, record) -> np.ndarray:
        high, wide = record["grid"]
        return np.frombuffer(base64.b64decode(record["maps"]), np.uint8).reshape(-1, high, wide)

    def picture(self, record) -> Path:
        return self.out / "images" / record["key"][:2] / f"{record['key']}.webp"


@pytest.fixture
def data():
    return Data


_MEASURED = {"label_p", "outside", "peaks", "spread"}
_EXACT = {"key": np.uint8, "state": np.uint8, "label": "<i4", "predicted": "<i4"}
_SHARES = {"confidence", "label_p", "outside", "spread"}


def close(one, other) -> None:
    """Numbers that another order of adding may change, or none."""
    one, other = np.array(one, float), np.array(other, float)
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def same_columns(one: Data, other: Data) -> None:
    columns = one.index["columns"].keys()
    assert columns == other.index["columns"].keys() == _EXACT.keys() | _SHARES
    for name in one.index.keys() - {"columns"}:
        assert one.index[name] == other.index[name], name
    for name, kind in _EXACT.items():
        assert (one.column(name, kind) == other.column(name, kind)).all(), name
    for name in _SHARES:
        a, b = one.column(name, "<u2"), other.column(name, "<u2")
        assert ((a == 65535) == (b == 65535)).all(), name
        close(a / 65534, b / 65534)


def same_summaries(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name in one.keys() - {"averages"}:
        assert one[name] == other[name], name
    assert one["averages"].keys() == other["averages"].keys()
    for a, b in zip(one["averages"].values(), other["averages"].values(), strict=True):
        assert (a["count"], a["grid"]) == (b["count"], b["grid"])
        maps = [np.frombuffer(base64.b64decode(x["map"]), np.uint8).astype(int) for x in (a, b)]
        assert np.abs(maps[0] - maps[1]).max() <= 1


def same(one: Data, other: Data) -> None:
    """Two reports of the same images, maps within one grey level."""
    assert one.run == other.run
    same_columns(one, other)
    same_summaries(one.summary, other.summary)
    assert [r["id"] for r in one.records] == [r["id"] for r in other.records]
    for a, b in zip(one.records, other.records, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - {"maps", "top", *_MEASURED}:
            assert a[name] == b[name], name
        if "maps" in a:
            assert np.abs(one.maps(a).astype(int) - other.maps(b)).max() <= 1
            assert [c for c, _ in a["top"]] == [c for c, _ in b["top"]]
            close([p for _, p in a["top"]], [p for _, p in b["top"]])
            for name in a.keys() & _MEASURED:
                close(a[name], b[name])
            assert one.picture(a).read_bytes() == other.picture(b).read_bytes()
    names = [sorted(p.name for p in d.out.glob("images/*/*")) for d in (one, other)]
    assert names[0] == names[1]


@pytest.fixture
def assert_same():
    return same


@pytest.fixture
def hostile():
    """The module beside this one that writes files which cannot be shown."""
    spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
