"""Makes one report many times in children of this process, each killed at another moment.

    python killed.py MODEL IMAGES OUT RUNS SEED

A run is begun again in the same folder until one is left alone. A child counts what it asks of the
file system below the folder, in all of its threads, and kills itself at a number drawn at random.
"""

import itertools
import os
import random
import signal
import sys
from pathlib import Path

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "os.link")


def kill_at(number, out):
    counter = itertools.count(1)

    def hook(event, args):
        named = event in EVENTS and any(out in str(argument) for argument in args)
        if named and next(counter) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def run(model, images, out, number):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    if number:
        kill_at(number, Path(out).name)
    from interpviz.report import build

    build(model, images, out, batch_size=4, workers=2)
    os._exit(0)


def main():
    import torch

    import interpviz.report.building  # noqa: F401

    torch.set_num_threads(1)
    model, images, out, runs, seed = sys.argv[1:]
    draw = random.Random(int(seed))
    deaths = []
    for _ in range(int(runs)):
        status = run(model, images, out, draw.randrange(1, 60))
        deaths.append(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL)
        if draw.random() < 0.5:
            # A line that was being written.
            journal = Path(out) / ".interpviz" / "journal.jsonl"
            if journal.exists() and journal.stat().st_size:
                os.truncate(journal, journal.stat().st_size - draw.randrange(1, 90) % 80)
    last = run(model, images, out, 0)
    print(sum(deaths), last)


main()
