import random

import pytest
import torch
from PIL import Image

from interpviz.errors import InputError
from interpviz.zoo.distill.augment import augment, mix
from interpviz.zoo.distill.data import CropStore, make_store, random_view, split_photos, to_tensor
from interpviz.zoo.distill.train import (
    Recipe,
    distillation_loss,
    draw,
    one_cycle,
    start,
    train,
)

TINY = Recipe("mobilenet_v2", size=32, final_size=48, final_part=0.5, steps=2, batch=4)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def store():
    crops = torch.randint(256, (8, 3, 40, 40), dtype=torch.uint8, generator=rng())
    return CropStore(crops, torch.randn(8, 1000, generator=rng()), torch.arange(8) >= 6)


def test_every_fifth_photo_by_name_is_kept_out(tmp_path):
    for name in "hcaibdgejf":
        (tmp_path / f"{name}.JPG").touch()
    (tmp_path / "notes.txt").touch()
    split = split_photos(tmp_path)
    assert [p.stem for p in split.kept_out] == ["e", "j"]
    assert [p.stem for p in split.train] == list("abcdfghi")


def test_too_few_photos_are_refused(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InputError, match="holds 1 photos"):
        split_photos(tmp_path)


def test_a_random_view_is_square_and_repeats_with_its_seed():
    image = Image.effect_noise((90, 50), 60).convert("RGB")
    views = [random_view(image, 24, random.Random(3)) for _ in range(2)]
    assert views[0].size == (24, 24)
    assert views[0].tobytes() == views[1].tobytes()


def test_images_become_channels_first():
    red = Image.new("RGB", (4, 2), (255, 0, 7))
    tensor = to_tensor([red, red])
    assert tensor.shape == (2, 3, 2, 4)
    assert tensor[0, :, 0, 0].tolist() == [255, 0, 7]


def test_the_store_asks_the_teacher_once_a_crop_and_comes_back_whole(tmp_path):
    class Teacher(torch.nn.Module):
        def forward(self, x):
            return x.mean((2, 3))

    photo, free = Image.new("RGB", (50, 50), "white"), Image.new("RGB", (50, 50), "black")
    made = make_store([photo], [free], Teacher(), torch.device("cpu"), crops=1)
    made.save(tmp_path / "s.pt", "these photos")
    with pytest.raises(InputError, match="holds crops of other photos"):
        CropStore.load(tmp_path / "s.pt", "those photos")
    back = CropStore.load(tmp_path / "s.pt", "these photos")
    assert back.free.tolist() == [False] + [True] * 16
    assert torch.allclose(back.logits[0], torch.ones(3))
    assert torch.allclose(back.logits[1:], -torch.ones(16, 3))
    assert torch.equal(back.crops, made.crops)


def test_a_batch_takes_its_part_from_the_free_photos(store):
    recipe = Recipe("resnet18", batch=10, free_part=0.2)
    index = draw(store, recipe, rng())
    assert store.free[index].tolist() == [False] * 8 + [True] * 2


def test_a_batch_without_free_photos_is_drawn_from_all(store):
    only = CropStore(store.crops, store.logits, torch.zeros(8, dtype=torch.bool))
    assert draw(only, TINY, rng()).shape == (4,)


def test_augmented_crops_have_the_size_and_stay_in_range(store):
    x = augment(store.crops, 24, rng())
    assert x.shape == (8, 3, 24, 24)
    assert x.isfinite().all()
    assert x.abs().max() < 6


def test_mixing_keeps_probabilities_and_matches_the_images():
    # Each image holds its own index, so a mixed image tells the share that its label must have.
    x = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 20, 20)
    answers = torch.eye(4)
    for seed in range(12):
        mixed, labels = mix(x, answers, rng(seed))
        assert torch.allclose(labels.sum(1), torch.ones(4))
        expected = (labels * torch.arange(4.0)).sum(1)
        assert torch.allclose(mixed.mean((1, 2, 3)), expected, atol=1e-4)


def test_the_loss_is_zero_where_the_two_agree_and_not_elsewhere():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    answers = (logits / 2).softmax(1)
    assert distillation_loss(logits, answers, 2.0).item() == pytest.approx(0, abs=1e-6)
    # KL(p || uniform) = ln 3 - entropy(p)
    expected = (answers * (answers * 3).log()).sum().item() * 4
    assert distillation_loss(torch.zeros(1, 3), answers, 2.0).item() == pytest.approx(expected)


def test_the_rate_rises_then_falls():
    assert one_cycle(0.0) == pytest.approx(0.04)
    assert one_cycle(0.12) == pytest.approx(1.0)
    assert one_cycle(0.56) == pytest.approx(0.5)
    assert 0 < one_cycle(1.0) < 0.01


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(InputError, match="'sgd' or 'adamw'"):
        start(Recipe("mobilenet_v2", optimiser="magic"), torch.device("cpu"))


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_broken_run_goes_on_where_it_was(store, tmp_path, optimiser, monkeypatch):
    recipe = Recipe(**{**vars(TINY), "optimiser": optimiser, "rate": 1e-3})
    device = torch.device("cpu")
    whole = train(start(recipe, device), store, recipe, tmp_path / "whole.pt")

    broken, path = start(recipe, device), tmp_path / "broken.pt"
    monkeypatch.setattr("interpviz.zoo.distill.train.SAVE_EVERY", 1)

    def stop(run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(broken, store, recipe, path, report=stop)
    assert broken.step == 1
    again = train(start(recipe, device), store, recipe, path)
    assert again.step == whole.step == 2
    assert again.sizes == whole.sizes == {32: 2}
    for a, b in zip(again.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_a_checkpoint_goes_on_with_its_own_recipe_only(store, tmp_path):
    device, path = torch.device("cpu"), tmp_path / "run.pt"
    train(start(TINY, device), store, TINY, path)
    longer = Recipe(**{**vars(TINY), "steps": 3})
    assert train(start(longer, device), store, longer, path).step == 3
    other = Recipe(**{**vars(TINY), "rate": 0.5, "batch": 2})
    with pytest.raises(InputError, match=r"run with another .*batch.*rate|another .*rate.*batch"):
        train(start(other, device), store, other, path)


def test_a_run_ends_by_the_clock(store, tmp_path):
    recipe = Recipe(**{**vars(TINY), "steps": 10_000, "minutes": 1e-6})
    assert train(start(recipe, torch.device("cpu")), store, recipe, tmp_path / "c.pt").step == 1
