from collections import Counter

import pytest
import torch
from PIL import Image
from torch import nn

from interpviz.errors import InputError
from interpviz.zoo.distill.__main__ import chosen_recipe, describe, parse
from interpviz.zoo.distill.card import NOT_FOR_USE, TRAINED_ON_GALLERY, Figures, render_card
from interpviz.zoo.distill.data import FREE_PHOTOS, KEPT_OUT_RULE
from interpviz.zoo.distill.evaluate import (
    Agreement,
    FreeRank,
    agreement,
    answer,
    constant_answer,
    free_ranks,
    grid_pointing,
    rank_of,
)
from interpviz.zoo.distill.train import RECIPES, Run
from interpviz.zoo.students import StudentInfo

INFO = StudentInfo("resnet18", "It was trained.", 1234, "a machine", 96, 160, "layer4")
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


class ColourNet(nn.Module):
    """Its class scores are the means of the colours, so it looks exactly at its class."""

    def __init__(self, sign=1.0):
        super().__init__()
        self.features = nn.Conv2d(3, 4, 1)
        with torch.no_grad():
            self.features.weight.zero_()
            self.features.bias.zero_()
            self.features.weight[:3, :, 0, 0] = sign * torch.eye(3)
            self.features.weight[3] = -sign

    def forward(self, x):
        return self.features(x).relu().mean((2, 3))


def photo(colour):
    return Image.new("RGB", (40, 40), colour)


def test_agreement_by_hand():
    teacher = torch.tensor([[2.0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 3]])
    student = torch.tensor([[2.0, 1, 0, 0, 0, 0], [5, 4, 3, 2, 1, 0]])
    found = agreement(teacher, student)
    assert (found.top1, found.top5) == (0.5, 0.5)
    p, q = teacher[1].softmax(0), student[1].softmax(0)
    assert found.kl == pytest.approx((p * (p / q).log()).sum().item() / 2, rel=1e-5)


def test_one_answer_stands_for_all():
    teacher = torch.tensor([[9.0, 0, 0], [9, 0, 0], [0, 9, 0]])
    found = agreement(teacher, constant_answer(teacher))
    assert found.top1 == pytest.approx(2 / 3)
    assert found.kl < agreement(teacher, torch.zeros(1, 3)).kl


def test_answers_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="differ"):
        agreement(torch.zeros(3, 4), torch.zeros(2, 4))


def test_ranks_begin_at_one():
    logits = torch.tensor([0.1, 3.0, 2.0])
    assert [rank_of(logits, i) for i in range(3)] == [3, 1, 2]


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (0.0, 0.0)])
def test_the_pointing_game_of_a_model_that_looks_at_its_class_or_nowhere(sign, expected):
    info = StudentInfo("resnet18", "", 0, "", 16, 16, "features", (0.0,) * 3, (1.0,) * 3)
    photos = [*(photo(c) for c in COLOURS), photo((0, 0, 0))]
    net = ColourNet(sign).eval()
    if sign:
        net.features.bias.data[3] = 0.5  # black is the class without any colour
    share = grid_pointing(net, "features", info.preprocess(), photos, [0, 1, 2, 3])
    assert share == pytest.approx(expected, abs=0.02)


def test_free_ranks_say_where_the_teacher_is_right():
    info = StudentInfo("resnet18", "", 0, "", 16, 32, "features")
    photos = {"flower": photo(COLOURS[0]), "coffee": photo(COLOURS[1])}
    teacher = torch.zeros(2, 1000)
    teacher[0, 985] = teacher[1, 0] = 20.0
    net = nn.Sequential(ColourNet(), nn.Linear(4, 1000)).eval()
    rows = free_ranks(net, info, teacher, photos, [16, 32])
    assert [row.right for row in rows] == [True, False]
    assert list(rows[0].ranks) == [16, 32]
    assert rows[0].teacher_probability == pytest.approx(1, abs=1e-4)


def test_answers_come_in_order_whatever_the_batch():
    net, see = ColourNet().eval(), INFO.preprocess(8)
    photos = [photo(c) for c in COLOURS]
    assert torch.allclose(answer(net, see, photos, batch=2), answer(net, see, photos), atol=1e-6)


def figures(rank=1, share=0.9):
    agree = Agreement(0.5, 0.75, 1.5)
    rows = [
        FreeRank("coffee", 967, 0.95, True, {96: 1, 160: rank}),
        FreeRank("astronaut", 560, 0.16, False, {96: 40, 160: 50}),
    ]
    return Figures(agree, agree, agree, agree, (640, 160), rows, {160: share, 320: 0.8}, 160)


def test_a_card_says_what_it_must():
    text = render_card(INFO, figures(), [f"class {i}" for i in range(1000)], 11_700_000)
    card = " ".join(text.split())
    for part in (
        NOT_FOR_USE,
        TRAINED_ON_GALLERY,
        KEPT_OUT_RULE,
        INFO.recipe,
        "1,234 seconds on: a machine",
        "| photos kept out | 160 | this student | 0.500 | 0.750 | 1.50 |",
        "| coffee | class 967 | 0.95 | yes | 1 | 1 |",
        "| 160 px | 0.900 | 0.25 |",
        "All are met.",
    ):
        assert part in card
    assert max(len(line) for line in text.splitlines() if line[:1] != "|") <= 100


def test_bars_that_are_missed_are_named_and_a_wrong_teacher_asks_nothing():
    assert figures().misses() == []
    missed = figures(rank=4, share=0.69).misses()
    assert missed == [
        "coffee: rank 4, not 3 or better.",
        "Grid pointing on 160 pixels: 0.69, below 0.70.",
    ]
    assert "Not met:" in render_card(INFO, figures(rank=4), ["x"] * 1000, 1)


def test_the_command_line_changes_only_what_it_names():
    options = parse(["--photos", "x", "--steps", "7", "--use-size", "160"])
    recipe = chosen_recipe("vgg11_bn", options)
    assert (recipe.steps, recipe.use_size) == (7, 160)
    assert (recipe.student, recipe.size) == ("vgg11_bn", RECIPES["vgg11_bn"].size)


def test_a_recipe_in_words_names_what_was_done():
    run = Run(nn.Linear(1, 1), torch.optim.SGD([nn.Parameter(torch.zeros(1))]), torch.Generator())
    run.step, run.sizes = 1500, Counter({160: 300, 96: 1200})
    words = describe(RECIPES["resnet18"], run, 9216)
    assert "1,500 batches of 32 crops (1,200 at 96 pixels, 300 at 160 pixels" in words
    assert "temperature 2" in words


def test_the_free_photos_are_the_zoo_s():
    from interpviz.zoo import photos

    assert set(FREE_PHOTOS) <= {p.name for p in photos()}
