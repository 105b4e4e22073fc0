"""Models of ones own, whose weights come out of modules that the user names."""

import pytest
import torch
from torch import nn

from interpviz.attention import AttentionVisualizer, attention_statistics, capture_attention
from interpviz.errors import AttentionError, LayerError


class Attention(nn.Module):
    """Plain causal attention that returns its weights, and sends them through a dropout layer."""

    def __init__(self):
        super().__init__()
        self.qkv, self.drop = nn.Linear(16, 48), nn.Dropout(0.2)

    def weights(self, x):
        q, k, _ = (one.unflatten(-1, (4, 4)).transpose(1, 2) for one in self.qkv(x).chunk(3, -1))
        later = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
        return (q @ k.mT / 2).masked_fill(later, -torch.inf).softmax(-1)

    def forward(self, x):
        weights = self.drop(self.weights(x))
        value = self.qkv(x)[..., 32:].unflatten(-1, (4, 4)).transpose(1, 2)
        return (weights @ value).transpose(1, 2).flatten(2), weights


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList([Attention(), Attention()])

    def forward(self, x):
        for block in self.blocks:
            x = x + block(x)[0]
        return x


@pytest.fixture
def x():
    return torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("part", ["", ".drop"])
def test_weights_of_named_modules(part, x, tiny):
    model = Model().eval()
    before = model(x)
    names = [f"blocks.1{part}", f"blocks.0{part}"]
    maps = capture_attention(model, x, layers=names)
    assert maps.layer_names == names[::-1]
    assert maps.kinds == ("decoder", "decoder")
    after_one = x + model.blocks[0](x)[0]
    expected = model.blocks[0].weights(x), model.blocks[1].weights(after_one)
    for found, one in zip(maps.weights.values(), expected, strict=True):
        torch.testing.assert_close(found, one, atol=1e-7, rtol=0)
    assert torch.equal(model(x), before)
    assert tiny.hook_count(model) == 0
    table = attention_statistics(model, x, layers=names)
    torch.testing.assert_close(table.column("entropy"), maps.statistics().column("entropy"))


def test_hooks_of_a_visualizer(x, tiny):
    model = Model().eval()
    visualizer = AttentionVisualizer(model)
    visualizer.register_hooks("blocks.0.drop")
    model(x)
    visualizer.remove_hooks()
    assert visualizer.attention_maps["blocks.0.drop"].shape == (2, 4, 5, 5)
    assert tiny.hook_count(model) == 0


def test_a_single_head_and_dropout_in_training(x):
    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.softmax, self.drop = nn.Softmax(-1), nn.Dropout(0.5)

        def forward(self, x):
            return self.drop(self.softmax(x @ x.mT)) @ x

    model = Single()
    maps = capture_attention(model, x, layers=["softmax", "drop"])
    torch.testing.assert_close(maps["softmax"], (x @ x.mT).softmax(-1)[:, None])
    assert (maps["drop"].sum(-1) - 1).abs().max() > 0.01


def test_modules_that_give_out_no_weights(x, tiny):
    model = Model().eval()
    with pytest.raises(AttentionError, match=r"What 'blocks\.0\.qkv' returns holds no attention"):
        capture_attention(model, x, layers="blocks.0.qkv")
    with pytest.raises(LayerError, match=r"Did you mean 'blocks\.0\.drop'"):
        capture_attention(model, x, layers="blocks.0.dorp")
    for layers in (None, 0, []):
        with pytest.raises(AttentionError, match="name the modules that give out its weights"):
            capture_attention(model, x, layers=layers)
    assert tiny.hook_count(model) == 0
