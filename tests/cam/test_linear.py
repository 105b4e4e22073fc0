"""What is proved to be affine, and that nothing else is."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from interpviz.cam.engine.linear import is_affine


class Layers(nn.Module):
    """What the heads below are made of."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(6)
        self.linear = nn.Linear(6, 4)
        self.other = nn.Linear(4, 4)


def mean(x):
    return x.mean((2, 3))


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


AFFINE = {
    "mean": lambda m, a: m.linear(mean(a)),
    "pool and flatten": lambda m, a: m.linear(F.adaptive_avg_pool2d(a, 1).flatten(1)),
    "average pool": lambda m, a: m.linear(mean(F.avg_pool2d(a, 2))),
    "two linear layers": lambda m, a: m.other(m.linear(mean(a))),
    "linear at each position": lambda m, a: m.linear(a.permute(0, 2, 3, 1)).mean((1, 2)),
    "tokens": lambda m, a: (a.flatten(2).transpose(1, 2) @ m.linear.weight.T)[:, 3],
    "batch norm in place of numbers": lambda m, a: m.linear(mean(m.norm(a))),
    "convolution": lambda m, a: m.linear(mean(F.conv2d(a, torch.ones(6, 6, 3, 3).to(a)))),
    "sums and scales": lambda m, a: 3 - m.linear(mean(a / 7 + 2 * a.flip(3) - 1)),
    "in place": lambda m, a: m.linear(mean(a.mul_(2).add_(1))),
    "joined": lambda m, a: torch.cat([m.linear(mean(a)), m.linear(mean(a * 2))], 1),
    "picked": lambda m, a: m.linear(a[:, :, 2:4, ::2].sum((2, 3))).index_select(
        1, torch.tensor([1, 0, 2])
    ),
    "other precision": lambda m, a: m.linear(mean(a).to(torch.float64).to(a.dtype)),
    "interpolated": lambda m, a: m.linear(mean(F.interpolate(a, 16, mode="bilinear"))),
    "gated by what is constant": lambda m, a: m.linear(mean(a)) * m.other.weight.sigmoid()[0],
}

NOT_AFFINE = {
    "relu": lambda m, a: m.linear(mean(a.relu())),
    "relu in place": lambda m, a: m.linear(mean(F.relu(a, inplace=True))),
    "max pool": lambda m, a: m.linear(mean(F.max_pool2d(a, 2))),
    "maximum": lambda m, a: m.linear(a.amax((2, 3))),
    "softmax": lambda m, a: m.linear(mean(a)).softmax(1),
    "product of two branches": lambda m, a: m.linear(mean(a) * mean(a + 1)),
    "attention": lambda m, a: m.linear(
        mean(a.flatten(2).softmax(2)[..., None] * a.flatten(2)[..., None])
    ),
    "division by its norm": lambda m, a: m.linear(mean(a) / mean(a).norm(dim=1, keepdim=True)),
    "reciprocal": lambda m, a: m.linear(1 / (3 + mean(a))),
    "squeeze and excite": lambda m, a: m.linear(mean(a * mean(a).sigmoid()[:, :, None, None])),
    "layer norm": lambda m, a: m.linear(F.layer_norm(mean(a), (6,))),
    "instance norm": lambda m, a: m.linear(F.instance_norm(a).pow(3).mean((2, 3))),
    "matrix product with itself": lambda m, a: m.linear((a @ a.transpose(2, 3)).sum((2, 3))),
    "only one of two ways": lambda m, a: m.linear(mean(a)) + m.linear(mean(a).tanh()),
    "chosen by its own values": lambda m, a: m.linear(mean(torch.where(a > 0.1, a, 0.1))),
    "a part written over": lambda m, a: m.linear(mean(a.index_fill(1, torch.tensor([0]), 2))),
    "a function with a gradient of its own": lambda m, a: m.linear(StraightThrough.apply(mean(a))),
    "no way at all": lambda m, a: m.linear(mean(a.detach())) + m.other.bias,
}


@pytest.mark.parametrize("name", [*AFFINE, *NOT_AFFINE])
def test_what_is_affine(name):
    torch.manual_seed(0)
    layers = Layers().double().eval()
    nn.init.uniform_(layers.norm.running_mean)
    nn.init.uniform_(layers.norm.running_var, 0.5, 2)
    leaf = torch.randn(2, 6, 8, 8, dtype=torch.float64, requires_grad=True)
    inner = (leaf * 2).tanh()

    def score(activation):
        # The engine, too, hands on a copy.
        return {**AFFINE, **NOT_AFFINE}[name](layers, activation.clone())[:, 1]

    for activation in (leaf, inner):
        result = score(activation)
        assert is_affine(result, activation) == (name in AFFINE)
        if name in AFFINE:
            [gradient] = torch.autograd.grad(result.sum(), activation, retain_graph=True)
            for k in range(6):
                without = activation.detach().clone()
                without[:, k] = 0
                lost = (gradient * activation)[:, k].sum((1, 2))
                torch.testing.assert_close(lost, result - score(without))
        elif activation is inner:
            assert not is_affine(result, leaf)


def test_batch_norm_with_statistics_of_the_batch_is_not_affine():
    activation = torch.rand(2, 6, 4, 4, requires_grad=True)
    for training in (False, True):
        norm = nn.BatchNorm2d(6).train(training)
        assert is_affine(norm(activation).flatten(1)[:, 0], activation) == (not training)


def test_affine_of_an_inner_tensor_of_the_graph():
    leaf = torch.rand(2, 3, 4, 4, requires_grad=True)
    first, second_half = leaf.relu().unbind(0)
    inner = (leaf * 2).tanh()
    assert is_affine(inner.sum((1, 2, 3)), inner)
    assert not is_affine(inner.sum((1, 2, 3)), leaf)
    assert is_affine(first.sum(), first)
    assert not is_affine(first.sum(), second_half)
    assert is_affine(inner, inner)
    assert not is_affine(inner.detach().sum(), inner)
    assert not is_affine(leaf.sum(), leaf.detach())
