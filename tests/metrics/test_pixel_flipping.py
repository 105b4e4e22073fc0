import copy

import numpy as np
import pytest
import torch

from interpviz.errors import InputError
from interpviz.metrics import deletion, insertion
from interpviz.metrics.baselines import baseline_images


def slow_curve(model, images, maps, *, classes, steps, other, inserting):
    """One picture, one pixel and one model call after another, in float64."""
    model = copy.deepcopy(model).double()
    scores = np.zeros((len(images), steps + 1))
    for i, c in enumerate(classes):
        flat = maps[i].flatten().tolist()
        order = sorted(range(len(flat)), key=lambda p: -flat[p])
        width = images.shape[-1]
        for k in range(steps + 1):
            picture = (other if inserting else images)[i].double().clone()
            source = (images if inserting else other)[i].double()
            for p in order[: round(k * len(order) / steps)]:
                picture[:, p // width, p % width] = source[:, p // width, p % width]
            with torch.no_grad():
                row = model(picture[None])[0]
            scores[i, k] = row.softmax(0)[c]
    return scores


@pytest.mark.parametrize("baseline", ["mean", "blur", 0.0, 0.3, torch.rand(3, 1, 1)])
@pytest.mark.parametrize("measure", [insertion, deletion])
def test_curves_are_those_of_a_slow_loop(model, images, maps, measure, baseline):
    steps, classes = 7, [2, 0, 1]
    found = measure(model, images, maps, classes, steps=steps, baseline=baseline, batch_size=4)
    other = baseline_images(images, baseline)
    inserting = measure is insertion
    expected = slow_curve(
        model, images, maps, classes=classes, steps=steps, other=other, inserting=inserting
    )
    np.testing.assert_allclose(found.scores, expected, atol=2e-6)
    by_hand = [
        sum(
            (row[k] + row[k + 1]) / 2 * float(found.fractions[k + 1] - found.fractions[k])
            for k in range(steps)
        )
        for row in expected
    ]
    np.testing.assert_allclose(found.area, by_hand, atol=2e-6)
    assert found.mean == pytest.approx(np.mean(by_hand), abs=2e-6)


def test_logits_of_a_linear_model_fall_by_the_sum_of_what_was_removed(make_model, images):
    model = make_model("linear")
    weight = model.head.weight[1].detach().view(3, 8, 8)
    effect = (weight * images).sum(1)
    found = deletion(model, images, effect, 1, steps=64, baseline=0.0, score="logit")
    falling = effect.flatten(1).sort(1, descending=True).values.cumsum(1)
    start = model(images)[:, 1:2].detach()
    expected = torch.cat([start, start - falling], 1)
    torch.testing.assert_close(found.scores, expected, atol=1e-5, rtol=0)
    # No order is better than that of the true effects.
    for other in (torch.rand(3, 8, 8), -effect, effect.abs()):
        worse = deletion(model, images, other, 1, steps=64, baseline=0.0, score="logit")
        assert (worse.area > found.area).all()


def test_insertion_and_deletion_of_opposite_maps_are_mirror_images(model, images, maps):
    inserted = insertion(model, images, maps, 0, steps=8, baseline=0.0)
    deleted = deletion(model, images, -maps, 0, steps=8, baseline=0.0)
    torch.testing.assert_close(inserted.scores, deleted.scores.flip(1), atol=1e-6, rtol=0)


def test_equal_values_leave_in_random_order_not_row_by_row(make_model, images):
    model = make_model("linear")
    flat = torch.zeros(3, 8, 8)
    seen = []
    handle = model.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    deletion(model, images, flat, 0, steps=2, baseline=100.0)
    handle.remove()
    gone = (seen[1][:3] == 100).all(1)
    assert gone.sum((1, 2)).tolist() == [32, 32, 32]
    assert gone[0, :4].sum() < 28
    first = deletion(model, images, flat, 0, steps=4)
    again = deletion(model, images, flat, 0, steps=4)
    other = deletion(model, images, flat, 0, steps=4, seed=1)
    assert torch.equal(first.scores, again.scores)
    assert not torch.equal(first.scores, other.scores)


def test_more_steps_than_pixels_and_a_single_step(make_model, maps):
    model, tiny = make_model("linear", side=2), torch.rand(2, 3, 2, 2)
    many = deletion(model, tiny, maps[:2, :2, :2], 0, steps=10)
    assert many.fractions[-1] == 1
    assert many.scores.shape == (2, 11)
    one = deletion(model, tiny, maps[:2, :2, :2], 0, steps=1)
    assert one.fractions.tolist() == [0, 1]


def test_a_baseline_may_be_an_array(images):
    colour = np.array([0.1, 0.2, 0.3]).reshape(3, 1, 1)
    found = baseline_images(images, colour)
    assert found.dtype == images.dtype
    assert torch.equal(found, torch.from_numpy(colour).float().expand_as(images))


def test_the_blur_keeps_the_mean_and_takes_the_detail(images):
    smooth = torch.linspace(0, 1, 40).expand(1, 3, 40, 40)
    noisy = smooth + torch.randn(1, 3, 40, 40)
    blurred = baseline_images(noisy, "blur")
    assert (blurred - smooth).std() < 0.3
    torch.testing.assert_close(blurred.mean(), noisy.mean(), atol=0.05, rtol=0)
    constant = torch.full((1, 3, 9, 5), 0.7)
    torch.testing.assert_close(baseline_images(constant, "blur"), constant)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"baseline": "white"}, "baseline"),
        ({"baseline": torch.rand(7)}, "does not fit"),
        ({"baseline": torch.tensor(float("nan"))}, "NaN"),
        ({"score": "loss"}, "probability"),
        ({"batch_size": 0}, "batch_size"),
        ({"baseline": float("nan")}, "finite"),
        ({"baseline": float("inf")}, "finite"),
        ({"baseline": np.zeros(3)}, r"\(3, 1, 1\)"),
        ({"baseline": np.array(["grey"])}, "does not fit"),
        ({"baseline": ["blur"]}, "must be"),
    ],
)
def test_wrong_options_are_refused(make_model, images, maps, options, message):
    with pytest.raises(InputError, match=message):
        deletion(make_model(), images, maps, 0, **options)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.rand(2, 8, 8), "3 images of 8 x 8"),
        (torch.rand(3, 7, 7), "3 images of 8 x 8"),
        (torch.rand(8, 8), "not \\(N, H, W\\)"),
        (torch.full((3, 8, 8), float("nan")), "Map 0 has NaN"),
        ("a map", "pass a tensor"),
    ],
)
def test_maps_that_do_not_fit_are_refused(make_model, images, wrong, message):
    for measure in (insertion, deletion):
        with pytest.raises(InputError, match=message):
            measure(make_model(), images, wrong)


def test_curves_draw_themselves(make_model, images, maps):
    curve = deletion(make_model(), images, maps, 0, steps=4)
    figure = curve.plot()
    ax = figure.axes[0]
    assert len(ax.lines) == 4
    np.testing.assert_allclose(ax.lines[0].get_ydata(), curve.scores.mean(0), rtol=1e-6)
    assert f"{curve.mean:.2f}" in figure.get_label()
    curve.plot(ax, label="another")
    assert [t.get_text() for t in ax.get_legend().get_texts()][1] == "another"
