from dataclasses import replace

import pytest
import torch
from torch import nn

from interpviz.cam import CAM
from interpviz.cam.engine.inputs import prepare
from interpviz.cam.engine.run import Run


class PooledLinear(nn.Module):
    """A convolution, an operation behind it, the mean over positions, and a linear layer."""

    def __init__(self, channels: int = 4, classes: int = 3, after: nn.Module | None = None):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.after = after or nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, classes)

    def forward(self, x):
        return self.head(self.pool(self.after(self.conv(x))).flatten(1))


@pytest.fixture
def pooled_linear():
    """Makes small networks whose head is linear in the pooled activations."""

    def make(**options) -> PooledLinear:
        return PooledLinear(**options).eval()

    return make


@pytest.fixture
def images():
    return torch.rand(3, 3, 8, 8)


@pytest.fixture
def run_of():
    """Runs a model as a method would, and gives the run."""

    def make(cam: CAM, images: torch.Tensor, target: object) -> Run:
        run = cam._run(prepare(images, cam.model))
        return replace(run, target=cam._choose(target, run.trace.output, run.inputs.count))

    return make
