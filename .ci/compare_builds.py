"""Fail unless the second build ran no example and took under a quarter of the first one's time."""

import re
import sys
from pathlib import Path

COLD = 240.0  # seconds for a cold build on two cores, downloads apart
WARM = 15.0  # seconds for a build that runs no example

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
for log, limit, name in ((first, COLD, "first"), (second, WARM, "second")):
    # A busy machine is no fault of the site.
    if seconds(log) > limit:
        print(f"warning: the {name} build took over {limit:.0f} s")
if not ran(first):
    raise SystemExit("The first build ran no example: it did not start from a clean checkout.")
if ran(second) or seconds(second) > seconds(first) / 4:
    raise SystemExit("The second build had to run nothing and take under a quarter of the first.")
