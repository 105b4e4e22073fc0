"""The table of statistics against plain loops in float64."""

import math

import pytest
import torch
from matplotlib import pyplot as plt

from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.maps import AttentionMaps
from interpviz.attention.rows import COLUMNS
from interpviz.attention.sequences import Sequences
from interpviz.attention.statistics import attention_distance, attention_entropy
from interpviz.attention.table import HeadStatistics
from interpviz.errors import InputError

N = 11


def softmax(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).softmax(-1)


def slow(weights, visible, real, special, ids, *, window, sinks):
    """Every column of one head, by its definition.

    Lists of `(batch, query, key)` and `(batch, position)`.
    """
    found = {name: [] for name in COLUMNS}
    above = below = 0.0
    for A, V, R, S, T in zip(weights, visible, real, special, ids, strict=True):
        first = [j for j in range(len(T)) if R[j]][:sinks]
        for i in range(len(A)):
            seen = [j for j in range(len(T)) if V[i][j] and R[j]]
            total = sum(A[i][j] for j in seen)
            if not R[i] or not seen or total == 0:
                continue
            found["row_sum"].append(total)
            above += sum(A[i][j] * abs(i - j) for j in seen)
            below += total
            if len(seen) < 2:
                continue
            P = {j: A[i][j] / total for j in seen}

            def add(name, keys, shares=P):
                found[name].append(sum(shares.get(j, 0) for j in keys))

            entropy = -sum(p * math.log(p) for p in P.values() if p > 0)
            found["entropy"].append(entropy / math.log(len(seen)))
            add("sink_mass", first)
            add("special_mass", [j for j in seen if S[j]])
            add("local_mass", [j for j in seen if abs(i - j) <= window])
            for name, j in (("previous_token", i - 1), ("self_mass", i), ("next_token", i + 1)):
                if j in P:
                    add(name, [j])
            copies = [j for j in seen if j < i and T[j] == T[i]]
            behind = [j for j in seen if 0 < j < i and T[j - 1] == T[i]]
            for name, keys in (("duplicate_token", copies), ("induction", behind)):
                if keys:
                    add(name, keys)
    means = {k: sum(v) / len(v) if v else math.nan for k, v in found.items()}
    return {**means, "distance": above / below}


def scene(causal):
    weights = softmax(2, 3, N, N)
    i, j = torch.arange(N)[:, None], torch.arange(N)
    visible = (j <= i if causal else torch.ones(N, N).bool()) & ((i - j).abs() < 7)
    real = torch.ones(2, N).bool()
    real[0, :2] = False
    real[1, 9:] = False
    weights = weights * (visible & real[:, None, None]) * torch.linspace(0.4, 1, N)[:, None]
    ids = torch.randint(0, 4, (2, N), generator=torch.Generator().manual_seed(1))
    special = torch.zeros(2, N).bool()
    special[:, [3, 8]] = True
    maps = AttentionMaps(
        LayerWeights({"a": weights, "b": weights.flip(1)}),
        kinds=("decoder" if causal else "encoder",) * 2,
        padding_mask=real,
        special_tokens_mask=special,
        token_ids=ids,
        visible={"a": visible[None, None], "b": visible[None, None]},
    )
    known = [visible.expand(2, N, N).tolist(), real.tolist(), special.tolist(), ids.tolist()]
    return maps, known


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("window", "sinks"), [(0, 1), (3, 2), (20, 4)])
@pytest.mark.parametrize("block", [1, 2**22])
def test_every_column_against_its_definition(causal, window, sinks, block, monkeypatch):
    monkeypatch.setattr("interpviz.attention.measured._BLOCK", block)
    maps, known = scene(causal)
    table = maps.statistics(window=window, sinks=sinks)
    for head in range(3):
        expected = slow(
            maps.weights["a"][:, head].double().tolist(), *known, window=window, sinks=sinks
        )
        for name in COLUMNS:
            got = float(table.column(name)[0, head])
            assert got == pytest.approx(expected[name], abs=2e-6, nan_ok=True), name
            assert float(table.column(name)[1, 2 - head]) == pytest.approx(got, nan_ok=True)
    if causal:
        assert table.column("next_token").isnan().all()


def test_it_agrees_with_the_single_statistics():
    weights = softmax(1, 4, N, N)
    table = AttentionMaps(LayerWeights({"a": weights}), kinds=("encoder",)).statistics()
    torch.testing.assert_close(table.column("entropy"), attention_entropy(weights))
    torch.testing.assert_close(table.column("distance"), attention_distance(weights))
    causal = weights.tril()
    table = AttentionMaps(LayerWeights({"a": causal}), kinds=("decoder",)).statistics()
    torch.testing.assert_close(table.column("entropy"), attention_entropy(causal, causal=True))


def test_induction_on_repeated_random_tokens():
    n = 12
    ids = torch.arange(n).repeat(2)[None]
    heads = torch.zeros(1, 2, 2 * n, 2 * n)
    for i in range(2 * n):
        heads[0, 0, i, i - n + 1 if i >= n else 0] = 1
        heads[0, 1, i, i - n if i >= n else i] = 1
    maps = AttentionMaps(LayerWeights({"a": heads}), kinds=("decoder",), token_ids=ids)
    table = maps.statistics()
    assert table.column("induction").tolist() == [[1, 0]]
    assert table.column("duplicate_token").tolist() == [[0, 1]]
    named = AttentionMaps(
        LayerWeights({"a": heads}), tokens=[[f"w{i}" for i in ids[0].tolist()]], kinds=("decoder",)
    )
    assert named.statistics().column("induction").tolist() == [[1, 0]]


def test_causal_by_default_where_nothing_else_is_known():
    even = torch.ones(1, 1, 6, 6).tril()
    even = even / even.sum(-1, keepdim=True)
    for kinds, causal, expected in (
        (("decoder",), None, 1),
        ((), None, 1),
        (("encoder",), True, 1),
    ):
        maps = AttentionMaps(LayerWeights({"a": even}), kinds=kinds)
        assert maps.statistics(causal).column("entropy").item() == pytest.approx(expected)
    hidden = AttentionMaps(LayerWeights({"a": even}), kinds=("encoder",)).statistics()
    assert hidden.column("entropy").item() < 0.9


def test_cross_attention_knows_no_distances():
    maps = AttentionMaps(
        LayerWeights({"a": softmax(2, 3, 4, 6)}),
        kinds=("cross",),
        padding_mask=torch.tensor([[1] * 6, [1] * 4 + [0] * 2]).bool(),
        decoder=Sequences(padding_mask=torch.tensor([[1] * 4, [1] * 3 + [0]]).bool()),
    )
    table = maps.statistics()
    for name in COLUMNS:
        known = name in ("entropy", "sink_mass", "row_sum")
        assert table.column(name).isnan().all() == (not known), name
    kept = [maps.weights[0][0, 0], maps.weights[0][1, 0, :3, :4]]
    first = torch.cat([(w[:, 0] / w.sum(-1)) for w in kept]).mean()
    assert table.column("sink_mass")[0, 0] == pytest.approx(float(first), abs=1e-6)


def test_layers_of_different_width_and_chosen_heads():
    maps = AttentionMaps(
        LayerWeights({"a": softmax(1, 2, 5, 5), "b": softmax(1, 4, 7, 7)}), heads={"a": (3, 6)}
    )
    table = maps.statistics()
    assert table.column("entropy").isnan().tolist() == [[False, False, True, True], [False] * 4]
    frame = table.to_pandas()
    assert frame["head"].tolist() == [3, 6, 0, 1, 2, 3]
    assert frame["entropy"].tolist() == pytest.approx(
        table.column("entropy")[~table.column("entropy").isnan()].tolist()
    )


def table_of(rows, **kwargs):
    values = {"entropy": torch.tensor(rows), "row_sum": torch.ones(len(rows), len(rows[0]))}
    names = tuple("abc"[: len(rows)])
    return HeadStatistics(values, names, (None,) * len(rows), **kwargs)


def test_top_sorts_heads_and_puts_what_is_not_known_last():
    nan = math.nan
    table = table_of([[0.2, nan, 0.9], [0.2, 0.5, -0.1]])
    order = [(0, 2), (1, 1), (0, 0), (1, 0), (1, 2), (0, 1)]
    for k in (1, 3, 6, 99):
        assert table.top("entropy", k) == order[:k]
    least = [(1, 2), (0, 0), (1, 0), (1, 1), (0, 2), (0, 1)]
    assert table.top("entropy", 6, smallest=True) == least
    assert table.top("entropy") == [(0, 2)]
    assert all(type(number) is int for pair in table.top("entropy", 6) for number in pair)


def test_top_gives_heads_by_their_number_in_the_model():
    maps = AttentionMaps(
        LayerWeights({"a": softmax(1, 2, 5, 5), "b": softmax(1, 4, 7, 7)}), heads={"a": (3, 6)}
    )
    table = maps.statistics()
    pairs = table.top("entropy", 99)
    assert sorted(pairs) == [(0, 3), (0, 6), (1, 0), (1, 1), (1, 2), (1, 3)]
    places = [(layer, {3: 0, 6: 1}[head] if layer == 0 else head) for layer, head in pairs]
    values = [float(table.column("entropy")[place]) for place in places]
    assert values == sorted(values, reverse=True)
    figure = table.plot("entropy")
    assert "most in layer {}, head {}".format(*pairs[0]) in figure.get_label()
    plt.close("all")


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_top_needs_a_number_of_heads(k):
    with pytest.raises(InputError, match="k must be a whole number"):
        table_of([[0.1]]).top("entropy", k)


def test_what_it_looks_like():
    maps, _ = scene(True)
    table = maps.statistics()
    text = str(table)
    assert text.splitlines()[0].split()[:4] == ["layer", "head", "entropy", "distance"]
    assert f"{table.column('entropy')[0, 0]:.2f}" in text.splitlines()[1]
    assert "layer 1: b (decoder)" in text
    assert "next" not in text.splitlines()[0].split()
    figure = table.plot("sink_mass")
    assert "Attention to the first token, 2 layers by 3 heads: most in layer" in figure.get_label()
    assert figure.axes[1].get_ylabel() == "attention to the first token"
    figure = maps.statistics(sinks=4).plot("sink_mass")
    assert "Attention to the first 4 tokens, 2 layers" in figure.get_label()
    _, ax = plt.subplots()
    assert table.plot("distance", ax, title="far") is ax.figure
    assert not ax.patches
    marked = table.plot("entropy", mark=[(1, 2)]).axes[0].patches
    assert {patch.get_xy() for patch in marked} == {(1.5, 0.5)}
    with pytest.raises(InputError, match=r"There is no head \(2, 0\) to mark"):
        table.plot("entropy", mark=[(2, 0)])
    plt.close("all")


def test_errors():
    maps, _ = scene(True)
    with pytest.raises(InputError, match="Did you mean 'entropy'"):
        maps.statistics().column("entropie")
    with pytest.raises(InputError, match="window must be at least 0 and sinks 1"):
        maps.statistics(sinks=0)
    with pytest.raises(InputError, match="no maps to measure"):
        AttentionMaps(LayerWeights({})).statistics()
    with pytest.raises(InputError, match="fits none of the layers"):
        maps.statistics(padding_mask=[1, 0])
    with pytest.raises(InputError, match="values below 0"):
        AttentionMaps(LayerWeights({"a": -softmax(1, 1, 3, 3)})).statistics()
    with pytest.raises(InputError, match="values below 0"):
        attention_entropy(-softmax(3, 3))


def test_masks_given_later_count():
    maps, _ = scene(False)
    bare = AttentionMaps(maps.weights, kinds=maps.kinds, visible=maps.visible)
    table = bare.statistics(
        padding_mask=maps.padding_mask.long(), special_tokens_mask=maps.special_tokens_mask
    )
    expected = maps.statistics()
    for name in ("entropy", "special_mass", "sink_mass"):
        assert torch.equal(table.column(name), expected.column(name))
