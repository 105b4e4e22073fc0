import copy

import numpy as np
import pytest
import torch
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from interpviz.errors import InputError
from interpviz.metrics import road
from interpviz.metrics.imputation import impute

NEIGHBOURS = [
    (di, dj, 1 / 6 if di == 0 or dj == 0 else 1 / 12)
    for di in (-1, 0, 1)
    for dj in (-1, 0, 1)
    if di or dj
]


def solved_exactly(image, missing):
    """The linear system of the paper, written out and given to a direct solver."""
    channels, height, width = image.shape
    holes = np.argwhere(missing)
    number = {tuple(hole): k for k, hole in enumerate(holes)}
    A, b = lil_matrix((len(holes), len(holes))), np.zeros((len(holes), channels))
    for (i, j), k in number.items():
        for di, dj, weight in NEIGHBOURS:
            place = (i + di, j + dj)
            if not (0 <= place[0] < height and 0 <= place[1] < width):
                continue
            A[k, k] += weight
            if place in number:
                A[k, number[place]] -= weight
            else:
                b[k] += weight * image[:, place[0], place[1]]
    filled = image.copy()
    filled[:, missing] = spsolve(A.tocsc(), b).reshape(-1, channels).T
    return filled


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("size", [(1, 9), (16, 16), (23, 12)])
def test_holes_are_filled_as_by_the_exact_solution(share, size):
    images = torch.randn(3, 2, *size)
    missing = torch.rand(3, 1, *size) < share
    missing[0, 0, :, : int(size[1] * share)] = True
    missing[:, :, -1, -1] = False
    found = impute(images, missing, tolerance=1e-5)
    for image, hole, filled in zip(images, missing, found, strict=True):
        expected = solved_exactly(image.double().numpy(), hole[0].numpy())
        np.testing.assert_allclose(filled, expected, atol=1e-3)
        assert torch.equal(filled[:, ~hole[0]], image[:, ~hole[0]])


def test_a_constant_picture_is_filled_with_its_constant():
    images = torch.full((1, 3, 20, 20), -1.5)
    missing = torch.ones(1, 1, 20, 20, dtype=torch.bool)
    missing[..., 3, 4] = False
    torch.testing.assert_close(impute(images, missing), images, atol=1e-3, rtol=0)


def test_nothing_missing_is_nothing_changed():
    images = torch.rand(2, 3, 5, 5)
    assert torch.equal(impute(images, torch.zeros(2, 1, 5, 5, dtype=torch.bool)), images)


def test_curves_are_those_of_a_slow_loop(model, images, maps):
    classes, fractions = [1, 0, 2], (0.2, 0.6)
    found = road(model, images, maps, classes, fractions=fractions, noise=0, batch_size=4)
    exact = copy.deepcopy(model).double()
    for curve, sign in ((found.morf, -1), (found.lerf, 1)):
        for i, c in enumerate(classes):
            order = (sign * maps[i].double()).flatten().argsort()
            for k, fraction in enumerate((0, *fractions)):
                missing = np.zeros(64, dtype=bool)
                missing[order[: round(fraction * 64)]] = True
                picture = images[i].double().numpy()
                if k:
                    picture = solved_exactly(picture, missing.reshape(8, 8))
                with torch.no_grad():
                    row = exact(torch.from_numpy(picture)[None])[0]
                assert float(curve.scores[i, k]) == pytest.approx(
                    float(row.softmax(0)[c]), abs=5e-4
                )
    torch.testing.assert_close(found.gap, found.lerf.area - found.morf.area)


def test_the_order_of_the_true_effects_has_a_gap_and_its_opposite_the_reverse(make_model, images):
    model = make_model("linear")
    effect = (model.head.weight[1].detach().view(3, 8, 8) * images).sum(1)
    right, wrong = (road(model, images, sign * effect, 1, score="logit") for sign in (1, -1))
    assert (right.gap > 0).all()
    torch.testing.assert_close(right.gap, -wrong.gap, atol=1e-4, rtol=1e-4)


def test_noise_is_seeded_and_only_in_the_holes(make_model, images, maps):
    model, seen = make_model(), []
    handle = model.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    before = torch.get_rng_state()
    for seed, batch in ((0, 64), (0, 2), (1, 64)):
        road(model, images, maps, 0, fractions=[0.25], noise=0.5, seed=seed, batch_size=batch)
    handle.remove()
    assert torch.equal(before, torch.get_rng_state())
    pictures = [torch.cat(part) for part in (seen[:2], seen[2:7], seen[7:])]
    torch.testing.assert_close(pictures[0], pictures[1])
    changed = (pictures[0][3:6] != images).any(1).sum((1, 2))
    assert changed.tolist() == [16, 16, 16]
    assert not torch.equal(pictures[0], pictures[2])


@pytest.mark.parametrize(
    "options",
    [
        {"fractions": []},
        {"fractions": [0.5, 0.2]},
        {"fractions": [1.0]},
        {"fractions": 0.5},
        {"fractions": ["half"]},
        {"noise": -1},
    ],
)
def test_wrong_options_are_refused(make_model, images, maps, options):
    with pytest.raises(InputError):
        road(make_model(), images, maps, 0, **options)


def test_both_curves_are_drawn(make_model, images, maps):
    figure = road(make_model(), images, maps, 0, fractions=[0.5]).plot()
    texts = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert [t.rpartition(" ")[0] for t in texts] == ["most relevant first", "least relevant first"]


def test_by_default_the_error_is_well_below_the_noise():
    images = torch.rand(1, 1, 64, 64).cumsum(2) / 32 - 1
    missing = torch.rand(1, 1, 64, 64) < 0.3
    missing[..., 5:50, 9:60] = True
    expected = solved_exactly(images[0].double().numpy(), missing[0, 0].numpy())
    np.testing.assert_allclose(impute(images, missing)[0], expected, atol=0.005)
