"""
# How does a GPT look back?

A GPT writes from left to right, so each token can look only at itself and at what came before. Much
of that look goes to the very first token: where in the model, and does it matter which token it is?
"""

# %%
# ## A short text
#
# [`GPTAttentionVisualizer`][interpviz.attention.GPTAttentionVisualizer] captures the attention of
# every layer. It knows that the model is causal and leaves blank what a token cannot see. The
# vectors that go into each layer are kept too, for later.

import matplotlib.pyplot as plt
import torch

from interpviz import GPTAttentionVisualizer
from interpviz.attention import capture_attention
from interpviz.render import caption, clean_tokens, describe
from interpviz.zoo import load_model

m = load_model("gpt")
text = "The Eiffel Tower stands in Paris. Every year millions of people climb it on foot."
inputs = m.tokenizer(text, return_tensors="pt").to(m.model.device)
ids = inputs["input_ids"][0].tolist()
tokens = m.tokenizer.convert_ids_to_tokens(ids)

visualizer = GPTAttentionVisualizer(m.model)
with visualizer, torch.no_grad():
    vectors = m.model(**inputs, output_hidden_states=True).hidden_states

maps = visualizer.attention_maps
layers, heads = len(maps), maps.weights[0].shape[1]
print(f"{layers} layers, {heads} heads each, {len(ids)} tokens, the first one is {tokens[0]!r}")

# %%
# ## The triangle
#
# What is blank is the future. This is the head that spreads its attention most evenly: each row is
# shared by as many tokens as there are so far, so it pales from the top to the bottom.
# [`AttentionMaps.statistics`][interpviz.attention.AttentionMaps.statistics] measures every head;
# its column `entropy` is 1 for a head that looks at all alike.

statistics = maps.statistics()
layer, head = statistics.top("entropy")[0]
fig = visualizer.visualize_attention_head(maps.weights[layer], tokens, head)
fig.axes[0].set_title(f"Layer {layer}, head {head}")
plt.show()

# %%
# ## The first column
#
# And this is the head that looks most at the first token. Its triangle is a single column. The
# statistics' column `sink_mass` is the share of attention on the first token.

sink = statistics.column("sink_mass")
layer, head = statistics.top("sink_mass")[0]
fig = visualizer.visualize_attention_head(maps.weights[layer], tokens, head)
fig.axes[0].set_title(f"Layer {layer}, head {head}")
plt.show()

# %%
# The same share for every head. The frame marks the head above.

fig = statistics.plot("sink_mass", title="Attention sinks", mark=[(layer, head)])
plt.show()

# %%

count = int((sink > 0.5).sum())
print(f"{count} of {layers * heads} heads put more than half of their attention on the first token")
print(f"layer {layer} head {head} most of all: {sink.max():.0%}")

# %%
# Each row of weights sums to one, so a head that has nothing to say about a token must look
# somewhere. The first token is the one that every later token can see. Xiao et al. (ICLR 2024)
# called it the attention sink: take it out of the model's memory and what it writes falls apart.
#
# ## From which layer on?
#
# Above, the share on the first token by layer. Below, how long the vectors are that a layer
# receives. In many models the first token's vector becomes far longer than all others, by a few
# very large entries, which is how later layers know it (Sun et al., "Massive Activations in Large
# Language Models", 2024).

lengths = torch.stack([v[0].norm(dim=-1) for v in vectors[:layers]]).cpu()
others = lengths[:, 1:].median(-1).values
fig, (above, below) = plt.subplots(2, 1, figsize=(6.5, 6), sharex=True, layout="constrained")
above.fill_between(
    range(layers),
    sink.amin(1),
    sink.amax(1),
    alpha=0.25,
    linewidth=0,
    label="lowest to highest head",
)
above.plot(sink.mean(1), label="mean over heads")
above.set(ylabel="share on the first token", ylim=(0, 1.02))
below.semilogy(lengths[:, 0], label="first token")
below.semilogy(others, label="median of the others")
below.set(ylabel="length of the vector", xlabel="layer")
for ax in (above, below):
    ax.legend(frameon=False, fontsize="small", loc="best")
most = int((lengths[:, 0] / others).argmax())
factor = lengths[most, 0] / others[most]
caption(fig, m.provenance.caption)
describe(
    fig,
    f"Above, the share of attention on the first token by layer, on average "
    f"{sink[0].mean():.0%} in the first layer and {sink.mean(1).max():.0%} in layer "
    f"{int(sink.mean(1).argmax())}. Below, the length of the vectors: in layer {most} that of the "
    f"first token is {factor:.0f} times the median of the others.",
)
plt.show()

# %%

print(f"layer {most}: the first token's vector is {factor:.0f} times as long as others")
for name, k in (("least", int(sink.mean(1).argmin())), ("most", int(sink.mean(1).argmax()))):
    print(f"{name} attention on the first token: layer {k}, {sink.mean(1)[k]:.0%} over its heads")

# %%
# ## Does it matter what the first token is?
#
# Replace it: by the sign for the start of a text, a full stop, a word that makes no sense there, a
# number. And put it there twice. All versions are one batch for
# [`capture_attention`][interpviz.attention.capture_attention].

start = m.tokenizer.bos_token or m.tokenizer.eos_token
pieces = [start, ".", " blue", "7"]
swaps = [ids[0], *(m.tokenizer(p, add_special_tokens=False)["input_ids"][0] for p in pieces)]
versions = torch.tensor([[first, *ids[1:]] for first in swaps] + [[ids[0], *ids[:-1]]])
tried = capture_attention(m.model, {"input_ids": versions})
on_first, on_second = tried.stacked()[:, :, :, 2:, :2].mean((2, 3)).unbind(-1)
on_first, on_second = on_first.cpu(), on_second.cpu()
names = clean_tokens(m.tokenizer.convert_ids_to_tokens(swaps))

fig, (above, below) = plt.subplots(
    2, 1, figsize=(6.5, 7), sharex=True, sharey=True, layout="constrained"
)
for place, name in enumerate(names):
    above.plot(on_first[:, place], linewidth=1.3, label=f"'{name}'")
above.set_title("Another first token")
below.plot(on_first[:, 0], ":", color="gray", label="first token, once")
below.plot(on_first[:, -1], label="first token, twice: on the first")
below.plot(on_second[:, -1], "--", label="on its copy")
below.set_title("The first token twice")
below.set_xlabel("layer")
for ax in (above, below):
    ax.set(ylabel="share of attention", ylim=(0, 1.35), yticks=[0, 0.25, 0.5, 0.75, 1])
    ax.legend(frameon=False, fontsize="small", ncols=3 if ax is above else 1, loc="upper left")
means = on_first.mean(0).tolist()
caption(fig, m.provenance.caption)
listing = ", ".join(f"'{name}' {mean:.0%}" for name, mean in zip(names, means))
describe(
    fig,
    f"Above, the share on the first token by layer for several first tokens; mean over layers: "
    f"{listing}. Below, with the first token twice: {means[-1]:.0%} on the first, "
    f"{on_second[:, -1].mean():.0%} on its copy.",
)
plt.show()

# %%

for name, mean in zip(names, means):
    print(f"first token {name!r:<16} gets {mean:.0%} of the attention")
print(f"second token                 gets {on_second[:, 0].mean():.0%}")
print(f"first token twice: the first gets {means[-1]:.0%}, its copy {on_second[:, -1].mean():.0%}")

# %%
# Where the lines above lie together, the word does not matter, nor does a special sign for the
# start: the place does. How does a model know the place? The first token sees nothing but itself. A
# copy right behind it sees nothing but the same word, and where positions are only compared with
# each other (rotary embeddings) the two cannot be told apart: they share the attention. Yona et al.
# (ICML 2025) traced this in several models. A model with a vector for each position has another
# sign, and its copy should get little.
#
# ## Look for yourself
#
# Some layers, to touch: choose one and a head, then move over a token, or reach it with Tab and the
# arrow keys. Switch the first token off, and see what the rest of the attention does.

first = torch.zeros(len(tokens), dtype=torch.bool)
first[0] = True
maps.view(
    tokens=tokens,
    layers=range(0, layers, 6),
    special_tokens=first,
    title="Attention of a GPT",
    alt="Heat map of the first head of the first layer: a triangle; no token sees the future.",
)

# %%
# ## The weights behind this page

print(m.provenance)
