import pytest
import torch
from captum.metrics import infidelity as captum_infidelity

from interpviz.errors import InputError
from interpviz.metrics import infidelity
from interpviz.metrics.infidelity_measure import _Noise, _Squares


def gradients(model, images, target):
    images = images.clone().requires_grad_()
    return torch.autograd.grad(model(images)[:, target].sum(), images)[0]


def test_the_gradient_of_a_linear_model_is_faithful(make_model, images):
    model = make_model("linear")
    slopes = gradients(model, images, 1)
    for options in ({"noise": 0.5}, {}, {"baseline": "mean"}, {"rescale": False}):
        found = infidelity(model, images, slopes, 1, samples=9, **options)
        assert found.tolist() == pytest.approx([0] * 3, abs=1e-10)
    contributions = (slopes * images).sum(1)
    found = infidelity(model, images, contributions, 1, samples=9, rescale=False)
    assert found.tolist() == pytest.approx([0] * 3, abs=1e-10)
    wrong = infidelity(model, images, contributions.flip(1), 1, samples=9)
    assert (wrong > 1e-4).all()


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("kind", ["noise", "squares"])
def test_values_are_those_of_captum(model, images, rescale, kind):
    samples = 6
    slopes = torch.randn_like(images)
    changes = (
        _Noise(images, samples, 0, 0.3) if kind == "noise" else _Squares(images, samples, 0, 0.0)
    )
    image = torch.arange(3).repeat_interleave(samples)
    step = torch.arange(samples).repeat(3)
    change = changes.draw(image, step)[1]
    expected = captum_infidelity(
        model, lambda x: (change, x - change), images, slopes, target=1,
        n_perturb_samples=samples, normalize=rescale,
    )  # fmt: skip
    found = infidelity(
        model, images, slopes, 1, samples=samples, rescale=rescale,
        noise=0.3 if kind == "noise" else None, batch_size=5,
    )  # fmt: skip
    torch.testing.assert_close(found, expected.detach(), atol=1e-5, rtol=1e-4)


def test_heat_maps_are_those_of_a_slow_loop(model, images, maps):
    samples = 7
    found = infidelity(model, images, maps, [0, 1, 2], samples=samples, rescale=False)
    changes, model = _Squares(images, samples, 0, 0.0), model.double()
    for i in range(3):
        errors = []
        for k in range(samples):
            removed, _ = changes.draw(torch.tensor([i]), torch.tensor([k]))
            side, area = int(changes.side[k, i]), int(removed.sum())
            assert area == side**2
            assert 1 <= side <= 4
            picture = images[i].double() * (1 - removed[0].double())
            with torch.no_grad():
                before, after = model(torch.stack([images[i].double(), picture]))[:, i]
            errors.append(float((maps[i] * removed[0]).sum() - (before - after)) ** 2)
        assert float(found[i]) == pytest.approx(sum(errors) / samples, rel=1e-4)


def test_rescaling_makes_the_scale_of_a_map_irrelevant(model, images, maps):
    found = [infidelity(model, images, scale * maps, 0, samples=8) for scale in (1, 1000)]
    torch.testing.assert_close(*found, atol=1e-6, rtol=1e-3)
    nothing = infidelity(model, images, 0 * maps, 0, samples=8)
    assert (nothing >= found[0] - 1e-6).all()


def test_noise_does_not_depend_on_the_batch_size(make_model, images):
    slopes = torch.randn_like(images)
    model = make_model()
    found = [
        infidelity(model, images, slopes, 0, samples=4, noise=0.1, batch_size=b) for b in (1, 64)
    ]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    ("attributions", "options", "message"),
    [
        (torch.rand(3, 8, 8), {"noise": 0.1}, "one value a pixel"),
        (torch.rand(3, 2, 8, 8), {}, "attributions have shape"),
        (torch.rand(3, 3, 8, 8), {"noise": 0}, "noise"),
        (torch.rand(3, 3, 8, 8), {"samples": 0}, "samples"),
    ],
)
def test_wrong_options_are_refused(make_model, images, attributions, options, message):
    with pytest.raises(InputError, match=message):
        infidelity(make_model(), images, attributions, 0, **options)
