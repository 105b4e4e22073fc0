"""The process in which examples run: as many threads on every machine, and a quiet one."""

from __future__ import annotations

import os
import random
import sys
import warnings
from functools import partialmethod

from tqdm.std import tqdm

# The number of threads changes the last bits of a result, and with them a picture's bytes. One,
# because several examples run at a time.
THREADS = 1

# What torch begins with where nobody sets a seed.
_TORCH_SEED = 67280421310721

_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "MPLBACKEND": "Agg",
    # The order of sets of strings, in processes that start from here on.
    "PYTHONHASHSEED": "0",
}


def prepare() -> None:
    """Set what has to stand before torch, transformers and matplotlib are first imported.

    What an example writes to standard error stands on its page, so progress bars are off.
    """
    os.environ.update(_QUIET)
    os.environ.update(OMP_NUM_THREADS=str(THREADS), MKL_NUM_THREADS=str(THREADS))
    # The gallery plugin has imported tqdm by now, which read its variable then.
    tqdm.__init__ = partialmethod(tqdm.__init__, disable=True)


def settle() -> None:
    """Begin an example as if it were the first of its process.

    The number of threads and the random state are set, and warnings that mean nothing to a reader
    are left out.
    """
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(THREADS)
        torch.manual_seed(_TORCH_SEED)
        # Else what torch says once a process stands on whichever page comes first.
        torch.set_warn_always(True)
    warnings.resetwarnings()
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning):
        warnings.simplefilter("ignore", category)
