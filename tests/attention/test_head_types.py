"""Heads made to a pattern get its name, noise gets none, and the bound is what it claims."""

from itertools import combinations, permutations
from math import log, log1p

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from interpviz.attention.capture import capture_attention
from interpviz.attention.classify import classify_heads
from interpviz.attention.head_calibration import Rows, evenness, follows
from interpviz.attention.head_naming import NARROWER
from interpviz.attention.head_patterns import token_sets
from interpviz.attention.head_types import HEAD_TYPES
from interpviz.attention.maps import AttentionMaps, LayerWeights
from interpviz.errors import InputError
from interpviz.render.head_types import HEAD_TYPE_STYLES, head_type_map

N = 48
WORDS = [f"w{k}" if k % 6 != 4 else "." for k in range(N // 2)]
TOKENS = WORDS + WORDS


# The definition of each type, written out: does query i look at key j?
LOOKS_AT = {
    "previous token": lambda i, j: j == i - 1,
    "next token": lambda i, j: j == i + 1,
    "self": lambda i, j: j == i,
    "first token": lambda i, j: j == 0,
    "induction": lambda i, j: 0 < j < i and TOKENS[j - 1] == TOKENS[i],
    "duplicate token": lambda i, j: j < i and TOKENS[j] == TOKENS[i],
    "separator": lambda i, j: TOKENS[j] == ".",
    "local": lambda i, j: abs(i - j) <= 3,
    "dilated": lambda i, j: i != j and (i - j) % 3 == 0 and abs(i - j) <= 15,
    "global": lambda i, j: j in (9, 20),
    "uniform": lambda i, j: True,
}


def dirichlet(shape, concentration, causal=False, seed=0):
    """Rows drawn at random from all that sum to 1, over the keys that are seen."""
    rng = np.random.default_rng(seed)
    draws = rng.gamma(concentration, size=shape) + 1e-30
    if causal:
        draws = np.tril(draws)
    return torch.from_numpy(draws / draws.sum(-1, keepdims=True))


def heads_of(names, causal=False, noise=0.25, seed=0):
    """A layer with one head a name, and random attention mixed in: (1, heads, query, key)."""
    rule = [[[LOOKS_AT[name](i, j) for j in range(N)] for i in range(N)] for name in names]
    A = torch.tensor(rule, dtype=torch.float64)
    if causal:
        A = A.tril()
    random = dirichlet(A.shape, 0.3, causal, seed)
    total = A.sum(-1, keepdim=True)
    # A query without such a key looks anywhere.
    A = torch.where(total > 0, A / total.clamp(min=1), random)
    even = torch.tensor([name == "uniform" for name in names])[:, None, None]
    share = torch.where(even, 0.1, noise)
    return ((1 - share) * A + share * random)[None]


CAUSAL_TYPES = [name for name in HEAD_TYPES if name != "next token"]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.25, 0.4])
def test_heads_get_the_name_of_their_pattern(causal, noise):
    names = CAUSAL_TYPES if causal else list(HEAD_TYPES)
    found = classify_heads([heads_of(names, causal, noise)], TOKENS)
    assert found.names[0].tolist() == names
    assert np.nanmin(found.scores) >= 0.4
    assert (found.runners_up != found.names).all()
    assert set(found.not_considered) == ({"next token"} if causal else set())


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("concentration", [0.03, 0.3, 1.0, 3.0])
def test_noise_gets_no_name_even_where_any_size_would_do(causal, concentration):
    # 6 layers of 12 heads for 8 kinds of noise: a bound of 1 % a model makes 0 the right number.
    noise = dirichlet((6, 12, N, N), concentration, causal, seed=3)
    assert classify_heads(noise, TOKENS).count() == {"none": 72}
    found = classify_heads(noise, TOKENS, min_score=1e-6)
    assert found.count() == {"none": 72}


def test_short_noise_gets_no_name():
    for seed in range(5):
        noise = dirichlet((6, 12, 7, 7), 0.1, seed=seed)
        assert classify_heads(noise, TOKENS[:6] + TOKENS[:1]).count() == {"none": 72}


def test_trained_heads_lose_their_names_when_shuffled():
    A = heads_of(HEAD_TYPES[:-1])[0]
    order = torch.rand(A.shape, generator=torch.Generator().manual_seed(0)).argsort(-1)
    assert classify_heads([A.gather(-1, order)], TOKENS).count() == {"none": 10}


def test_only_what_is_even_is_uniform():
    for concentration, name in ((1000.0, "uniform"), (20.0, "uniform"), (1.5, "none")):
        found = classify_heads(dirichlet((2, 4, N, N), concentration), TOKENS)
        assert found.count() == {name: 8}
    even = torch.full((1, 5, 5), 0.2)
    weights = torch.stack([even[0], torch.eye(5)])[None]
    rows = Rows.of(weights, torch.ones(1, 1, 5, 5, dtype=torch.bool))
    torch.testing.assert_close(evenness(rows), torch.tensor([1.0, 0.0]), atol=1e-6, rtol=0)


def slow_follows(weights, visible, pattern):
    """Score and log bound in plain loops, with all shuffles of each row carried out."""
    excess, chance, variance, ceiling, number = 0.0, 0.0, 0.0, 0.0, 0
    for row, sees, looks in zip(weights, visible, pattern, strict=True):
        keys = np.flatnonzero(sees)
        total = row[keys].sum()
        inside = [bool(looks[k]) for k in keys]
        if not total or all(inside) or not any(inside):
            continue
        P = row[keys] / total
        sums = [np.array(order)[inside].sum() for order in permutations(P)]
        share, u = P[inside].sum(), float(np.mean(sums))
        number += 1
        excess, chance, variance = excess + share - u, chance + u, variance + np.var(sums)
        ceiling = max(ceiling, min(1, sum(inside) * P.max()) - u)
    x = ceiling * max(excess, 0) / variance
    bound = -(variance / ceiling**2) * ((1 + x) * log1p(x) - x)
    return excess / (number - chance), bound


@pytest.mark.parametrize("causal", [False, True])
def test_chance_is_the_mean_over_all_shuffles(causal):
    rng = np.random.default_rng(1)
    A = rng.gamma(0.5, size=(2, 3, 6, 6))
    A[0, 0, 2] = 0
    visible = np.tril(np.ones((6, 6), bool)) if causal else np.ones((6, 6), bool)
    pattern = rng.random((6, 6)) < 0.4
    rows = Rows.of(torch.from_numpy(A), torch.from_numpy(visible).expand(2, 1, 6, 6))
    score, bound = follows(rows, torch.from_numpy(pattern)[None])
    for head in range(3):
        # The rows of both sequences count alike, so they can be laid one below the other.
        both = [np.concatenate(pair) for pair in ((A[0, head], A[1, head]), (visible, visible))]
        expected = slow_follows(*both, np.concatenate([pattern, pattern]))
        assert (score[head], bound[head]) == pytest.approx(expected, rel=1e-5)


def test_the_bound_holds_for_shuffles():
    generator = torch.Generator().manual_seed(0)
    row = torch.tensor([0.7, 0.2, 0.1, 0, 0, 0, 0, 0]).double()
    order = torch.rand(1, 20_000, 8, 8, generator=generator).argsort(-1)
    A = row.expand(1, 20_000, 8, 8).gather(-1, order)
    rows = Rows.of(A, torch.ones(1, 1, 8, 8, dtype=torch.bool))
    _, bound = follows(rows, torch.eye(8, dtype=torch.bool)[None])
    for level in (0.3, 0.1, 0.03, 0.01, 0.001):
        assert (bound <= log(level)).float().mean() <= level
    assert (bound <= log(0.3)).any()


def test_heads_may_be_in_any_order_and_on_any_scale():
    A = heads_of(HEAD_TYPES)
    order = torch.randperm(len(HEAD_TYPES), generator=torch.Generator().manual_seed(2))
    plain = classify_heads([A], TOKENS)
    shuffled = classify_heads([A[:, order]], TOKENS)
    assert shuffled.names[0].tolist() == plain.names[0, order].tolist()
    np.testing.assert_allclose(shuffled.scores[0], plain.scores[0, order], atol=1e-6)
    rows = torch.rand(1, len(HEAD_TYPES), N, 1, generator=torch.Generator().manual_seed(3)) + 0.1
    scaled = classify_heads([A * rows], TOKENS)
    np.testing.assert_allclose(scaled.scores, plain.scores, atol=1e-5)
    assert (scaled.names == plain.names).all()


@pytest.mark.parametrize("left", [False, True])
def test_padding_changes_nothing(left):
    A = heads_of(HEAD_TYPES)
    pad = (5, 0, 5, 0) if left else (0, 5, 0, 5)
    padded = torch.nn.functional.pad(A, pad, value=0.3)
    tokens = ["[PAD]"] * 5 + TOKENS if left else TOKENS + ["[PAD]"] * 5
    mask = torch.tensor([token != "[PAD]" for token in tokens])
    plain = classify_heads([A], TOKENS)
    found = classify_heads([padded], tokens, padding_mask=mask.long())
    assert (found.names == plain.names).all()
    # The few keys of a global head are chosen on the even places, which padding shifts.
    for name in HEAD_TYPES:
        if name != "global":
            np.testing.assert_allclose(
                found.all_scores[name], plain.all_scores[name], atol=1e-5, err_msg=name
            )


def test_causality_is_found_behind_rows_of_padding():
    A = torch.full((1, 1, N + 5, N + 5), 1 / (N + 5))
    A[..., 5:, :] = 0
    A[..., 5:, 5:] = heads_of(["local"], causal=True)
    padding = torch.arange(N + 5) >= 5
    assert "next token" in classify_heads([A], padding_mask=padding).not_considered
    assert (
        "next token" not in classify_heads([A], padding_mask=padding, causal=False).not_considered
    )


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_an_untrained_model_knows_no_pattern(tiny, kind):
    inputs = tiny.text_inputs()
    model = getattr(tiny, kind)()
    maps = capture_attention(model, inputs)
    padding = inputs["attention_mask"]
    found = classify_heads(maps, inputs["input_ids"], padding_mask=padding)
    assert str(classify_heads(maps, inputs["input_ids"])) == str(found)
    assert found.count() == {"uniform": 8}
    assert ("next token" in found.not_considered) == (kind == "gpt2")
    assert list(found.layer_names) == maps.layer_names


def test_a_batch_is_one_sample():
    A = heads_of(["induction", "local"])
    one, two = classify_heads([A], TOKENS), classify_heads([A.repeat(2, 1, 1, 1)], TOKENS)
    np.testing.assert_allclose(one.scores, two.scores, atol=1e-6)
    for name in ("induction", "local"):
        np.testing.assert_allclose(two.log_bounds[name], 2 * one.log_bounds[name], rtol=1e-4)


def test_first_and_earlier_tokens_of_each_sequence_are_its_own():
    other = [f"v{k}" for k in range(N)]
    A = heads_of(["induction"]).repeat(2, 1, 1, 1)
    sets = classify_heads([A], [TOKENS, other])
    assert sets.of("induction") == [(0, 0)]
    # The second sequence repeats nothing, so all the evidence is in the first.
    alone = classify_heads([A[:1]], TOKENS)
    np.testing.assert_allclose(sets.scores, alone.scores, atol=1e-6)


def test_a_narrow_type_needs_two_thirds_of_the_wide_one():
    place = torch.arange(N)
    back = place[:, None] - place
    near = (back.abs() <= 3).double()
    even = near / near.sum(-1, keepdim=True)
    previous = (back == 1).double()
    heads = torch.stack([0.7 * previous + 0.3 * even, 0.4 * previous + 0.6 * even])
    found = classify_heads([heads], min_score=0.3)
    assert found.names[0].tolist() == ["previous token", "local"]
    assert found.runners_up[0].tolist() == ["local", "previous token"]
    assert all(wide in HEAD_TYPES and set(NARROWER[wide]) < set(HEAD_TYPES) for wide in NARROWER)


def test_what_cannot_be_considered_is_said():
    A = heads_of(["previous token"], causal=True)
    reasons = classify_heads([A]).not_considered
    assert reasons["induction"] == reasons["separator"] == "no tokens were given"
    assert "causal" in reasons["next token"]
    reasons = classify_heads([A], range(N)).not_considered
    assert "comes a second time" in reasons["induction"]
    assert "special_tokens" in reasons["separator"]
    reasons = classify_heads([A], [str(k) for k in range(N)]).not_considered
    assert "no separator" in reasons["separator"]


def test_tokens_of_many_kinds():
    ids = torch.tensor([[5, 6, 5, 6]])
    sets = token_sets(ids, {6}, 2)
    assert sets.ids.tolist() == [[0, 1, 0, 1]] * 2
    assert sets.separators.tolist() == [[False, True, False, True]] * 2
    words = ["[CLS]", "a", ",", "##-", "!?", "[SEP]", "[PAD]"]
    marked = [False, False, True, True, True, True, False]
    assert token_sets(words, None, 1).separators.tolist() == [marked]
    words = ["<s>", "Ġ(", "Ċ", "Ġa.", "Ġ", "<|endoftext|>"]
    marked = [False, True, True, False, False, True]
    assert token_sets(words, None, 1).separators.tolist() == [marked]


def test_layers_may_differ_in_length_kind_and_type():
    short = (0.9 * torch.eye(20) + 0.005).repeat(1, 2, 1, 1).to(torch.bfloat16)
    causal = heads_of(["previous token", "global"], causal=True).float()
    maps = AttentionMaps(LayerWeights({"a": short, "b": causal}))
    before = causal.clone()
    found = classify_heads(maps)
    assert found.names.tolist() == [["self", "self"], ["previous token", "global"]]
    assert found.layer_names == ("a", "b")
    assert np.isnan(found.all_scores["next token"][1]).all()
    assert torch.equal(before, causal)
    tokens = [[f"t{k}" for k in range(N)]]
    from_maps = classify_heads(AttentionMaps(LayerWeights({"b": causal}), tokens))
    assert "comes a second time" in from_maps.not_considered["induction"]


def test_a_mask_is_no_choice():
    window = (torch.arange(N)[:, None] - torch.arange(N)).abs() <= 6
    even = window / window.sum(-1, keepdim=True)
    assert classify_heads([even[None]]).names[0, 0] == "local"
    assert classify_heads([even[None]], mask=window).names[0, 0] == "uniform"


def test_result_as_text_table_and_figure():
    names = ["previous token", "induction", "uniform"]
    layers = [heads_of(names), heads_of(names, noise=0.1, seed=1)]
    layers[1][:, 2] = dirichlet((1, N, N), 0.3)
    found = classify_heads(layers, TOKENS)
    assert found.count() == {"previous token": 2, "induction": 2, "uniform": 1, "none": 1}
    assert found.of("previous token") == [(1, 0), (0, 0)]
    assert found.of("none") == [(1, 2)]
    assert found.of("local") == []
    lines = str(found).splitlines()
    assert lines[1].split() == ["0", "Pr", "In", "Un"]
    assert lines[2].split() == ["1", "Pr", "In", "."]
    assert f"best: layer 1 head 0, {found.scores[1, 0]:.2f}" in str(found)
    table = found.to_pandas()
    assert len(table) == 6
    row = table[(table.layer == 1) & (table["head"] == 1)].iloc[0]
    assert (row["type"], row.score) == ("induction", found.scores[1, 1])
    assert np.isnan(table.score.iloc[-1])
    figure = found.plot()
    assert "2 layers by 3 heads: previous token 2" in figure.get_label()
    _, ax = plt.subplots()
    assert found.plot(ax, title="a_$b$") is ax.figure
    with pytest.raises(InputError, match="Did you mean 'induction'"):
        found.of("inductoin")


@pytest.mark.parametrize("shape", [(2, 2), (30, 9), (12, 16)])
def test_every_head_is_drawn_with_its_letters_and_named_in_the_legend(shape):
    rng = np.random.default_rng(0)
    names = rng.choice([*HEAD_TYPES, "none"], size=shape)
    figure = head_type_map(names)
    ax = figure.axes[0]
    named = int((names != "none").sum())
    # A cell and its letters for each named head, and a dot for each other one.
    assert len(ax.patches) == 2 * named + (names.size - named)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(texts) == len(np.unique(names))
    for name in np.unique(names):
        assert any(f"{name} ({(names == name).sum()})" in text for text in texts)
    figure.canvas.draw()
    inch = figure.dpi * figure.dpi_scale_trans.transform((1, 1))[0] / figure.dpi
    cell = ax.transData.transform((1, 0))[0] - ax.transData.transform((0, 0))[0]
    assert cell / inch > 0.25


def test_types_are_told_apart_without_colour_and_by_the_colour_blind():
    codes, colours = zip(*HEAD_TYPE_STYLES.values(), strict=True)
    assert tuple(HEAD_TYPE_STYLES) == HEAD_TYPES
    assert len(set(codes)) == len(codes)
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for matrix in VISION:
        colour = oklab(np.clip(linear @ np.array(matrix).T, 0, 1))
        for (a, one), (b, other) in combinations(zip(codes, colour, strict=True), 2):
            assert np.linalg.norm(one - other) > 0.1, (a, b)


VISION = (
    np.eye(3),
    # Protanopia, deuteranopia, tritanopia (Machado, Oliveira and Fernandes 2009, full severity).
    [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
)


def oklab(linear):
    """Colours in a space where distances are as they seem (Ottosson 2020)."""
    cones = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
    axes = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    return np.cbrt(linear @ np.array(cones).T) @ np.array(axes).T


A = torch.eye(4).repeat(1, 2, 1, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classify_heads([]), "There are no layers"),
        (lambda: classify_heads(torch.eye(4)), r"need the shape \(..., query, key\)"),
        (lambda: classify_heads([torch.eye(4)]), "give self-attention"),
        (lambda: classify_heads([A[:, :, :2]]), "give self-attention"),
        (lambda: classify_heads([A, A[:, :1]]), "layers differ"),
        (lambda: classify_heads([A], ["a", "b"]), "2 tokens were given for weights with 4"),
        (lambda: classify_heads([A], [["a"] * 4] * 2), "1 lists of tokens of one length"),
        (lambda: classify_heads([A], []), "one list of strings or ids"),
        (lambda: classify_heads([A], dilations=(1,)), "dilations above 1"),
        (lambda: classify_heads([A[..., :1, :1]]), "No query sees more than one key"),
        (lambda: classify_heads([A], level=0), "must lie above 0"),
        (lambda: head_type_map(["self"]), r"need the shape \(layers, heads\)"),
        (lambda: head_type_map([["sef"]]), "no type of head 'sef'. Did you mean 'self'"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
