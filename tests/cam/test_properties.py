"""What holds for every method, whatever the images, the target and the options are."""

import threading

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from interpviz.cam import CAM, methods
from interpviz.errors import ZeroMapWarning

few = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
pytestmark = pytest.mark.filterwarnings("ignore::interpviz.errors.ZeroMapWarning")


class Blocks(nn.Module):
    """A small transformer over patches of four pixels, which every method can explain."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        layers = [nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(2)]
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.layers(tokens)).mean(1))


class Convolutions(nn.Module):
    """A small network with a head that bends."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, stride=2), nn.BatchNorm2d(6))
        self.after = nn.ReLU(inplace=True)
        self.head = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))

    def forward(self, x):
        return self.head(self.after(self.trunk(x)).mean((2, 3)))


def network(name: str) -> tuple[nn.Module, str | None]:
    torch.manual_seed(3)
    return (Blocks(), None) if name == "legrad" else (Convolutions(), "trunk")


def everything(model: nn.Module) -> list:
    """All that a caller could notice: values, flags, gradients and hooks."""
    return [
        (
            name,
            module.training,
            len(module._forward_hooks) + len(module._forward_pre_hooks),
            sorted(k for k in vars(module) if k != "_explained"),
            [(p.requires_grad, p.grad is None, p.tolist()) for p in module.parameters(False)],
            [b.tolist() for b in module.buffers(False)],
        )
        for name, module in model.named_modules()
    ]


@pytest.mark.parametrize("name", methods())
@few
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(2, 5), st.integers(2, 5)),
    scale=st.sampled_from([True, False, "batch"]),
    signed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_shapes_ranges_and_one_by_one(name, shape, scale, signed, seed):
    count, height, width = shape
    model, layer = network(name)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, 4 * height, 4 * width, generator=generator)
    targets = torch.randint(0, 3, (count,), generator=generator).tolist()
    cam = CAM.from_name(name)(model, layer, signed=signed)
    maps = cam(images, targets, normalize=scale)
    assert maps.shape == (count, 4 * height, 4 * width)
    assert maps.dtype == torch.float32
    assert maps.isfinite().all()
    assert not maps.requires_grad
    assert signed or maps.min() >= 0
    if scale is not False:
        assert maps.abs().max() <= 1 + 1e-6
    if scale != "batch":
        pairs = zip(images, targets, strict=True)
        single = torch.cat([cam(image[None], t, normalize=scale) for image, t in pairs])
        torch.testing.assert_close(maps, single, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", methods())
@few
@given(
    training=st.booleans(), frozen=st.booleans(), fault=st.sampled_from(["no", "target", "score"])
)
def test_the_model_and_the_random_state_stay_as_they_were(name, training, frozen, fault):
    model, layer = network(name)
    model.train(training).requires_grad_(not frozen)
    before, state = everything(model), torch.get_rng_state()
    targets = {"no": 1, "target": 77, "score": lambda logits: logits[:, 0] / {}["x"]}[fault]
    cam = CAM.from_name(name)(model, layer)
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    try:
        cam(images, targets)
        failed = False
    except (ValueError, KeyError):
        failed = True
    assert failed == (fault == "target" or (fault == "score" and cam.asks_for_score))
    assert everything(model) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", methods())
def test_two_threads_see_what_one_sees(name):
    model, layer = network(name)
    model.train()
    before = everything(model)
    batches = [torch.rand(2, 3, 8, 8) for _ in range(2)]
    cams = [CAM.from_name(name)(model, layer) for _ in range(2)]
    expected = [cam(b, [0, 1]) for cam, b in zip(cams, batches, strict=True)]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(5):
            if not torch.allclose(cams[i](batches[i], [0, 1]), expected[i], atol=1e-5):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert everything(model) == before


def test_a_map_that_vanishes_is_said_to():
    model, layer = network("gradcam")
    nn.init.zeros_(model.head[2].weight)
    with pytest.warns(ZeroMapWarning, match="class 1 at layer 'trunk'"):
        CAM.from_name("gradcam")(model, layer)(torch.rand(1, 3, 8, 8), 1)
