"""
# Which heads look widely, and which look far?

Two numbers sort the many heads of a model: how widely each spreads its attention (entropy), and how
far it looks (distance). They tell which of the heads to look at.
"""

# %%
# ## Entropy and distance of every head
#
# [`attention_entropy`][interpviz.attention.attention_entropy] is 0 for a head that looks at one
# token and 1 for a head that looks at all alike.
# [`attention_distance`][interpviz.attention.attention_distance] is the mean number of tokens
# between the one that looks and the one looked at. The values are means over four sentences.

import matplotlib.pyplot as plt
import torch

from interpviz import BERTAttentionVisualizer
from interpviz.attention import attention_distance, attention_entropy, capture_attention
from interpviz.render import describe, layer_head_heatmap
from interpviz.zoo import load_model

m = load_model("bert")
# The opening of Moby-Dick (Herman Melville, 1851).
sentences = [
    "Call me Ishmael.",
    "Some years ago, never mind how long precisely, having little or no money in my purse, and "
    "nothing particular to interest me on shore, I thought I would sail about a little and see "
    "the watery part of the world.",
    "It is a way I have of driving off the spleen and regulating the circulation.",
    "This is my substitute for pistol and ball.",
]
inputs = m.tokenizer(sentences, return_tensors="pt", padding=True).to(m.model.device)
with torch.no_grad():
    maps = capture_attention(m.model, inputs)

# %%
# The sentences have different lengths, so the shorter ones are padded. The tokenizer's mask keeps
# the padding out of the numbers.

padding = inputs["attention_mask"]
layers = maps.weights.values()
entropy = torch.stack([attention_entropy(w, padding_mask=padding).mean(0) for w in layers]).cpu()
distance = torch.stack([attention_distance(w, padding_mask=padding).mean(0) for w in layers]).cpu()

fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
layer_head_heatmap(entropy, axes[0], label="entropy, 0 to 1", title="How widely", vmin=0, vmax=1)
layer_head_heatmap(distance, axes[1], label="distance in tokens", title="How far", vmin=0)
describe(
    fig,
    f"Two maps of all heads, layers by heads. Entropy runs from {entropy.min():.2f} to "
    f"{entropy.max():.2f}, distance from {distance.min():.1f} to {distance.max():.1f} tokens.",
)
plt.show()

# %%
# ## Over the layers
#
# The mean of each layer, and the range of its heads.

fig, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
for ax, values, name in ((axes[0], entropy, "entropy"), (axes[1], distance, "distance in tokens")):
    place = range(len(values))
    ax.fill_between(place, values.amin(1), values.amax(1), alpha=0.25, label="range of the heads")
    ax.plot(place, values.mean(1), marker="o", label="mean")
    ax.set(xlabel="layer", ylabel=name, xticks=list(place))
    ax.set_ylim(bottom=0)
    ax.legend()
means = ", ".join(f"{value:.2f}" for value in entropy.mean(1).tolist())
describe(fig, f"Entropy and distance over the layers. Mean entropy by layer: {means}.")
plt.show()

# %%

for name, values in (("entropy", entropy), ("distance", distance)):
    row = " ".join(f"{v:6.2f}" for v in values.mean(1).tolist())
    print(f"mean {name:<9} by layer: {row}")

# %%
# ## The extremes
#
# The numbers tell which heads to look at: the most focused one, the widest one, and the one that
# looks farthest. The numbers are means over four sentences; the pictures show one of them.

sentence = m.tokenizer(sentences[2], return_tensors="pt").to(m.model.device)
tokens = m.tokenizer.convert_ids_to_tokens(sentence["input_ids"][0])
visualizer = BERTAttentionVisualizer(m.model)
with visualizer, torch.no_grad():
    m.model(**sentence)

heads = entropy.shape[1]
extremes = {
    "most focused": divmod(int(entropy.argmin()), heads),
    "widest": divmod(int(entropy.argmax()), heads),
    "farthest": divmod(int(distance.argmax()), heads),
}
fig, axes = plt.subplots(3, 1, figsize=(5.4, 14), layout="constrained")
for ax, (name, (layer, head)) in zip(axes, extremes.items()):
    captured = visualizer.attention_maps.weights[layer][0]
    visualizer.visualize_attention_head(captured, tokens, head, ax=ax)
    ax.set_title(f"{name}: layer {layer} head {head}")
listing = "; ".join(f"{name}: layer {a} head {b}" for name, (a, b) in extremes.items())
describe(fig, f"Heat maps of three heads, below each other. {listing}.")
plt.show()

# %%

for name, (layer, head) in extremes.items():
    print(
        f"{name:<13} layer {layer} head {head}: entropy {entropy[layer, head]:.2f}, "
        f"distance {distance[layer, head]:.1f}"
    )

# %%
# ## The weights behind this page

print(m.provenance)
