import copy
from functools import partial

import pytest
import torch
from torch import nn

from interpviz.cam import EigenCAM, GradCAM
from interpviz.errors import InputError, LayerError
from interpviz.metrics import class_sensitivity, randomisation, rank_correlation
from interpviz.metrics.reinitialise import redraw, stages
from interpviz.metrics.seeds import generator_of


@pytest.fixture
def pictures():
    return torch.rand(2, 3, 16, 16)


def edges(model, layer):
    """A method that never asks the model."""

    def explain(images, targets):
        grey = nn.functional.pad(images.mean(1), (1, 0, 1, 0), mode="replicate")
        return (grey[:, 1:, 1:] - grey[:, 1:, :-1]).abs() + (
            grey[:, 1:, 1:] - grey[:, :-1, 1:]
        ).abs()

    return explain


def weights_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("kind", ["convolutional", "attention"])
def test_the_model_stays_as_it_is_to_the_bit(make_model, pictures, kind):
    model = make_model(kind, side=16).train()
    before, seed = weights_of(model), torch.get_rng_state()
    layer = "last" if kind == "convolutional" else "patches"
    randomisation("gradcam", model, pictures, target_layer=layer, steps=3)
    assert model.training
    assert torch.equal(torch.get_rng_state(), seed)
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())


def test_a_method_that_ignores_the_model_is_found_out(make_model, pictures):
    result = randomisation(edges, make_model(side=16), pictures)
    torch.testing.assert_close(result.rank_correlation, torch.ones(2, 4))
    torch.testing.assert_close(result.structural_similarity, torch.ones(2, 4))
    assert result.method == "edges"


def test_a_method_that_needs_the_model_changes(make_model, pictures):
    found = randomisation("gradcam", make_model(side=16), pictures, target_layer="last")
    assert found.layers == ("head", "last", "norm", "conv")
    assert (found.rank_correlation[:, -1] < 0.8).all()


def test_what_ignores_the_head_first_changes_below_it(make_model, pictures):
    found = randomisation(EigenCAM, make_model(side=16), pictures, target_layer="last")
    torch.testing.assert_close(found.rank_correlation[:, 0], torch.ones(2))
    assert (found.rank_correlation[:, 1] < 1).all()


@pytest.mark.filterwarnings("ignore::interpviz.errors.ZeroMapWarning")
@pytest.mark.parametrize(
    "method", ["gradcam", GradCAM, partial(GradCAM, categories=["a", "b", "c"])]
)
def test_each_step_is_the_map_of_a_copy_with_those_weights(make_model, pictures, method):
    model = make_model(side=16)
    found = randomisation(
        method, model, pictures, [1, 2], target_layer=model.last, keep_maps=True, seed=3
    )
    twin, generator = copy.deepcopy(model), generator_of(3)
    original = GradCAM(model, "last")(pictures, [1, 2])
    torch.testing.assert_close(found.original, original)
    assert original.amax((1, 2)).any()
    for step, layer in enumerate(("head", "last", "norm", "conv")):
        redraw(list(getattr(twin, layer).parameters()), generator)
        maps = GradCAM(twin, "last")(pictures, [1, 2])
        torch.testing.assert_close(found.maps[:, step], maps)
        expected = rank_correlation(original, maps).nan_to_num(0.0)
        torch.testing.assert_close(found.rank_correlation[:, step], expected)
    assert randomisation(method, model, pictures, 1, target_layer="last").maps is None


def test_layers_are_found_in_the_order_in_which_they_run(make_model, pictures):
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 2)
            self.unused = nn.Linear(4, 2)
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
            self.scale = nn.Parameter(torch.rand(4))

        def forward(self, x):
            return self.head((self.body(x)).mean((2, 3)) * self.scale)

    def names(model, **options):
        return [name for name, _ in stages(model, pictures, None, **options)]

    assert names(Backwards(), steps=99)[:2] == ["head", "body.0"]
    order = names(make_model("attention", side=16), steps=99)
    assert order[:2] == ["head", "norm"]
    assert set(order[2:4]) == {"attention", "attention.out_proj"}
    assert order[4:] == ["patches", "the model's own"]
    assert names(make_model("attention", side=16), steps=2) == ["head", "the model's own"]
    assert names(make_model("attention", side=16), steps=3)[0] == "head"


def test_every_weight_is_lost_once_and_tied_ones_too(pictures):
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 8), nn.Linear(8, 8), nn.Linear(8, 8))
    model[3].weight = model[2].weight
    found = stages(model, pictures, None, 10)
    assert sum(len(own) for _, own in found) == len(list(model.parameters())) == 5
    named = stages(model, pictures, ["3", "2"], 10)
    assert [len(own) for _, own in named] == [2, 1]


def test_redrawn_weights_have_the_same_mean_and_spread():
    weight, single, flat = torch.randn(400, 50) * 0.3 + 2, torch.tensor([5.0]), torch.zeros(9)
    before = weight.clone()
    redraw([weight, single, flat], generator_of(0))
    assert weight.mean().item() == pytest.approx(before.mean().item(), abs=0.02)
    assert weight.std().item() == pytest.approx(before.std().item(), rel=0.05)
    assert torch.corrcoef(torch.stack([weight.flatten(), before.flatten()]))[0, 1].abs() < 0.05
    assert single.item() == 5
    assert (flat == 0).all()


def test_named_layers_are_randomised_in_the_order_given(make_model, pictures):
    model = make_model(side=16)
    found = randomisation(
        "gradcam", model, pictures, 0, target_layer="last", layers=["conv", "head"]
    )
    assert found.layers == ("conv", "head")
    with pytest.raises(LayerError, match="head"):
        randomisation("gradcam", model, pictures, 0, layers=["haed"])
    for wrong in ("head", [], ["head", "head"]):
        with pytest.raises(InputError, match="layers"):
            randomisation("gradcam", model, pictures, 0, layers=wrong)


@pytest.mark.parametrize("wrong", ["gradkam", 3, None])
def test_methods_that_do_not_exist_are_refused(make_model, pictures, wrong):
    for check in (randomisation, class_sensitivity):
        with pytest.raises(InputError):
            check(wrong, make_model(side=16), pictures)


def test_a_ready_made_cam_is_refused_because_it_explains_the_trained_model(make_model, pictures):
    model = make_model(side=16)
    with pytest.raises(InputError, match="made anew"):
        randomisation(GradCAM(model, "last"), model, pictures)


def test_models_that_cannot_be_copied_or_have_nothing_to_lose(make_model, pictures):
    model = make_model(side=16)
    model.kept = model(pictures)
    with pytest.raises(InputError, match="cannot be copied"):
        randomisation("gradcam", model, pictures, target_layer="last")
    empty = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(InputError, match="no weights"):
        randomisation(edges, empty, pictures)


def test_what_the_method_returns_is_checked(make_model, pictures):
    with pytest.raises(InputError, match="2 images of 16 x 16"):
        randomisation(
            lambda m, layer: lambda x, t: torch.rand(2, 4, 4), make_model(side=16), pictures
        )


def test_another_class_has_another_map_unless_the_method_ignores_it(make_model, pictures):
    model = make_model(side=16)
    found = class_sensitivity("gradcam", model, pictures, 0, others=[1, 2], target_layer="last")
    maps = [GradCAM(model, "last")(pictures, t) for t in (0, [1, 2])]
    torch.testing.assert_close(found, rank_correlation(*maps).nan_to_num(0.0))
    blind = class_sensitivity("eigencam", model, pictures, target_layer="last")
    torch.testing.assert_close(blind, torch.ones(2))


def test_the_other_class_is_another_and_seeded(make_model, pictures):
    asked = []

    def make(model, layer):
        return lambda images, targets: (asked.append(targets), images.mean(1).abs())[1]

    model = make_model(side=16, classes=4)
    for seed in range(20):
        class_sensitivity(make, model, pictures, [0, 3], seed=seed)
    others = asked[1::2]
    assert all(a != 0 and b != 3 for a, b in others)
    assert {a for a, _ in others} == {1, 2, 3}
    with pytest.raises(InputError, match="others"):
        class_sensitivity(make, model, pictures, lambda logits: logits[:, 0])


def test_the_curve_begins_at_the_trained_model(make_model, pictures):
    found = randomisation("gradcam", make_model(side=16), pictures, target_layer="last")
    ax = found.plot().axes[0]
    assert ax.lines[0].get_ydata()[0] == 1
    assert [t.get_text() for t in ax.get_xticklabels()] == ["trained", *found.layers]
