"""What holds for the package as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import interpviz
from interpviz import errors
from interpviz.device import best_device, placement

ROOT = Path(__file__).parents[1]


def test_import_loads_nothing_heavy():
    code = (
        "import sys, interpviz; "
        "print([m for m in ('torch', 'matplotlib', 'transformers', 'numpy', 'cv2', 'PIL') "
        "if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", interpviz.__all__)
def test_every_public_name_loads(name):
    assert getattr(interpviz, name) is not None
    assert name in dir(interpviz)


def test_unknown_names_say_so():
    with pytest.raises(AttributeError, match="no attribute 'GradCam'"):
        _ = interpviz.GradCam


@pytest.mark.parametrize("package", ["attention", "cam", "render", "zoo"])
def test_public_things_are_documented(package):
    module = getattr(interpviz, package)
    for name in module.__all__:
        thing = getattr(module, name)
        if callable(thing):
            assert thing.__doc__, f"{package}.{name}"


def test_errors_can_be_caught_both_ways():
    assert issubclass(errors.LayerError, errors.InterpvizError)
    assert issubclass(errors.LayerError, ValueError)
    assert issubclass(errors.AssetError, OSError)
    assert errors.nearest("laier4", ["layer4", "fc"]) == "Did you mean 'layer4'?"
    assert errors.nearest("zzz", ["layer4"]) == ""


def test_placement_is_that_of_the_first_floating_parameter():
    model = nn.Sequential(nn.Linear(2, 2).to(torch.bfloat16))
    assert placement(model) == (torch.device("cpu"), torch.bfloat16)
    assert placement(nn.ReLU()) == (torch.device("cpu"), torch.float32)
    model = nn.Module()
    model.register_buffer("count", torch.zeros(1, dtype=torch.int64))
    assert placement(model) == (torch.device("cpu"), torch.float32)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_fastest_device_is_chosen(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device().type == expected
