import json
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torchvision import transforms
from torchvision.models import ResNet18_Weights, Swin_T_Weights, resnet18
from torchvision.transforms import functional

from interpviz.errors import AssetError, InputError
from interpviz.zoo import external
from interpviz.zoo.any_model import Loaded, as_loaded, timm_transform, weights_digest
from interpviz.zoo.checkpoints import load_checkpoint, read_checkpoint
from interpviz.zoo.external import find_model
from interpviz.zoo.libraries import _of_processor, _of_torchvision
from interpviz.zoo.preprocess import Preprocess
from interpviz.zoo.transform_kinds import as_transform, described


@pytest.fixture
def photo():
    noise = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((410, 300), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("weights", [ResNet18_Weights.DEFAULT, Swin_T_Weights.DEFAULT])
def test_torchvision_transforms_are_its_own(photo, weights):
    preset = weights.transforms()
    view, tensor = _of_torchvision(preset)(photo)
    torch.testing.assert_close(tensor, preset(photo), rtol=0, atol=1e-5)
    assert view.size == (224, 224)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "mobilenetv3_small_050"])
def test_timm_transforms_are_its_own(photo, name):
    from timm.data import create_transform, resolve_data_config

    model = timm.create_model(name)
    expected = create_transform(**resolve_data_config({}, model=model))(photo)
    torch.testing.assert_close(timm_transform(model)(photo)[1], expected, rtol=0, atol=1e-5)


def test_processors_of_transformers_are_their_own(photo):
    from transformers.models.convnext import ConvNextImageProcessorPil as ConvNext
    from transformers.models.vit import ViTImageProcessorPil as ViT

    for processor in (ViT(), ConvNext(size={"shortest_edge": 224}), ConvNext()):
        expected = processor(photo, return_tensors="pt")["pixel_values"][0]
        found = _of_processor(processor)(photo)[1]
        assert found.shape == expected.shape
        assert (found - expected).abs().mean() < 0.01


def test_the_view_of_composed_steps_is_their_last_picture(photo):
    steps = transforms.Compose(
        [transforms.Resize(64), transforms.CenterCrop(48), transforms.Grayscale(),
         transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
    )  # fmt: skip
    view, tensor = as_transform(steps)(photo)
    assert tensor.shape == (1, 48, 48)
    assert (view.mode, view.size) == ("RGB", (48, 48))
    shown = functional.to_tensor(view)[:1]
    torch.testing.assert_close((shown - 0.5) / 0.5, tensor)


def test_the_view_of_a_function_is_its_tensor_stretched(photo):
    def crop(image):
        return functional.to_tensor(functional.center_crop(image, [40, 50])) * 9 - 3

    view, tensor = as_transform(crop)(photo)
    assert (view.size, tensor.shape) == ((50, 40), (3, 40, 50))
    shown = functional.to_tensor(view)
    values = (tensor - tensor.min()) / (tensor.max() - tensor.min())
    torch.testing.assert_close(shown, values, rtol=0, atol=0.003)
    with pytest.raises(InputError, match="not a floating-point tensor"):
        as_transform(lambda image: image.size)(photo)


@pytest.mark.parametrize("wrap", ["none", "state_dict", "model", "lightning", "parallel"])
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_checkpoints_are_unwrapped(tmp_path, wrap, ending):
    source, model = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    state = source.state_dict()
    if wrap == "parallel":
        state = {f"module._orig_mod.{name}": v for name, v in state.items()}
    if wrap == "lightning":
        state = {f"model.{name}": v for name, v in state.items()}
    path = tmp_path / f"weights{ending}"
    if ending == ".pt":
        kept = {"epoch": 3, "state_dict": state} if wrap in ("state_dict", "lightning") else state
        torch.save({"model": state} if wrap == "model" else kept, path)
    else:
        from safetensors.torch import save_file

        save_file(state, path)
    load_checkpoint(model, read_checkpoint(path), str(path))
    assert torch.equal(model.weight, source.weight)


class Evil:
    def __reduce__(self):
        return print, ("this ran",)


def test_what_is_no_checkpoint_is_said_in_a_sentence(tmp_path, capsys):
    linear = torch.nn.Linear(3, 2)
    torch.save({"state_dict": linear.state_dict(), "x": Evil()}, tmp_path / "evil.pt")
    (tmp_path / "text.pt").write_text("no")
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    for name, said in [
        ("evil.pt", "could run code"),
        ("text.pt", "is damaged"),
        ("none.pt", "holds no state dict"),
        ("missing.pt", "There is no checkpoint"),
    ]:
        with pytest.raises(AssetError, match=said):
            read_checkpoint(tmp_path / name)
    assert "this ran" not in capsys.readouterr().out
    for state, said in [
        ({"weight": torch.ones(2, 3)}, "lacks 1 weights, such as bias"),
        ({**linear.state_dict(), "scale": torch.ones(1)}, "has 1 of other names, such as scale"),
        ({"weight": torch.ones(5, 3), "bias": torch.ones(5)}, r"weight of shape \(5, 3\)"),
    ]:
        with pytest.raises(AssetError, match=said):
            load_checkpoint(linear, state, "a.pt")


def test_a_network_of_a_library_takes_as_many_classes_as_its_checkpoint(tmp_path, photo):
    trained = resnet18(num_classes=5)
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "five.pt")
    state = torch.get_rng_state()
    found = find_model("torchvision:resnet18", tmp_path / "five.pt", device="cpu")
    assert torch.equal(state, torch.get_rng_state())
    assert found.model.fc.out_features == 5
    assert found.categories == []
    assert not found.model.training
    assert weights_digest(found.model) == weights_digest(trained)
    small = timm.create_model("mobilenetv3_small_050", num_classes=4)
    torch.save(small.state_dict(), tmp_path / "four.pt")
    found = find_model("timm:mobilenetv3_small_050", tmp_path / "four.pt", device="cpu")
    assert found.model(found.transform(photo)[1][None]).shape == (1, 4)


@pytest.mark.parametrize("spec", ["torchvision:resnet18", "timm:mobilenetv3_small_050"])
def test_a_checkpoint_of_1000_classes_need_not_be_imagenet(tmp_path, spec):
    kind, _, name = spec.partition(":")
    build = resnet18 if kind == "torchvision" else partial(timm.create_model, name)
    torch.save(build().state_dict(), tmp_path / "mine.pt")
    found = find_model(spec, tmp_path / "mine.pt", device="cpu")
    assert found.categories == []
    assert found.about.endswith("from mine.pt")


def test_a_checkpoint_takes_the_names_of_the_zoo_away(tmp_path, monkeypatch):
    given = Loaded("", resnet18(num_classes=2), None, ["cat", "dog"])
    torch.save(given.model.state_dict(), tmp_path / "mine.pt")
    monkeypatch.setattr(external, "load_model", lambda *_: given)
    monkeypatch.setattr(external, "REGISTRY", {"small": None})
    assert find_model("small", device="cpu").categories == ["cat", "dog"]
    assert find_model("small", tmp_path / "mine.pt", device="cpu").categories == []


def test_what_a_function_returns_is_left_as_it_is(tmp_path, monkeypatch):
    given = Loaded("mine", resnet18(num_classes=2), None, ["cat", "dog"], about="by me")
    torch.save(given.model.state_dict(), tmp_path / "mine.pt")
    monkeypatch.setitem(sys.modules, "nets", SimpleNamespace(make=lambda: given))
    found = find_model("nets:make", tmp_path / "mine.pt", device="cpu")
    assert (found.name, found.about) == ("nets:make", "Weights: ResNet, from mine.pt")
    assert found.categories == ["cat", "dog"]
    assert (given.name, given.about) == ("mine", "by me")


def test_a_folder_of_transformers_is_a_model(tmp_path, photo):
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                       intermediate_size=16, image_size=32, patch_size=8,
                       id2label={0: "a", 1: "b", 2: "c"})  # fmt: skip
    ViTForImageClassification(config).save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    found = find_model(f"hf:{tmp_path}", device="cpu")
    assert found.categories == ["a", "b", "c"]
    assert found.model(found.transform(photo)[1][None]).logits.shape == (1, 3)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] in found.about


def test_models_by_function(tmp_path, monkeypatch, photo):
    (tmp_path / "nets_of_tests.py").write_text(
        "from torch import nn\ndef make(): return nn.Conv2d(3, 2, 3)\ndef text(): return 'x'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = find_model("nets_of_tests:make", device="cpu")
    assert found.transform(photo)[1].shape == (3, 224, 224)
    with pytest.raises(InputError, match="gave a str"):
        find_model("nets_of_tests:text")
    with pytest.raises(AssetError, match=r"no function 'mke'.*'make'"):
        find_model("nets_of_tests:mke")
    with pytest.raises(AssetError, match="no module 'nothing_here'"):
        find_model("nothing_here:make")
    with pytest.raises(AssetError, match="'resnet18'"):
        find_model("torchvision:resnet8")
    with pytest.raises(AssetError, match="efficientnet_lite0"):
        find_model("efficientnet_lite")


def test_what_a_function_raises_is_the_cause_of_a_sentence(tmp_path, monkeypatch):
    def make():
        return {}["depth"]

    def fetch():
        raise AssetError("no weights")

    monkeypatch.setitem(sys.modules, "nets", SimpleNamespace(make=make, fetch=fetch, exit=sys.exit))
    said = r"^The function nets:make raised KeyError \('depth'\): call it in Python to see where\.$"
    with pytest.raises(InputError, match=said) as caught:
        find_model("nets:make")
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(InputError, match="raised SystemExit: call"):
        find_model("nets:exit")
    with pytest.raises(AssetError, match=r"^no weights$"):
        find_model("nets:fetch")


def test_a_module_that_fails_is_told_from_one_that_is_not_there(tmp_path, monkeypatch):
    (tmp_path / "package_of_tests").mkdir()
    (tmp_path / "package_of_tests" / "wants.py").write_text("import package_of_tests.nothing")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=r"'package_of_tests\.wants' cannot be imported") as caught:
        find_model("package_of_tests.wants:make")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    for missing in ("package_of_tests.other", "package_of_none.nets"):
        with pytest.raises(AssetError, match=f"no module '{missing}'"):
            find_model(f"{missing}:make")
    with pytest.raises(InputError, match="ValueError"):
        find_model(":make")


def test_a_digest_sees_every_weight_and_the_structure():
    one = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    digest = weights_digest(one)
    assert digest == weights_digest(one)
    one[1].running_mean[2] += 1e-6
    changed = weights_digest(one)
    wider = torch.nn.Sequential(*one, torch.nn.ReLU())
    assert len({digest, changed, weights_digest(wider)}) == 3
    half = torch.nn.Linear(2, 2).bfloat16()
    assert len(weights_digest(half)) == 64


def test_preprocess_of_a_pair_is_kept(photo):
    half = (0.5, 0.5, 0.5)
    steps = Preprocess(40, 32, Image.Resampling.BILINEAR, half, half)
    found = as_loaded((torch.nn.Conv2d(3, 2, 3), steps), "mine")
    view, tensor = found.transform(photo)
    torch.testing.assert_close(tensor, steps(photo))
    assert np.array_equal(np.asarray(view), np.asarray(steps.view(photo)))
    with pytest.raises(InputError, match="not a network"):
        as_loaded(SimpleNamespace(), "mine")


def test_the_view_of_steps_on_tensors_is_what_the_network_sees(photo):
    steps = transforms.Compose(
        [transforms.ToTensor(), transforms.CenterCrop((40, 50)),
         transforms.Normalize([0.5] * 3, [0.5] * 3)]
    )  # fmt: skip
    view, tensor = as_transform(steps)(photo)
    assert view.size == (50, 40)
    values = (tensor - tensor.min()) / (tensor.max() - tensor.min())
    torch.testing.assert_close(functional.to_tensor(view), values, rtol=0, atol=0.003)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_classes_are_counted_whatever_the_order_of_the_file(tmp_path, name):
    from torchvision.models import get_model

    state = get_model(name, weights=None, num_classes=5).state_dict()
    backwards = {f"module.{key}": state[key] for key in reversed(list(state))}
    torch.save(backwards, tmp_path / "five.pt")
    found = find_model(f"torchvision:{name}", tmp_path / "five.pt", device="cpu")
    assert found.model(torch.zeros(1, 3, 64, 64)).shape == (1, 5)


def test_classes_of_a_network_with_more_matrices_are_those_of_its_last(tmp_path):
    from safetensors.torch import save_file

    from interpviz.zoo.checkpoints import with_classes

    class Small(torch.nn.Module):
        def __init__(self, num_classes=9):
            super().__init__()
            self.stem = torch.nn.Linear(4, 6)
            self.classifier = torch.nn.Linear(6, num_classes)

    save_file(Small(3).state_dict(), tmp_path / "a.safetensors")
    model = with_classes(Small, read_checkpoint(tmp_path / "a.safetensors"), "num_classes")
    assert model.classifier.out_features == 3


def test_a_device_that_is_not_there_is_said(tmp_path, monkeypatch):
    (tmp_path / "net_for_devices.py").write_text(
        "from torch import nn\ndef make(): return nn.Conv2d(3, 2, 3)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for device in ("nowhere", "cuda:99"):
        with pytest.raises(InputError, match="cannot be put on"):
            find_model("net_for_devices:make", device=device)


def test_code_of_a_repository_is_never_trusted(tmp_path, monkeypatch):
    import transformers
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                       intermediate_size=16, image_size=32, patch_size=8)  # fmt: skip
    ViTForImageClassification(config).save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    told = []
    for name in ("AutoConfig", "AutoModelForImageClassification", "AutoImageProcessor"):
        auto = getattr(transformers, name)

        def load(*args, inner=auto.from_pretrained, **options):
            told.append(options.get("trust_remote_code"))
            return inner(*args, **options)

        monkeypatch.setattr(auto, "from_pretrained", load)
    find_model(f"hf:{tmp_path}", device="cpu")
    # The processor's own asks for the configuration once more.
    assert told == [False] * len(told)
    assert len(told) >= 3


def test_a_processor_that_does_something_else_is_asked_itself(photo):
    from transformers.models.vit import ViTImageProcessorPil as ViT

    class Dark(ViT):
        def __call__(self, images, **options):
            found = super().__call__(images, **options)
            found["pixel_values"] = found["pixel_values"] - 0.5
            return found

    processor = Dark()
    found = _of_processor(processor)
    expected = processor(photo, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(found(photo)[1], expected)
    assert "Dark" in described(found)
    assert "image_mean" in described(found)
    assert described(found) == described(_of_processor(Dark()))
