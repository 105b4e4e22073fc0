"""Models from the hubs' local caches, which the tests fill themselves, and from hubs in reach."""

from __future__ import annotations

import errno
import functools
import hashlib
import logging
import pickle
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from interpviz.errors import AssetError
from interpviz.zoo import hub, load_model, models, vision
from interpviz.zoo.hub import HubError
from interpviz.zoo.loaded import ZooModel
from interpviz.zoo.quiet import quiet

torch = pytest.importorskip("torch")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def hub_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Empty caches, and hubs out of reach."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.delenv("INTERPVIZ_WEIGHTS", raising=False)
    monkeypatch.setenv("INTERPVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_answers", {})
    monkeypatch.setattr(hub, "_ask", lambda _: "no route")
    return tmp_path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "www").mkdir()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def snapshot(root: Path, repository: str) -> Path:
    """A folder laid out as the Hugging Face hub lays out its cache."""
    home = root / "hf" / f"models--{repository.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    folder = home / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    return folder


def random_checkpoint(root: Path, builder: str, name: str) -> torch.nn.Module:
    torchvision = pytest.importorskip("torchvision")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(torchvision.models, builder)()
    folder = root / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / name)
    return model.eval()


def tokenizer() -> object:
    tokenizers, transformers = (
        pytest.importorskip("tokenizers"),
        pytest.importorskip("transformers"),
    )
    words = {word: i for i, word in enumerate(["[UNK]", "[PAD]", "a", "cat", "sat"])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]"
    )


def tiny_bert(folder: Path) -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    with quiet():
        config = transformers.BertConfig(
            vocab_size=5,
            hidden_size=8,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
        )
        model = transformers.BertModel(config).eval()
        model.save_pretrained(folder)
        tokenizer().save_pretrained(folder)  # type: ignore[attr-defined]
    return model


def tiny_gpt2(folder: Path) -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    with quiet():
        config = transformers.GPT2Config(vocab_size=5, n_embd=8, n_layer=2, n_head=2, n_positions=9)
        model = transformers.GPT2LMHeadModel(config).eval()
        model.save_pretrained(folder)
        tokenizer().save_pretrained(folder)  # type: ignore[attr-defined]
    return model


@pytest.mark.usefixtures("no_network")
def test_mobilenet_from_torch_home(hub_caches: Path, capfd: pytest.CaptureFixture[str]) -> None:
    expected = random_checkpoint(
        hub_caches, "mobilenet_v3_large", "mobilenet_v3_large-8738ca79.pth"
    )
    state = torch.get_rng_state()
    m = load_model("mobilenet_v3_large", weights="hub", device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    assert not m.model.training
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(m.model(x), expected(x))
    assert m.target_layer is m.model.features[-1]
    assert len(m.categories) == 1000
    assert m.model.categories == m.categories
    assert all(parameter.requires_grad for parameter in m.model.parameters())
    assert capfd.readouterr() == ("", "")
    # A file under the published name that is not the published file is called what it is.
    assert "Not the published checkpoint" in str(m.provenance)
    assert m.provenance.reported is None
    path = hub_caches / "torch" / "hub" / "checkpoints" / "mobilenet_v3_large-8738ca79.pth"
    assert m.provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_published_checkpoint_is_named(
    hub_caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_checkpoint(hub_caches, "mobilenet_v3_large", "mobilenet_v3_large-8738ca79.pth")
    monkeypatch.setattr(vision, "hash_in_name", lambda _: "")
    said = str(load_model("mobilenet_v3_large", device="cpu").provenance)
    assert "MobileNet_V3_Large_Weights.IMAGENET1K_V1" in said
    assert "74.04 %" in said


def test_target_layers_are_the_last_activation_before_pooling() -> None:
    torchvision = pytest.importorskip("torchvision")
    shapes = {"resnet50": (2048, 7, 7), "vgg16": (512, 14, 14), "mobilenet_v3_large": (960, 7, 7)}
    for name, shape in shapes.items():
        loader = models.REGISTRY[name].hub
        assert isinstance(loader, vision.Torchvision)
        seen = []
        with torch.device("meta"):
            model = getattr(torchvision.models, loader.builder)().eval()
            model.get_submodule(loader.layer).register_forward_hook(
                lambda _module, _args, out, seen=seen: seen.append(tuple(out.shape[1:]))
            )
            model(torch.empty(1, 3, 224, 224))
        assert seen == [shape]


@pytest.mark.parametrize(("name", "grid"), [("vit_b_16", (14, 14)), ("swin_t", (7, 7))])
def test_target_layers_of_transformers_are_the_last_with_a_gradient_at_every_patch(
    name: str, grid: tuple[int, int]
) -> None:
    torchvision = pytest.importorskip("torchvision")
    loader = models.REGISTRY[name].hub
    assert isinstance(loader, vision.Torchvision)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # As large as the published network, but narrow and shallow.
        model = (
            torchvision.models.VisionTransformer(224, 16, 12, 2, 8, 16)
            if name == "vit_b_16"
            else torchvision.models.SwinTransformer([4, 4], 8, [1, 1, 1, 1], [1, 1, 1, 1], [7, 7])
        ).eval()
    with torch.device("meta"):
        whole = getattr(torchvision.models, loader.builder)()
    assert type(whole.get_submodule(loader.layer)) is type(model.get_submodule(loader.layer))
    if name == "vit_b_16":
        torch.nn.init.normal_(model.heads.head.weight)
    kept = []

    def keep(_module: object, _args: object, out: torch.Tensor) -> None:
        out.retain_grad()
        kept.append(out)

    model.get_submodule(loader.layer).register_forward_hook(keep)
    model(torch.rand(1, 3, 224, 224)).max().backward()
    [out] = kept
    gradients = out.grad.abs().sum(-1)[0]
    patches = gradients[1:].reshape(grid) if name == "vit_b_16" else gradients
    assert patches.shape == grid
    assert bool((patches > 0).all())


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t"])
def test_transformers_see_a_picture_as_torchvision_prepares_it(name: str) -> None:
    torchvision = pytest.importorskip("torchvision")
    loader = models.REGISTRY[name].hub
    assert isinstance(loader, vision.Torchvision)
    published = getattr(torchvision.models, loader.weights).IMAGENET1K_V1.transforms()
    noise = torch.randint(0, 256, (300, 451, 3), dtype=torch.uint8).numpy()
    torch.testing.assert_close(
        loader.transform(noise), published(Image.fromarray(noise)), atol=1e-6, rtol=0
    )


def test_a_damaged_checkpoint_is_not_loaded(hub_caches: Path) -> None:
    folder = hub_caches / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet50-0676ba61.pth").write_bytes(b"half a file")
    with pytest.raises(AssetError, match="damaged"):
        load_model("resnet50", device="cpu")


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_pickled_checkpoint_runs_no_code(hub_caches: Path) -> None:
    folder = hub_caches / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for name, save in {
        "resnet50-0676ba61.pth": torch.save,
        "vgg16-397923af.pth": lambda thing, path: path.write_bytes(pickle.dumps(thing, protocol=2)),
    }.items():
        save({"weight": Trap(hub_caches / "ran")}, folder / name)
        with pytest.raises(AssetError, match="could run code"):
            load_model(name.partition("-")[0], device="cpu")
    assert not (hub_caches / "ran").exists()


def test_weights_of_another_network_do_not_fit(hub_caches: Path) -> None:
    random_checkpoint(hub_caches, "mobilenet_v3_small", "mobilenet_v3_large-8738ca79.pth")
    with pytest.raises(AssetError, match="do not fit a MobileNetV3"):
        load_model("mobilenet_v3_large", device="cpu")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "make", "repository"),
    [
        ("bert", tiny_bert, "google-bert/bert-base-uncased"),
        ("gpt", tiny_gpt2, "openai-community/gpt2"),
    ],
)
def test_language_models_from_the_hubs_cache(
    name: str,
    make: object,
    repository: str,
    hub_caches: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    expected = make(snapshot(hub_caches, repository))  # type: ignore[operator]
    capfd.readouterr()
    state = torch.get_rng_state()
    m = load_model(name, device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    ids = m.tokenizer("a cat sat", return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(m.model(**ids)[0], expected(**ids)[0])
    assert type(m.model) is type(expected)
    assert not m.model.training
    assert m.target_layer is None
    assert m.categories == []
    assert m.provenance.source == repository
    assert m.provenance.version == COMMIT[:12]
    assert "language model" in repr(m)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("no_network")
def test_efficientnet_from_the_hubs_cache(hub_caches: Path) -> None:
    timm = pytest.importorskip("timm")
    save_file = pytest.importorskip("safetensors.torch").save_file
    expected = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    folder = snapshot(hub_caches, vision.LITE0_REPOSITORY)
    save_file(expected.state_dict(), folder / "model.safetensors")
    m = load_model("efficientnet_lite0", device="cpu")
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(m.model(x), expected(x))
    assert m.target_layer is m.model.bn2
    assert m.provenance.source == vision.LITE0_REPOSITORY


def test_a_damaged_snapshot_is_said(hub_caches: Path) -> None:
    folder = snapshot(hub_caches, "google-bert/bert-base-uncased")
    tiny_bert(folder)
    (folder / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(AssetError, match="damaged") as error:
        load_model("bert", device="cpu")
    assert str(folder) in str(error.value)


def test_an_incomplete_snapshot_is_not_used(hub_caches: Path) -> None:
    folder = snapshot(hub_caches, "google-bert/bert-base-uncased")
    tiny_bert(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(AssetError, match=r"not whole .* out of reach \(no route\)"):
        load_model("bert", weights="hub", device="cpu")


def test_a_snapshot_is_fetched_where_the_hub_answers(
    hub_caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def fetch(repository: str, allow_patterns: list[str]) -> None:
        assert "model.safetensors" in allow_patterns
        tiny_bert(snapshot(hub_caches, repository))

    monkeypatch.setattr(hub, "_ask", lambda _: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert load_model("bert", device="cpu").provenance.version == COMMIT[:12]


def test_a_full_disk_is_no_matter_of_reach(
    hub_caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def fetch(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hub, "_ask", lambda _: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    monkeypatch.setattr("torch.hub.download_url_to_file", fetch)
    for name in ("bert", "resnet"):
        with pytest.raises(AssetError, match=r"cannot be written \(No space left"):
            load_model(name)


def test_a_failed_fetch_is_a_hub_error(hub_caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def fetch(*_: object, **__: object) -> None:
        raise RuntimeError("connection lost\nand more")

    monkeypatch.setattr(hub, "_ask", lambda _: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(HubError, match=r"could not be fetched \(connection lost\)$"):
        hub.hub_folder("a/b", ["config.json"])
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: None)
    with pytest.raises(HubError, match=r"does not hold config\.json"):
        hub.hub_folder("a/b", ["config.json"])


def test_offline_mode_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_ask", lambda _: pytest.fail("asked"))
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        hub.hub_folder("a/b", ["config.json"])


def test_a_checkpoint_is_fetched_and_checked(
    hub_caches: Path,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("TORCH_HOME", str(hub_caches / "torch"))
    monkeypatch.setattr(hub, "_answers", {})
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    content = b"weights" * 1000
    digest = hashlib.sha256(content).hexdigest()[:8]
    (hub_caches / "www" / f"net-{digest}.pth").write_bytes(content)
    (hub_caches / "www" / "net-00000000.pth").write_bytes(content)

    path = hub.torch_checkpoint(f"{server}/net-{digest}.pth")
    assert path.read_bytes() == content
    with pytest.raises(HubError, match="could not be fetched"):
        hub.torch_checkpoint(f"{server}/net-00000000.pth")
    assert [left.name for left in path.parent.iterdir()] == [path.name]
    assert capfd.readouterr() == ("", "")


def test_reach(server: str, hub_caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    monkeypatch.setattr(hub, "_answers", {})
    (hub_caches / "www" / "file").touch()
    assert hub.why_out_of_reach(f"{server}/file") is None
    assert hub._ask(f"{server}/missing") is not None
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert "refused" in str(hub.why_out_of_reach(f"http://127.0.0.1:{port}/")).lower()
    # Remembered: the second answer does not depend on the first host being asked again.
    monkeypatch.setattr(hub, "_ask", lambda _: pytest.fail("asked twice"))
    assert hub.why_out_of_reach(f"{server}/another") is None


def test_a_hub_that_does_not_answer_costs_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(hub, "CONNECT_TIMEOUT", 0.1)
    released = threading.Event()

    def silent(*_: object, **__: object) -> None:
        released.wait(30)
        raise OSError("gave up")

    monkeypatch.setattr(hub, "urlopen", silent)
    began = time.perf_counter()
    assert hub._ask("http://192.0.2.1/") == "no answer within 0.1 s"
    assert time.perf_counter() - began < 10
    released.set()


def test_auto_falls_back_and_hub_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = ZooModel("bert", torch.nn.Linear(1, 1), provenance=None)  # type: ignore[arg-type]
    entry = models.Entry(hub=models.REGISTRY["bert"].hub, packaged=lambda _: packaged)
    monkeypatch.setitem(models.REGISTRY, "bert", entry)
    assert load_model("bert", device="cpu") is packaged
    assert load_model("bert", weights="packaged", device="cpu") is packaged
    with pytest.raises(AssetError, match='weights="packaged"') as error:
        load_model("bert", weights="hub", device="cpu")
    assert "huggingface.co is out of reach (no route)" in str(error.value)

    monkeypatch.setenv("INTERPVIZ_WEIGHTS", "hub")
    with pytest.raises(AssetError, match="out of reach"):
        load_model("bert", device="cpu")
    assert load_model("bert", weights="packaged", device="cpu") is packaged


@pytest.mark.parametrize("name", ["resnet50", "vgg16", "mobilenet_v3_large"])
def test_without_a_hub_torchvisions_models_say_so_in_one_sentence(
    name: str, hub_caches: Path
) -> None:
    for weights in ("auto", "hub", "packaged"):
        with pytest.raises(AssetError) as error:
            load_model(name, weights=weights)
        said = str(error.value)
        assert name in said
        assert f'load_model("{name.partition("_")[0].rstrip("0156")}")' in said
        assert "\n" not in said
        assert ". " not in said
        if weights != "packaged":
            assert str(hub_caches / "torch" / "hub" / "checkpoints") in said
            assert "download.pytorch.org is out of reach (no route)" in said


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t"])
def test_without_a_hub_a_transformer_without_classes_is_named(name: str) -> None:
    for weights in ("auto", "hub", "packaged"):
        with pytest.raises(AssetError) as error:
            load_model(name, weights=weights)
        said = str(error.value)
        assert name in said
        assert 'load_model("vit_small_focus"), a vision transformer without classes' in said
        assert "\n" not in said
        assert ". " not in said


def test_quiet_gives_everything_back() -> None:
    transformers_logging = pytest.importorskip("transformers.utils.logging")
    hub_utils = pytest.importorskip("huggingface_hub.utils")
    logger = logging.getLogger("transformers")
    before = (
        logger.level,
        transformers_logging.is_progress_bar_enabled(),
        hub_utils.are_progress_bars_disabled(),
    )

    def fail_inside() -> None:
        with quiet():
            assert logger.level == logging.ERROR
            assert not transformers_logging.is_progress_bar_enabled()
            assert hub_utils.are_progress_bars_disabled()
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert before == (
        logger.level,
        transformers_logging.is_progress_bar_enabled(),
        hub_utils.are_progress_bars_disabled(),
    )


def test_quiet_works_before_transformers_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    with quiet():
        pass
    assert "transformers" not in sys.modules
