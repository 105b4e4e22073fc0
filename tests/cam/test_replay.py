"""Running only what lies behind a layer, against running the whole model."""

import copy
import threading
from collections import OrderedDict
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from interpviz.cam import GradCAM
from interpviz.cam.engine.inputs import prepare
from interpviz.cam.engine.replay import Replay


def conv(n=4, m=4):
    return nn.Conv2d(n, m, 3, padding=1)


class Pair(NamedTuple):
    grid: torch.Tensor
    extra: torch.Tensor


class Toy(nn.Module):
    """Two convolutions around the layer, and a head that is not linear."""

    def __init__(self):
        super().__init__()
        self.stem = conv(3)
        self.layer = conv()
        self.tail = conv()
        self.head = nn.Linear(4, 3)

    def finish(self, x):
        return self.head(F.relu(self.tail(x)).mean((2, 3)))

    def forward(self, x):
        return self.finish(self.layer(self.stem(x)))


class SkipsAroundIt(Toy):
    def __init__(self):
        super().__init__()
        self.down, self.up = conv(), nn.Sequential(conv(8, 4), nn.ReLU(inplace=True))

    def forward(self, x):
        wide = self.stem(x)
        deep = self.layer(F.max_pool2d(self.down(wide), 2))
        joined = torch.cat([F.interpolate(deep, scale_factor=2), wide], 1)
        return self.finish(self.up(joined) + x.mean(1, keepdim=True))


class InPlaceEverywhere(Toy):
    def forward(self, x):
        stem = self.stem(x)
        same = F.relu_(stem)
        same += 0.5
        out = self.layer(stem)
        out += stem
        return self.finish(F.relu(out, inplace=True))


class RunsTwice(Toy):
    def forward(self, x):
        return self.finish(self.layer(F.relu(self.layer(self.stem(x)))))


class SharedActivation(Toy):
    def __init__(self):
        super().__init__()
        self.layer = nn.ReLU(inplace=True)
        self.block = nn.Sequential(conv(), self.layer, conv(), self.layer)

    def forward(self, x):
        return self.finish(self.layer(self.tail(self.block(self.layer(self.stem(x))))))


class SharedBehindIt(Toy):
    def __init__(self):
        super().__init__()
        self.act = nn.Hardswish()

    def forward(self, x):
        return self.head(
            self.act(self.tail(self.act(self.layer(self.act(self.stem(x)))))).mean((2, 3))
        )


class TwoTowers(Toy):
    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(OrderedDict(stem=self.stem, layer=self.layer))

    def forward(self, x):
        return self.finish(self.tower(x.flip(3)) * 0.5 + self.tower(x).sigmoid())


class TupleFromIt(Toy):
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = conv()

        def forward(self, x):
            return Pair(self.inner(x), x * 2)

    def __init__(self):
        super().__init__()
        self.layer = self.Layer()

    def forward(self, x):
        grid, extra = self.layer(self.stem(x))
        return {"logits": self.finish(grid + extra.relu()), "kept": [grid, None]}


class DictBeforeIt(Toy):
    class Stem(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = conv(3)

        def forward(self, x):
            return {"low": self.inner(x), "size": x.shape[2:], "none": None}

    def __init__(self):
        super().__init__()
        self.stem = self.Stem()

    def forward(self, x):
        found = self.stem(x)
        return self.finish(self.layer(found["low"]) * found["low"].sigmoid())


class Windows(Toy):
    """A module on the way has four rows an image, one a window."""

    def forward(self, x):
        n, _, h, w = x.shape
        cut = x.unfold(2, h // 2, h // 2).unfold(3, w // 2, w // 2)
        rows = self.stem(cut.permute(0, 2, 3, 1, 4, 5).flatten(0, 2))
        grid = rows.view(n, 2, 2, 4, h // 2, w // 2).permute(0, 3, 1, 4, 2, 5).reshape(n, 4, h, w)
        return self.finish(self.layer(grid.relu()) * grid)


class SequenceFirst(Toy):
    """Tokens as (length, batch, channel), as in older transformers."""

    def __init__(self):
        super().__init__()
        self.before, self.layer, self.after = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        tokens = self.before(self.stem(x).flatten(2).permute(2, 0, 1))
        return self.after((tokens + self.layer(tokens)).sigmoid()).amax(0)


class HookedTrunk(Toy):
    """Hooks of the user's own change what modules get and return."""

    def __init__(self):
        super().__init__()
        self.stem.register_forward_hook(lambda _m, _a, out: out * 3)
        self.tail.register_forward_pre_hook(lambda _m, args: (args[0] + 1,))


WHOLE_PARTS = [
    Toy,
    SkipsAroundIt,
    InPlaceEverywhere,
    RunsTwice,
    SharedActivation,
    SharedBehindIt,
    TwoTowers,
    TupleFromIt,
    DictBeforeIt,
    Windows,
    SequenceFirst,
    HookedTrunk,
]


class InAList(Toy):
    """The layer is called by way of a plain list, which a copy of the modules does not know."""

    def __init__(self):
        super().__init__()
        self.listed = [self.stem, self.layer]

    def forward(self, x):
        for each in self.listed:
            x = each(x)
        return self.finish(x)


class InAClosure(Toy):
    def __init__(self):
        super().__init__()
        layer = self.layer
        self.call = lambda x: layer(x)

    def forward(self, x):
        return self.finish(self.call(self.stem(x)))


class ForwardOfItsOwn(Toy):
    def __init__(self):
        super().__init__()
        inner = self.forward
        self.forward = lambda x: inner(x) * 2


class PartlyScripted(Toy):
    def __init__(self):
        super().__init__()
        self.tail = torch.jit.script(self.tail)


class PassedOnAsides(Toy):
    """The layer's input is changed in place by a module that then is not run again."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        stem = self.stem(x)
        before = stem * 2
        self.act(stem)
        return self.finish(self.layer(before) + stem)


NOT_IN_PARTS = [InAList, InAClosure, ForwardOfItsOwn, PartlyScripted, PassedOnAsides]


def run_of(model, images, layer="layer", target=1, **options):
    cam = GradCAM(model, layer, **options)
    run = cam._run(prepare(images, cam.model))
    return replace(run, target=cam._choose(target, run.trace.output, run.inputs.count))


def variants(run, count=3):
    """Changed activations: with values of their own in each row."""
    activation = run.trace.activations[0].detach()
    return activation + torch.randn(count, *activation.shape, dtype=activation.dtype)


def directly(run, index, activations):
    """One run of the model for each variant, with a hook on the layer's last call."""
    layer, calls, found = run.layers[index], [], []
    handle = layer.register_forward_hook(lambda *_: calls.append(1))
    run.inputs.run(run.model)
    handle.remove()
    for activation in activations:
        seen = []

        def put(_module, _args, output, activation=activation, seen=seen):
            seen.append(1)
            if len(seen) < len(calls):
                return output
            activation = activation.clone()
            return activation if isinstance(output, torch.Tensor) else Pair(activation, output[1])

        handle = layer.register_forward_hook(put)
        with torch.no_grad():
            output = run.inputs.run(run.model)
        handle.remove()
        logits = output["logits"] if isinstance(output, dict) else output
        found.append(logits[:, 1])
    return torch.stack(found)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", [*WHOLE_PARTS, *NOT_IN_PARTS])
def test_scores_are_those_of_the_whole_model(kind, count):
    torch.manual_seed(0)
    model = kind().double().eval()
    run = run_of(model, torch.rand(count, 3, 8, 8))
    activations = variants(run)
    expected = directly(run, 0, activations)
    assert (expected - run.score.detach()).abs().min() > 1e-6
    replay = Replay(run)
    assert replay.head_only == (kind in WHOLE_PARTS)
    torch.testing.assert_close(replay.scores(activations.clone()), expected)
    torch.testing.assert_close(replay.scores(activations[:1].clone()), expected[:1])
    torch.testing.assert_close(replay.scores(activations.clone()), expected)
    whole = Replay(run, whole=True)
    assert not whole.head_only
    torch.testing.assert_close(whole.scores(activations.clone()), expected)


def made(name):
    if name == "vit":
        model = torchvision.models.VisionTransformer(32, 8, 3, 2, 16, 32, num_classes=5)
        # It starts with a head of zeros.
        nn.init.normal_(model.heads.head.weight)
        return model
    if name == "swin":
        return torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=5)
    given = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    return getattr(torchvision.models, name)(num_classes=5, **given)


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("resnet18", "layer4.1.bn2", 64),
        ("resnet18", "layer1.0.conv2", 32),
        ("densenet121", "features.denseblock3.denselayer2.norm2", 32),
        ("mobilenet_v3_small", "features.4.block.1", 32),
        ("vit", "encoder.layers.encoder_layer_1.ln_2", 32),
        ("swin", "features.1.1.norm2", 64),
        ("googlenet", "inception5a.branch2", 64),
    ],
)
def test_only_the_head_of_known_architectures_runs(name, layer, size):
    torch.manual_seed(0)
    model = made(name).double().eval()
    run = run_of(model, torch.rand(2, 3, size, size), layer)
    activations = variants(run, 2)
    called = []
    first = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    replay = Replay(run)
    handle = first.register_forward_hook(lambda *_: called.append(1))
    found = replay.scores(activations.clone())
    handle.remove()
    assert replay.head_only
    assert called == []
    torch.testing.assert_close(found, directly(run, 0, activations))


def test_several_inputs_follow_the_groups():
    class Conditioned(Toy):
        def forward(self, scale, x, *, shift):
            return super().forward(x * scale[:, None, None, None]) * scale[:, None] + shift

    model = Conditioned().double().eval()
    given = {"scale": torch.rand(2), "x": torch.rand(2, 3, 8, 8), "shift": torch.rand(2, 3)}
    run = run_of(model, given)
    activations = variants(run)
    replay = Replay(run)
    assert replay.head_only
    torch.testing.assert_close(replay.scores(activations.clone()), directly(run, 0, activations))


def test_a_list_of_images():
    class Listed(Toy):
        def forward(self, images):
            return super().forward(torch.stack(list(images)))

    run = run_of(Listed().double().eval(), [torch.rand(3, 8, 8) for _ in range(2)])
    activations = variants(run)
    replay = Replay(run)
    assert replay.head_only
    torch.testing.assert_close(replay.scores(activations.clone()), directly(run, 0, activations))


def test_each_image_keeps_its_own_target():
    run = run_of(Toy().double().eval(), torch.rand(2, 3, 8, 8), target=[2, 0])
    activations = variants(run)
    found = Replay(run).scores(activations.clone())
    for image, target in enumerate((2, 0)):
        other = replace(run_of(run.model, run.inputs.images, target=target))
        expected = Replay(other).scores(activations.clone())[:, image]
        torch.testing.assert_close(found[:, image], expected)


def test_a_layer_behind_another_one():
    run = run_of(Toy().double().eval(), torch.rand(2, 3, 8, 8), ["stem", "tail"])
    activations = run.trace.activations[1].detach() + torch.randn(3, 2, 4, 8, 8)
    expected = directly(run, 1, activations)
    torch.testing.assert_close(Replay(run, 1).scores(activations.clone()), expected)


def test_variants_of_a_run_are_replayed_together():
    images = torch.rand(2, 3, 8, 8)
    run = run_of(Toy().double().eval(), images, target=[2, 0])
    grouped = run.variants(torch.stack([run.inputs.images, run.inputs.images * 2]))
    activation = grouped.trace.activations[0].detach()
    found = Replay(grouped).scores(torch.stack([activation, activation * 0]))
    torch.testing.assert_close(found[0], grouped.score.detach())
    alone = Replay(run).scores(activation.view(2, 2, *activation.shape[1:]) * 0)
    torch.testing.assert_close(found[1], alone.flatten())


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", [Toy, SkipsAroundIt, InPlaceEverywhere, RunsTwice])
def test_the_output_can_be_differentiated(kind, whole):
    torch.manual_seed(0)
    run = run_of(kind().double().eval(), torch.rand(2, 3, 8, 8))
    replay = Replay(run, whole=whole)
    [expected] = run.trace.gradients(run.score)
    activation = run.trace.activations[0].detach().requires_grad_()
    output = replay.output(activation)
    [found] = torch.autograd.grad(output[:, 1].sum(), activation)
    torch.testing.assert_close(found, expected)
    assert not replay.output(activation.detach()).requires_grad
    half = activation.detach() * 0.5
    half.requires_grad_()
    doubled = replay.output(torch.cat([half * 2, half]))
    torch.testing.assert_close(doubled[:2], run.trace.output.detach())
    [slope] = torch.autograd.grad(doubled[:2, 1].sum(), half)
    torch.testing.assert_close(slope, 2 * expected)
    assert all(p.grad is None for p in run.model.parameters())


def state_of(model):
    """Everything of a model's modules: flags, hooks, tensors and other attributes."""
    return [
        (
            {
                k: v
                for k, v in vars(m).items()
                if not k.startswith("_") or k == "_is_hf_initialized"
            },
            {k: list(v.items()) for k, v in vars(m).items() if "_hooks" in k and v is not None},
            m.training,
            {k: id(v) for k, v in m._modules.items()},
            {
                k: (id(v), v._version)
                for k, v in [*m._parameters.items(), *m._buffers.items()]
                if v is not None
            },
        )
        for m in model.modules()
    ]


@pytest.mark.parametrize("kind", [*WHOLE_PARTS, InAList])
def test_the_model_is_left_alone(kind):
    model = kind()
    model.norm = nn.BatchNorm2d(4)
    model.tail.register_forward_pre_hook(lambda *_: None)
    model.train()
    model.stem.eval()
    values = copy.deepcopy(model.state_dict())
    before = state_of(model)
    run = run_of(model, torch.rand(2, 3, 8, 8))
    for whole in (False, True):
        Replay(run, whole=whole).scores(variants(run))
    assert state_of(model) == before
    torch.testing.assert_close(model.state_dict(), values, rtol=0, atol=0)


@pytest.mark.parametrize("whole", [False, True])
def test_the_model_is_left_alone_after_an_exception(whole):
    class Fragile(Toy):
        broken = False

        def finish(self, x):
            if self.broken:
                raise ZeroDivisionError
            return super().finish(x)

    model = Fragile().train()
    run = run_of(model, torch.rand(2, 3, 8, 8))
    replay = Replay(run, whole=whole)
    before = state_of(model)
    Fragile.broken = True
    for broken in (replay.scores, lambda a: Replay(run).scores(a)):
        with pytest.raises(ZeroDivisionError):
            broken(variants(run))
    assert state_of(model) == before
    assert torch.is_grad_enabled()


def test_two_threads_replay_one_model():
    torch.manual_seed(0)
    model = InPlaceEverywhere().double().train()
    before = state_of(model)
    runs = [run_of(model, torch.rand(2, 3, 8, 8), target=i) for i in range(2)]
    given = [variants(run) for run in runs]
    expected = [Replay(run).scores(a.clone()) for run, a in zip(runs, given, strict=True)]
    wrong = []

    def work(i):
        for turn in range(10):
            replay = Replay(runs[i], whole=bool(turn % 2))
            if (replay.scores(given[i].clone()) - expected[i]).abs().max() > 1e-9:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert state_of(model) == before


def test_what_nobody_asks_for_is_not_kept():
    layers = [conv(3), nn.ReLU(inplace=True), nn.MaxPool2d(2), conv(), nn.ReLU(inplace=True)]
    model = nn.Sequential(nn.Sequential(*layers), nn.Flatten(), nn.Linear(64, 3)).eval()
    replay = Replay(run_of(model, torch.rand(1, 3, 8, 8), "0.4"))
    recorded = [k for s in replay._way._stand_ins.values() for k in s._outputs]
    assert len(recorded) == 5
    assert [k for k in recorded if k.value is not None] == []
