"""Hold the second of two builds, in which nothing had changed, to running nothing and to its time.

    python .ci/compare_builds.py FIRST.log SECOND.log

What a build says at its end is the time of all of it, MkDocs' own included. On a quiet machine with
two cores a cold build has 240 s, downloads apart, and one that runs no example 15 s: above that a
line warns. The second build fails the gate above 30 s, which leaves as much again to a busy
machine, and above a quarter of the first one's time, which holds however slow the machine is.
"""

import re
import sys
from pathlib import Path

COLD, WARM = 240.0, 15.0  # seconds on a quiet machine
LIMIT = 30.0  # seconds of the second build on any
SHARE = 1 / 4  # of the first build's time

first, second = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3])


def seconds(log: str) -> float:
    """How long a build says that it took."""
    return float(re.findall(r"Documentation built in ([\d.]+) seconds", log)[-1])


def ran(log: str) -> int:
    """How many examples a build says that it ran, in its workers or in its own process."""
    by_workers = re.findall(r"Ran (\d+) examples? in", log)
    by_plugin = re.findall(r"successfully executed (\d+) out of", log)
    return sum(map(int, [*by_workers, *by_plugin]))


print(f"first build:  {ran(first)} examples, {seconds(first):.1f} s")
print(f"second build: {ran(second)} examples, {seconds(second):.1f} s")
for log, bar, name in ((first, COLD, "first"), (second, WARM, "second")):
    if seconds(log) > bar:
        print(f"warning: the {name} build took over {bar:.0f} s")
if not ran(first):
    raise SystemExit("The first build ran no example: it did not start from a clean checkout.")
if ran(second):
    raise SystemExit("The second build ran examples.")
if seconds(second) > LIMIT:
    raise SystemExit(f"The second build took over {LIMIT:.0f} s.")
if seconds(second) > SHARE * seconds(first):
    raise SystemExit("The second build took over a quarter of the first.")
