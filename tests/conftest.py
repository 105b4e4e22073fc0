import os

os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib.pyplot as plt
import pytest
import torch


@pytest.fixture(autouse=True)
def _tidy():
    torch.manual_seed(0)
    yield
    plt.close("all")
