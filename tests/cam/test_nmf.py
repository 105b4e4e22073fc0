"""Non-negative factorisation against scikit-learn, and by what a minimum must satisfy."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import NMF

from interpviz.cam.engine.nmf import factorize


def mixture(rows: int, columns: int, k: int, noise: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    return drawn(rows, k) ** 3 @ drawn(k, columns) ** 3 + noise * drawn(rows, columns)


def error_of(values: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> float:
    return ((values - left @ right).norm() / values.norm()).item()


@pytest.mark.parametrize(("rows", "columns", "k"), [(60, 20, 4), (20, 60, 3), (90, 40, 6)])
def test_it_is_as_near_as_scikit_learn(rows, columns, k):
    values = mixture(rows, columns, k, 0.05)
    left, right = factorize(values, k)
    reference = NMF(k, init="nndsvd", max_iter=5000, tol=1e-4)
    theirs = reference.fit_transform(values.numpy()), reference.components_
    best = error_of(values, *(torch.from_numpy(part) for part in theirs))
    assert left.min() >= 0
    assert right.min() >= 0
    assert error_of(values, left, right) <= 1.01 * best
    torch.testing.assert_close(right.norm(dim=1), torch.ones(k, dtype=torch.float64))
    # The same factors, up to their scale, once both have settled.
    settled = factorize(values, k, sweeps=5000, tolerance=1e-9)[1]
    units = theirs[1] / np.linalg.norm(theirs[1], axis=1, keepdims=True)
    likeness = (settled.numpy() @ units.T).max(1)
    assert likeness.min() > 0.99


def test_what_has_that_few_factors_is_found_whole():
    values = mixture(50, 30, 4, 0.0)
    assert error_of(values, *factorize(values, 4, sweeps=3000, tolerance=0)) < 1e-4


def test_a_minimum_has_no_way_down():
    values = mixture(40, 25, 3, 0.1)
    left, right = factorize(values, 3, sweeps=5000, tolerance=1e-12)
    for factor, slope in (
        (left, (left @ right - values) @ right.T),
        (right, left.T @ (left @ right - values)),
    ):
        scale = values.norm()
        # At a value above zero the slope is zero, at zero it must not point up.
        assert (slope * (factor > 1e-9)).abs().max() < 1e-4 * scale
        assert slope.min() > -1e-4 * scale


def test_nothing_is_drawn():
    values = mixture(30, 20, 4, 0.1)
    state = torch.random.get_rng_state()
    first, second = factorize(values, 4), factorize(values, 4)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_factors_that_are_not_needed_are_zero():
    left, right = factorize(torch.full((5, 4), 3.0, dtype=torch.float64), 3)
    torch.testing.assert_close(left @ right, torch.full((5, 4), 3.0, dtype=torch.float64))
    assert right.isfinite().all()
    assert right[1:].abs().max() == 0


@pytest.mark.parametrize("scale", [1e-12, 1e9])
def test_scale_goes_through(scale):
    values = mixture(30, 20, 3, 0.1)
    left, right = factorize(values, 3)
    scaled, same = factorize(values * scale, 3)
    torch.testing.assert_close(scaled / scale, left)
    torch.testing.assert_close(same, right)
