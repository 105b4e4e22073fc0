"""`load_model` by name, what it gives back, and loading nothing before it is needed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

import interpviz
from interpviz import zoo
from interpviz.errors import AssetError, InputError, InterpvizError
from interpviz.zoo import Provenance, ZooModel, extras, load_model, model_names, models
from interpviz.zoo.vision import LITE0_224

torch = pytest.importorskip("torch")

PROVENANCE = Provenance(
    architecture="Net",
    trained_on="Data",
    source="a-wheel",
    version="1.0",
    sha256="0123456789abcdef" * 4,
    licence="MIT",
)


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> ZooModel:
    """A registered model that needs nothing."""
    monkeypatch.delenv("INTERPVIZ_WEIGHTS", raising=False)
    made = ZooModel(
        "net", torch.nn.Sequential(torch.nn.Linear(2, 2)), PROVENANCE, categories=["a", "b"]
    )
    monkeypatch.setitem(models.REGISTRY, "net", models.Entry(packaged=lambda _: made))
    return made


def test_the_names() -> None:
    assert model_names() == sorted(model_names())
    assert {
        "bert",
        "efficientnet_lite0",
        "gpt",
        "mobilenet_v3_large",
        "resnet50",
        "swin_t",
        "vgg16",
        "vit_b_16",
        "vit_small_focus",
    } <= set(model_names())


def test_an_unknown_name_lists_the_nearest_and_all() -> None:
    with pytest.raises(AssetError, match="Did you mean 'efficientnet_lite0'") as error:
        load_model("efficientnet-lite0")
    assert all(name in str(error.value) for name in model_names())
    with pytest.raises(AssetError, match=r"no model 'zzz'\. It has: "):
        load_model("zzz")


def test_weights_must_be_one_of_three(net: ZooModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"weights is 'package'.*Did you mean 'packaged'"):
        load_model("net", weights="package")
    monkeypatch.setenv("INTERPVIZ_WEIGHTS", "here")
    with pytest.raises(InputError, match="INTERPVIZ_WEIGHTS is 'here'"):
        load_model("net")
    assert load_model("net", weights="packaged") is net
    with pytest.raises(AssetError, match="on no hub"):
        load_model("net", weights="hub")


def test_a_vision_model_carries_its_class_names(net: ZooModel) -> None:
    net.model.train()
    loaded = load_model("net", device="cpu")
    assert not loaded.model.training
    assert loaded.model.categories == ["a", "b"]
    assert next(loaded.model.parameters()).device.type == "cpu"
    assert repr(loaded) == "ZooModel('net', Net, 2 classes)"


def test_the_device(net: ZooModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "best_device", lambda: torch.device("meta"))
    assert next(load_model("net").model.parameters()).device.type == "meta"


def test_a_language_model_sees_no_pictures(net: ZooModel) -> None:
    for use in (net.preprocess, net.view):
        with pytest.raises(InputError, match="use its tokenizer"):
            use("a.png")
    net.transform = LITE0_224
    grey = np.zeros((30, 20), np.uint8)
    assert net.preprocess(grey).shape == (3, 224, 224)
    assert net.view(grey).size == (224, 224)


def test_provenance_is_a_few_short_lines() -> None:
    said = str(PROVENANCE)
    assert said == "Weights: Net, Data, from a-wheel 1.0 (MIT)\nsha256 01234567…"
    more = Provenance(
        **{**vars(PROVENANCE), "reported": "top-1 70 %", "reported_by": "them", "note": "Small."}
    )
    assert str(more).splitlines()[1:] == ["sha256 01234567…, reported top-1 70 % (them)", "Small."]
    with pytest.raises(FrozenInstanceError):
        more.note = "no"  # type: ignore[misc]


def test_importing_the_zoo_loads_nothing() -> None:
    code = (
        "import sys, interpviz.zoo as z; z.load_model, z.photos, z.Provenance, z.ZooModel;"
        "heavy = {'torch', 'torchvision', 'timm', 'transformers', 'skimage', 'sklearn'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(interpviz.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_room_lists_what_is_in_it() -> None:
    assert set(zoo.__all__) <= set(dir(zoo))
    assert all(getattr(zoo, name) is not None for name in zoo.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = zoo.nothing


def test_a_missing_extra_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InterpvizError, match=r'pip install "interpviz\[models\]"'):
        load_model("efficientnet_lite0", weights="packaged")


def test_a_library_that_does_not_load_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(extras, "import_module", broken)
    with pytest.raises(AssetError, match="torchvision is installed but does not load"):
        extras.require("torchvision.models")
