import os

os.environ.setdefault("MPLBACKEND", "Agg")
# Networks of a test are so small that threads wait for each other longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib.pyplot as plt
import pytest
import torch


@pytest.fixture(autouse=True)
def _tidy():
    torch.manual_seed(0)
    yield
    plt.close("all")
