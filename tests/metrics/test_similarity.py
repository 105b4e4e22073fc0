import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata, spearmanr
from skimage.metrics import structural_similarity as skimage_ssim

from interpviz.errors import InputError
from interpviz.metrics import rank_correlation, structural_similarity
from interpviz.metrics.similarity import average_ranks


@pytest.mark.parametrize("levels", [2, 5, 10**6])
@pytest.mark.parametrize("size", [(1, 2), (7, 7), (33, 20)])
def test_rank_correlation_is_scipys(levels, size):
    a = (torch.rand(6, *size) * levels).floor() / levels
    b = (0.5 * a + 0.5 * torch.rand(6, *size) * levels).floor()
    with np.errstate(invalid="ignore"):
        pairs = zip(a.double().numpy(), b.double().numpy(), strict=True)
        expected = [
            spearmanr(x.ravel(), y.ravel()).statistic if np.ptp(x) and np.ptp(y) else np.nan
            for x, y in pairs
        ]
    np.testing.assert_allclose(rank_correlation(a, b), expected, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (3, 12), elements=st.sampled_from([-1e30, -2.5, 0, 1e-30, 1, 7])))
def test_equal_values_share_the_mean_of_their_ranks(values):
    expected = [(rankdata(row) - 1) / 11 for row in values]
    np.testing.assert_allclose(average_ranks(torch.from_numpy(values)), expected, atol=1e-6)


def test_only_the_order_counts():
    a = torch.rand(4, 9, 9)
    same = [rank_correlation(a, b) for b in (a, 3 * a - 1, a**5, a.exp(), a.numpy(), a.double())]
    for found in same:
        torch.testing.assert_close(found, torch.ones(4))
    torch.testing.assert_close(rank_correlation(a, -a), -torch.ones(4))


def test_a_map_without_an_order_has_no_correlation():
    a = torch.rand(2, 5, 5)
    for flat in (torch.zeros(2, 5, 5), torch.full((2, 5, 5), 0.1)):
        assert rank_correlation(a, flat).isnan().all()
        assert rank_correlation(flat, a).isnan().all()


def test_large_maps_keep_their_precision():
    a, b = torch.rand(2, 1, 224, 224)
    expected = spearmanr(a.ravel(), b.ravel()).statistic
    assert rank_correlation(a, b).item() == pytest.approx(expected, abs=1e-5)
    assert rank_correlation(a, a).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("size", [(11, 11), (32, 20)])
def test_structural_similarity_is_skimages(size):
    a = torch.rand(4, *size)
    b = (a + 0.3 * torch.rand(4, *size)).clamp(0, 1)
    b[1], b[2] = a[1], 1 - a[2]
    expected = [
        skimage_ssim(
            x, y, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for x, y in zip(a.double().numpy(), b.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(structural_similarity(a, b), expected, atol=2e-5)


def test_maps_of_zeros_look_alike():
    zeros = torch.zeros(1, 12, 12)
    assert structural_similarity(zeros, zeros).item() == pytest.approx(1)
    assert structural_similarity(zeros, torch.ones(1, 12, 12)).item() < 0.01


@pytest.mark.parametrize("measure", [rank_correlation, structural_similarity])
def test_maps_that_cannot_be_compared_are_refused(measure):
    good = torch.rand(2, 12, 12)
    for wrong in (torch.rand(3, 12, 12), torch.rand(2, 12, 13), torch.rand(12, 12), good * np.nan):
        with pytest.raises(InputError):
            measure(good, wrong)


def test_structural_similarity_needs_room_and_a_scale():
    with pytest.raises(InputError, match="window"):
        structural_similarity(torch.rand(1, 10, 30), torch.rand(1, 10, 30))
    with pytest.raises(InputError, match="maximum"):
        structural_similarity(torch.rand(1, 12, 12) * 3, torch.rand(1, 12, 12))


@pytest.mark.parametrize("measure", [rank_correlation, structural_similarity])
def test_autocast_takes_no_digits(measure):
    a = torch.rand(3, 20, 16)
    b = (a + 0.05 * torch.rand(3, 20, 16)).clamp(0, 1)
    expected = measure(a, b)
    with torch.autocast("cpu", torch.bfloat16):
        found = measure(a, b)
        assert torch.is_autocast_enabled("cpu")
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_nearly_equal_maps_of_little_contrast_keep_their_digits():
    a = 0.9 + 0.001 * torch.rand(2, 30, 30)
    b = 0.9 + 0.001 * torch.rand(2, 30, 30)
    expected = [
        skimage_ssim(
            x, y, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for x, y in zip(a.double().numpy(), b.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(structural_similarity(a, b), expected, atol=1e-6)
