"""Makes reports in children of this process, each killed at another moment.

    python killed.py images|texts MODEL DATA OUT DEATHS SEED

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


def run(build, out, act):
    """How a run in a child ended."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    watch(out, act)
    build(out)
    os._exit(0)


def events_of(build, out):
    """How often a whole run asks something of the file system."""
    read, write = os.pipe()
    assert run(build, out, lambda count: os.write(write, b".")) == 0
    os.close(write)
    return len(os.read(read, 1 << 16))


def shorten(journal, by):
    """Cut off the end, as where a line was being written."""
    if journal.exists() and journal.stat().st_size > by:
        os.truncate(journal, journal.stat().st_size - by)


def die(count, at):
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)


def finish(build, out, events, draw):
    """Begin a report again until it is done; the deaths on the way."""
    for deaths in itertools.count():
        status = run(build, out, partial(die, at=draw.randrange(1, events + 1)))
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            assert status == 0
            return deaths
        if draw.random() < 0.5:
            shorten(out / ".interpviz" / "journal.jsonl", draw.randrange(1, 80))


def builder(kind, model, data):
    """What builds a report in a folder."""
    from interpviz.report import build, build_texts

    if kind == "images":
        return lambda out: build(model, data, out, batch_size=4, workers=2)
    # One at a time: in other batches, as they come after a death, numbers are rounded otherwise.
    return lambda out: build_texts(model, data, out, batch_size=1)


def main():
    import torch

    torch.set_num_threads(1)
    kind, model, data, out, wanted, seed = sys.argv[1:]
    build = builder(kind, model, data)
    draw = random.Random(int(seed))
    events = events_of(build, Path(out) / "undisturbed")
    deaths = 0
    for number in itertools.count():
        if deaths >= int(wanted):
            break
        deaths += finish(build, Path(out) / f"{number:02d}", events, draw)
    print(deaths)


main()
