"""When a run ends because its model can explain nothing, which is no matter of its images."""

from __future__ import annotations

from interpviz.errors import InputError, InterpvizError

# Images of one size come together, and the model may refuse that size alone.
_BATCHES = 4
_SMALLEST = 16


class Patience:
    """Bears what a model refuses, as long as it may explain something yet.

    Args:
        what: What it is to explain, such as `"images"`.
        batch_size: How many of them it sees at once.

    Attributes:
        worked: Whether it explained one of them, in this run or an earlier one.
    """

    def __init__(self, what: str, batch_size: int) -> None:
        self._what = what
        self._most = _BATCHES * max(batch_size, _SMALLEST)
        self._refused = 0
        self._last: Exception | None = None
        self.worked = False

    def bear(self, error: Exception) -> None:
        """Note that the model refused one.

        Args:
            error: What it raised.
        """
        self._refused += 1
        self._last = error

    def check(self, *, ended: bool = False) -> None:
        """End the run where nothing can be hoped for.

        Args:
            ended: Whether all of them were tried; else several batches must have come to nothing.

        Raises:
            InterpvizError: The model explained none, and refused more than one.
        """
        least = 2 if ended else self._most
        if self.worked or self._last is None or self._refused < least:
            return
        if isinstance(self._last, InterpvizError):
            raise self._last
        reason = " ".join(str(self._last).split())[:160] or "no reason given"
        raise InputError(
            f"The model can explain none of the first {self._refused} {self._what} "
            f"({type(self._last).__name__}: {reason}): check it with one of them."
        ) from self._last
