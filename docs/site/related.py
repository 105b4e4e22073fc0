"""Which examples stand near each other: those that share rare names and models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from layout import Example
from uses import Uses

COUNT = 3


def related(example: Example, found: Mapping[Example, Uses], count: int = COUNT) -> list[Example]:
    """The examples nearest to one.

    A name or model counts the more, the fewer examples have it. Of equals, the one in the same
    section goes first, then the one that stands earlier in the gallery.

    Args:
        example: The example.
        found: What every example uses, in the gallery's order.
        count: How many are wanted.
    """
    frequency = Counter(thing for used in found.values() for thing in things(used))
    mine = things(found[example])

    def nearness(other: Example) -> tuple[float, bool]:
        # Summed in a fixed order, or the last bits would depend on the run.
        shared = sorted(frequency[thing] for thing in mine & things(found[other]))
        return sum(1 / times for times in shared), other.folder == example.folder

    others = [other for other in found if other != example]
    return sorted(others, key=nearness, reverse=True)[:count]


def things(used: Uses) -> set[str]:
    """Names and models of an example as one set, in which they cannot be mixed up."""
    return {*used.names, *(f"model {name}" for name in used.models)}
