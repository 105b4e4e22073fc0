"""Fail unless the second build ran no example and took under a quarter of the first one's time."""

import re
import sys
from pathlib import Path

BUDGET = 240.0  # seconds for a cold build on two cores, downloads apart

first, second = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3])


def seconds(log: str) -> float:
    """How long a build says that it took."""
    return float(re.findall(r"Documentation built in ([\d.]+) seconds", log)[-1])


def ran(log: str) -> int:
    """How many examples a build says that it ran."""
    return sum(int(n) for n in re.findall(r"successfully executed (\d+) out of", log))


print(f"first build:  {ran(first)} examples, {seconds(first):.1f} s")
print(f"second build: {ran(second)} examples, {seconds(second):.1f} s")
if seconds(first) > BUDGET:
    print(f"warning: the first build took over {BUDGET:.0f} s")
if not ran(first):
    raise SystemExit("The first build ran no example: it did not start from a clean checkout.")
if ran(second) or seconds(second) > seconds(first) / 4:
    raise SystemExit("The second build had to run nothing and take under a quarter of the first.")
