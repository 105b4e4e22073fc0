"""Makes reports in children of this process, each killed at another moment.

    python killed.py MODEL IMAGES OUT DEATHS SEED

A run is begun again in the same folder until one is left alone; then another report is begun, in a
folder of its own in OUT, until there were as many deaths as wanted. A child counts what it asks of
the file system there, in all of its threads, and kills itself at a number drawn at random out of
those that a whole run has.
"""

import itertools
import os
import random
import signal
import sys
from functools import partial
from pathlib import Path

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "os.link")


def watch(out, act):
    """Call `act` with 1, 2, 3 ... whenever something is asked of the file system in a folder."""
    counter = itertools.count(1)

    def hook(event, args):
        if event in EVENTS and any(str(out) in str(argument) for argument in args):
            act(next(counter))

    sys.addaudithook(hook)


def run(model, images, out, act):
    """How a run in a child ended."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    from interpviz.report import build

    watch(out, act)
    build(model, images, out, batch_size=4, workers=2)
    os._exit(0)


def events_of(model, images, out):
    """How often a whole run asks something of the file system."""
    read, write = os.pipe()
    assert run(model, images, out, lambda count: os.write(write, b".")) == 0
    os.close(write)
    return len(os.read(read, 1 << 16))


def shorten(journal, by):
    """Cut off the end, as where a line was being written."""
    if journal.exists() and journal.stat().st_size > by:
        os.truncate(journal, journal.stat().st_size - by)


def die(count, at):
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)


def finish(model, images, out, events, draw):
    """Begin a report again until it is done; the deaths on the way."""
    for deaths in itertools.count():
        status = run(model, images, out, partial(die, at=draw.randrange(1, events + 1)))
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            assert status == 0
            return deaths
        if draw.random() < 0.5:
            shorten(out / ".interpviz" / "journal.jsonl", draw.randrange(1, 80))


def main():
    import torch

    import interpviz.report.building  # noqa: F401

    torch.set_num_threads(1)
    model, images, out, wanted, seed = sys.argv[1:]
    draw = random.Random(int(seed))
    events = events_of(model, images, Path(out) / "undisturbed")
    deaths = 0
    for number in itertools.count():
        if deaths >= int(wanted):
            break
        deaths += finish(model, images, Path(out) / f"{number:02d}", events, draw)
    print(deaths)


main()
