import sys

import numpy as np
import pytest
import torch
from torch import nn

from interpviz.cam import CAM, GradCAM, LayerCAM, methods
from interpviz.errors import InputError, LayerError, TargetError
from interpviz.metrics import (
    average_drop,
    compare_methods,
    deletion,
    energy_inside,
    increase_in_confidence,
    insertion,
    iou,
    pointing_game,
    random_maps,
    road,
)

EVERY = ("insertion", "deletion", "road", "average_drop", "increase_in_confidence",
         "pointing_game", "energy_inside", "iou")  # fmt: skip


def make_random(model, layer):
    return lambda images, targets: random_maps(images)


def test_values_are_those_of_the_metrics_themselves(make_model, images):
    model, boxes = make_model(), torch.tensor([[0, 0, 4, 4]] * 3)
    chosen = {"grad": "gradcam", "layer": LayerCAM, "random": make_random}
    table = compare_methods(
        model, images, chosen, target_layer="last", targets=[0, 1, 2], metrics=EVERY,
        regions=boxes, steps=4,
    )  # fmt: skip
    assert table.methods == ("grad", "layer", "random")
    targets = [0, 1, 2]
    by_hand = {
        "grad": GradCAM(model, "last")(images, targets),
        "layer": LayerCAM(model, "last")(images, targets),
        "random": random_maps(images),
    }
    for row, (name, maps) in enumerate(by_hand.items()):
        torch.testing.assert_close(table.maps[name], maps)
        expected = {
            "insertion": insertion(model, images, maps, targets, steps=4).area,
            "deletion": deletion(model, images, maps, targets, steps=4).area,
            "road": road(model, images, maps, targets).gap,
            "average_drop": average_drop(model, images, maps, targets),
            "increase_in_confidence": increase_in_confidence(model, images, maps, targets),
            "pointing_game": pointing_game(maps, boxes),
            "energy_inside": energy_inside(maps, boxes),
            "iou": iou(maps, boxes),
        }
        for metric, values in expected.items():
            torch.testing.assert_close(table.values[metric][row], values)
    assert table.seconds.shape == (3,)
    assert (table.seconds > 0).all()


def test_all_methods_are_asked_for_what_the_model_predicts(make_model, images):
    asked = []

    def make(model, layer):
        return lambda images, targets: (
            asked.append((len(images), targets)),
            torch.rand(len(images), 8, 8),
        )[1]

    model = make_model()
    predicted = model(images).argmax(1).tolist()
    compare_methods(model, images, {"a": make, "b": make}, metrics=[], batch_size=2)
    assert asked == 2 * [(2, predicted[:2]), (1, predicted[2:])]


def test_all_named_methods_by_default(make_model, images, monkeypatch):
    few = methods()[:3]
    monkeypatch.setattr("interpviz.metrics.comparison.method_names", lambda: few)
    table = compare_methods(make_model(), images, target_layer="last", steps=2)
    assert table.methods == tuple(few)
    assert list(table.values) == ["insertion", "deletion", "average_drop", "increase_in_confidence"]


def test_methods_that_do_not_fit_are_left_out_by_default_and_raise_by_name(
    make_model, images, monkeypatch
):
    monkeypatch.setattr("interpviz.metrics.comparison.method_names", lambda: ["gradcam", "legrad"])
    table = compare_methods(make_model(), images, target_layer="last", metrics=[])
    assert table.methods == ("gradcam",)
    assert "attention" in table.left_out["legrad"]
    assert "legrad" in str(table).splitlines()[-1]
    with pytest.raises(LayerError):
        compare_methods(make_model(), images, ["legrad"], target_layer="last", metrics=[])
    with pytest.raises(InputError, match="No method"):
        compare_methods(make_model("attention"), images, target_layer="head", metrics=[])


@pytest.mark.parametrize(
    ("classes", "targets"), [(1, None), (1, 0), (3, lambda logits: logits[:, 0] + logits[:, 1])]
)
def test_methods_for_classes_are_left_out_where_there_is_none_to_compare(
    make_model, images, monkeypatch, classes, targets
):
    monkeypatch.setattr(
        "interpviz.metrics.comparison.method_names", lambda: ["gradcam", "finercam"]
    )
    options = {"target_layer": "last", "targets": targets, "metrics": ["deletion"], "steps": 2}
    model = make_model(classes=classes)
    table = compare_methods(model, images, **options)
    assert table.methods == ("gradcam",)
    assert "class" in table.left_out["finercam"]
    with pytest.raises(TargetError):
        compare_methods(model, images, "finercam", **options)


def test_a_metric_that_fails_is_no_reason_to_leave_a_method_out(make_model, images, monkeypatch):
    monkeypatch.setattr("interpviz.metrics.comparison.method_names", lambda: ["gradcam"])
    with pytest.raises(InputError, match="0 or below"):
        compare_methods(
            make_model(), images, target_layer="last", targets=lambda logits: -logits[:, 0].exp(),
            metrics="average_drop",
        )  # fmt: skip


def test_a_single_metric_needs_no_list(make_model, images):
    chosen = {"target_layer": "last", "steps": 2}
    table = compare_methods(make_model(), images, "gradcam", metrics="deletion", **chosen)
    assert list(table.values) == ["deletion"]
    with pytest.raises(InputError, match="There is no metric 'deletoin'"):
        compare_methods(make_model(), images, "gradcam", metrics="deletoin", **chosen)


def test_confidence_is_always_that_of_the_probability(make_model, images):
    metrics = ["average_drop", "increase_in_confidence", "deletion"]
    model, chosen = make_model(), {"random": make_random}
    by_probability, by_logit = (
        compare_methods(model, images, chosen, metrics=metrics, score=score, steps=2).values
        for score in ("probability", "logit")
    )
    for metric in metrics[:2]:
        torch.testing.assert_close(by_probability[metric], by_logit[metric])
    assert not torch.equal(by_probability["deletion"], by_logit["deletion"])


def test_signed_maps_count_from_zero_as_masks(make_model, images):
    model, signed = make_model(), torch.rand(3, 8, 8) * 2 - 1
    table = compare_methods(
        model, images, {"signed": lambda m, layer: lambda x, t: signed},
        metrics=["average_drop"],
    )  # fmt: skip
    expected = average_drop(model, images, signed.clamp_min(0))
    torch.testing.assert_close(table.values["average_drop"][0], expected)


@pytest.fixture
def table(make_model, images):
    chosen = {"gradcam": GradCAM, "random": make_random}
    return compare_methods(make_model(), images, chosen, target_layer="last", steps=2)


def test_the_text_holds_every_mean_and_marks_the_best(table):
    lines = str(table).splitlines()
    assert len(lines) == 3
    assert "insertion ↑" in lines[0]
    assert "deletion ↓" in lines[0]
    assert "average drop ↓" in lines[0]
    for row, line in enumerate(lines[1:]):
        assert line.startswith(table.methods[row])
        for means in table.means.values():
            assert f"{means[row]:.3f}" in line
    best = table.best("deletion")
    assert f"{min(table.means['deletion']):.3f}*" in lines[1 + table.methods.index(best)]
    assert len({len(line) for line in lines}) == 1
    with pytest.raises(InputError, match="insertion"):
        table.best("inserted")


def test_methods_that_share_the_best_mean_are_all_marked(make_model, images):
    chosen = {"one": make_random, "two": make_random}
    table = compare_methods(make_model(), images, chosen, metrics=["deletion"], steps=2)
    assert table.are_best("deletion") == [True, True]
    assert str(table).count("*") == 2
    assert table.best("deletion") == "one"


def test_the_data_frame_holds_means_or_every_image(table):
    frame = table.to_pandas()
    assert list(frame.index) == ["gradcam", "random"]
    assert list(frame.columns) == [*table.values, "seconds"]
    np.testing.assert_allclose(frame["deletion"], table.values["deletion"].mean(1), rtol=1e-6)
    each = table.to_pandas(per_image=True)
    assert each.index.names == ["method", "image"]
    found = each.loc[("random", 2), "insertion"]
    assert found == pytest.approx(table.values["insertion"][1, 2].item())
    assert each["seconds"].sum() == pytest.approx(table.seconds.sum().item())


def test_without_pandas_the_error_says_so(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        table.to_pandas()


def test_the_figure_has_a_panel_a_metric_and_one_for_the_time(table):
    figure = table.plot()
    assert len(figure.axes) == 5
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["gradcam", "random"]
    assert figure.axes[1].get_title() == "deletion ↓"
    xs = [line.get_xdata() for line in figure.axes[1].lines]
    np.testing.assert_allclose(xs[0], table.values["deletion"][0])
    assert "deletion ↓ best for" in figure.get_label()


@pytest.mark.parametrize(
    ("chosen", "options", "message"),
    [
        (["gradkam"], {}, "gradcam"),
        ([], {}, "at least one"),
        (["gradcam", "gradcam"], {}, "same name"),
        (["gradcam"], {"metrics": ["insertoin"]}, "insertion"),
        (["gradcam"], {"metrics": ["iou"]}, "regions"),
        ([3], {}, "method"),
    ],
)
def test_what_cannot_be_compared_is_refused(make_model, images, chosen, options, message):
    with pytest.raises(InputError, match=message):
        compare_methods(make_model(), images, chosen, **options)


def test_the_model_is_left_alone_when_a_method_fails(make_model, images):
    def make(model, layer):
        def explain(images, targets):
            raise ZeroDivisionError

        return explain

    model = make_model().train()
    with pytest.raises(ZeroDivisionError):
        compare_methods(model, images, {"broken": make})
    assert all(m.training for m in model.modules())


def test_random_maps_are_coarse_seeded_and_in_range(images):
    maps = random_maps(torch.rand(2, 3, 70, 42), grid=(7, 6), seed=1)
    assert maps.shape == (2, 70, 42)
    assert maps.min() >= 0
    assert maps.amax((1, 2)).tolist() == [1, 1]
    assert not torch.equal(maps[0], maps[1])
    again = random_maps(torch.rand(2, 3, 70, 42), grid=(7, 6), seed=1)
    assert torch.equal(maps, again)
    steps = (maps[:, 1:] - maps[:, :-1]).abs().max()
    assert steps < 0.2
    with pytest.raises(InputError, match="grid"):
        random_maps(images, grid=(0, 7))
    with pytest.raises(InputError, match="rows and columns"):
        random_maps(images, grid=7)
    with pytest.raises(InputError, match=r"image\[None\]"):
        random_maps(images[0])
    with pytest.raises(InputError, match="from_numpy"):
        random_maps(images.numpy())


def test_a_single_method_needs_no_list(make_model, images):
    table = compare_methods(make_model(), images, "gradcam", target_layer="last", metrics=[])
    assert table.methods == ("gradcam",)
    assert issubclass(GradCAM, CAM)
    assert isinstance(table.maps["gradcam"], torch.Tensor)
    assert not isinstance(table, nn.Module)
