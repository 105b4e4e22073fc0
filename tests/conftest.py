import os
import sys
from pathlib import Path

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


@pytest.fixture(scope="session")
def browser():
    """A real browser; one for all tests, since playwright runs once in a thread."""
    folder = str(Path(__file__).parent / "site")
    if folder not in sys.path:
        sys.path.append(folder)
    from browser import chromium, launch

    if chromium() is None:
        pytest.skip("no Chromium on this machine")
    with launch() as started:
        yield started
