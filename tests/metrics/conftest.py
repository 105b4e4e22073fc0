import pytest
import torch
from torch import nn


class Linear(nn.Module):
    """Class scores that are linear in the pixels."""

    def __init__(self, side: int = 8, classes: int = 3):
        super().__init__()
        self.head = nn.Linear(3 * side * side, classes)

    def forward(self, x):
        return self.head(x.flatten(1))


class Convolutional(nn.Module):
    """Convolutions, a normalisation with statistics of its own, and a pooled head."""

    def __init__(self, side: int = 8, classes: int = 3):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.norm.running_mean.normal_(0, 0.3)
        self.norm.running_var.uniform_(0.5, 2)
        self.last = nn.Conv2d(4, 5, 3, padding=1)
        self.head = nn.Linear(5, classes)

    def forward(self, x):
        x = self.norm(self.conv(x)).relu()
        return self.head(self.last(x).relu().mean((2, 3)) * 5)


class Attention(nn.Module):
    """Patches that attend to each other, with a class token."""

    def __init__(self, side: int = 8, classes: int = 3):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        return self.head(x[:, 0]) * 3


KINDS = {"linear": Linear, "convolutional": Convolutional, "attention": Attention}


@pytest.fixture
def make_model():
    """Makes small networks of three architectures."""

    def make(kind: str = "convolutional", **options) -> nn.Module:
        return KINDS[kind](**options).eval()

    return make


@pytest.fixture(params=KINDS)
def model(request):
    return KINDS[request.param]().eval()


@pytest.fixture
def images():
    return torch.rand(3, 3, 8, 8) * 2 - 0.5


@pytest.fixture
def maps():
    return torch.rand(3, 8, 8)


class Counting(nn.Module):
    """A model that keeps the sizes of the batches it was given."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner
        self.batches: list[int] = []

    def forward(self, x):
        self.batches.append(len(x))
        return self.inner(x)


@pytest.fixture
def counting():
    return Counting
