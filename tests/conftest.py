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


# The helpers of several folders of tests. At the end of the path, so that they hide nothing.
if (helpers := str(Path(__file__).parent / "site")) not in sys.path:
    sys.path.append(helpers)


@pytest.fixture(scope="session")
def browser():
    """A real browser; one for all tests, since playwright runs once in a thread."""
    from browser import chromium, launch

    if chromium() is None:
        pytest.skip("no Chromium on this machine")
    with launch() as started:
        yield started


@pytest.fixture
def small_disk(tmp_path):
    """A real file system with 16 MiB of room."""
    from small_disk import mounted

    with mounted(tmp_path / "disk", "16m") as disk:
        yield disk
