"""Deep feature factorisation: what is factorised, and what its parts mean."""

import pytest
import torch
import torchvision
from matplotlib import pyplot as plt
from sklearn.decomposition import NMF
from torch import nn

from interpviz.cam.factorization import DeepFeatureFactorization
from interpviz.errors import InputError, LayerError


class Shown(nn.Module):
    """Returns the picture itself as activations, then pools and weighs it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(3, 2)
        self.categories = ["red", "blue"]

    def forward(self, x):
        return self.fc(self.drop(self.layer(x).mean((2, 3))))


def squares() -> torch.Tensor:
    """Two pictures with 3 on the left of channel 0; the second has 2 on the right of channel 2."""
    images = torch.zeros(2, 3, 4, 6)
    images[:, 0, :, :2] = 3
    images[1, 2, :, 4:] = 2
    return images


@pytest.mark.parametrize(
    ("name", "layer"), [("resnet18", "layer3"), ("squeezenet1_1", "features.10")]
)
def test_it_factorises_all_positions_of_all_images(name, layer):
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(num_classes=10).eval()
    images = torch.randn(3, 3, 64, 96)
    found = DeepFeatureFactorization(model, layer)(images, 3, batch_size=2)
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *a: kept.append(a[2]))
    with torch.no_grad():
        model(images)
    handle.remove()
    activation = kept[0].double()
    rows = [
        activation[n, :, i, j]
        for n in range(3)
        for i in range(activation.shape[2])
        for j in range(activation.shape[3])
    ]
    reference = NMF(3, init="nndsvd", max_iter=2000, tol=1e-6)
    left = reference.fit_transform(torch.stack(rows).clamp(min=0).numpy())
    best = reference.reconstruction_err_ / torch.stack(rows).norm().item()
    assert left.shape[1] == 3
    assert found.error <= 1.01 * best
    rebuilt = torch.einsum("nkij,kc->ncij", found.grids.double(), found.concepts.double())
    own = ((rebuilt - activation).norm() / activation.norm()).item()
    assert found.error == pytest.approx(own, rel=1e-3)
    assert found.grids.shape == (3, 3, *activation.shape[2:])
    assert found.maps.shape == (3, 3, 64, 96)
    assert found.scores is None
    assert found.labels == ["concept 1", "concept 2", "concept 3"]
    strength = found.grids.square().sum((0, 2, 3))
    assert strength.tolist() == sorted(strength.tolist(), reverse=True)


def test_two_colours_are_two_concepts():
    found = DeepFeatureFactorization(Shown(), "layer", "fc")(squares(), 2)
    torch.testing.assert_close(found.concepts, torch.eye(3)[[0, 2]])
    torch.testing.assert_close(found.grids[:, 0], squares()[:, 0])
    torch.testing.assert_close(found.grids[:, 1], squares()[:, 2])
    torch.testing.assert_close(found.maps[:, 0], squares()[:, 0] / 3)
    torch.testing.assert_close(found.maps[:, 1], squares()[:, 2] / 2)
    assert found.error == pytest.approx(0, abs=1e-6)
    assert found.negative == 0


def test_scores_are_those_of_an_image_filled_with_the_concept():
    model = Shown()
    with torch.no_grad():
        model.fc.weight.copy_(torch.tensor([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]]))
    for classifier in ("fc", model.fc, lambda x: model.fc(x)):
        found = DeepFeatureFactorization(model, "layer", classifier)(squares(), 2)
        filled = torch.stack([squares()[0, :, :1, :1], squares()[1, :, :1, 5:]]).expand(2, 3, 4, 6)
        torch.testing.assert_close(found.scores, model.eval()(filled).detach())
        assert found.labels == ["concept 1: red", "concept 2: blue"]
        assert not found.scores.requires_grad
    # The classifier is asked in eval mode, and left as it was.
    dropped = nn.Sequential(nn.Dropout(0.5), model.fc).train()
    again = DeepFeatureFactorization(model, "layer", dropped)(squares(), 2)
    torch.testing.assert_close(again.scores, found.scores)
    assert dropped.training
    assert dropped[0].training


def test_negative_activations_are_cut_off_and_counted():
    images = squares()
    images[0, 1] = -1
    found = DeepFeatureFactorization(Shown(), "layer")(images, 2)
    plain = DeepFeatureFactorization(Shown(), "layer")(squares(), 2)
    torch.testing.assert_close(found.grids, plain.grids)
    assert found.negative == pytest.approx(24 / (24 + 9 * 16 + 4 * 8))


def test_clips_batches_and_the_layer_found():
    model = nn.Sequential(
        nn.Conv3d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten()
    )
    model.append(nn.Linear(6, 4))
    clips = torch.rand(3, 3, 4, 8, 8)
    whole = DeepFeatureFactorization(model)(clips, 2)
    assert whole.maps.shape == (3, 2, 4, 8, 8)
    parts = DeepFeatureFactorization(model)(clips, 2, batch_size=1)
    torch.testing.assert_close(parts.maps, whole.maps, atol=1e-4, rtol=1e-4)
    with torch.inference_mode():
        torch.testing.assert_close(DeepFeatureFactorization(model)(clips, 2).maps, whole.maps)
    with pytest.raises(InputError, match="one picture an image"):
        whole.plot([torch.rand(3, 8, 8)] * 3)


def test_the_plot_shows_each_concept_in_its_colour():
    found = DeepFeatureFactorization(Shown(), "layer", "fc")(squares(), 2)
    figure = found.plot([torch.zeros(3, 4, 6)] * 2)
    shown = [ax.get_images()[0].get_array() for ax in figure.axes]
    assert len(shown) == 2
    left, middle, right = shown[1][0, 0], shown[1][0, 3], shown[1][0, 5]
    assert middle.max() == 0
    colours = [patch.get_facecolor()[:3] for patch in figure.legends[0].get_patches()]
    assert left.tolist() == pytest.approx([0.75 * c for c in colours[0]])
    assert right.tolist() == pytest.approx([0.75 * c for c in colours[1]])
    assert shown[0][0, 5].max() == 0
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == found.labels
    assert all(label in figure.get_label() for label in found.labels)
    plt.close(figure)


def test_what_cannot_be_factorised():
    model = Shown()
    with pytest.raises(LayerError, match="pass a single one"):
        DeepFeatureFactorization(model, ["layer", "drop"])
    with pytest.raises(LayerError, match="no layer 'head'"):
        DeepFeatureFactorization(model, "layer", "head")
    found = DeepFeatureFactorization(model, "layer")
    for k in (0, 4):
        with pytest.raises(InputError, match="have between 1 and 3 concepts"):
            found(squares(), k)
    with pytest.raises(InputError, match="No activation at layer 'layer' is above zero"):
        found(-squares(), 2)
    with pytest.raises(InputError, match="add the batch"):
        found(squares()[0], 2)
    with pytest.raises(InputError, match=r"does not take vectors of shape \(2, 3\)"):
        DeepFeatureFactorization(model, "layer", nn.Linear(5, 2))(squares(), 2)
    with pytest.raises(InputError, match=r"must give \(k, classes\)"):
        DeepFeatureFactorization(model, "layer", lambda x: x.sum(1))(squares(), 2)
