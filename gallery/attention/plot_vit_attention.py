"""
# What does a vision transformer attend to?

A vision transformer cuts a photo into patches, and each patch asks all others. This page follows
the questions: of the class token, of a patch on the object, and of all layers together.
"""

# %%
# ## The network and its photos
#
# Where a model hub is in reach this is ViT-B/16 with ImageNet weights, which reads the class from
# its class token. Elsewhere it is a small ViT that was trained to give the importance of each
# pixel for the main object; its head reads the patches and leaves the class token aside. So its
# class token is what the transformer's first training made of it. The page says which one ran.

# mkdocs_gallery_thumbnail_number = 5
from math import isqrt

import matplotlib.pyplot as plt
import torch

from interpviz import ViTAttentionVisualizer
from interpviz.attention import attention_distance, capture_attention, relevance, rollout
from interpviz.errors import AssetError
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

try:
    m = load_model("vit_b_16")
except AssetError:
    m = load_model("vit_small_focus")
shown = ["astronaut", "flower", "china"]
views = [m.view(load_photo(name)) for name in shown]
x = torch.stack([m.preprocess(load_photo(name)) for name in shown])
x = x.to(next(m.model.parameters()).device)

maps = capture_attention(m.model, x)
weights = torch.stack(list(maps.weights.values())).cpu()
layers, _, heads, n, _ = weights.shape
side = isqrt(n - 1)
print(f"{m.provenance.architecture}, trained on or for: {m.provenance.trained_on}")
print(f"{layers} layers of {heads} heads, {n} tokens: the class token and {side} x {side} patches")


def as_maps(values):
    """Numbers of patches, shape `(..., patch)`, as maps over the photo with the greatest 1."""
    grid = values.unflatten(-1, (side, side))
    return grid / grid.amax((-2, -1), keepdim=True)


# %%
# ## The class token, layer by layer
#
# Below are the patches that the class token looks at, in the mean of the heads. Each map has its
# own scale, up to its greatest weight; the number is the share of the attention that the token
# keeps for itself. What stands out early is often not the object.

photo = 0
by_layer = weights[:, photo, :, 0].mean(1)
titles = [f"layer {layer}\nitself {row[0]:.0%}" for layer, row in enumerate(by_layer)]
fig = map_panels([views[photo]] * layers, as_maps(by_layer[:, 1:]), titles, columns=3)
fig.set_size_inches(6.4, 2.2 * -(-layers // 3))
caption(fig, m.provenance.caption)
listing = ", ".join(f"{row[0]:.0%}" for row in by_layer)
describe(
    fig,
    f"The photo {shown[photo]} and the class token's attention in {layers} layers. What the token "
    f"keeps for itself by layer: {listing}.",
)
plt.show()

# %%
# The mean hides that heads look for different things. Here are those of the last layer.

last = weights[-1, photo, :, 0]
spread = [torch.special.entr(row[1:] / row[1:].sum()).sum().exp().item() for row in last]
titles = [f"head {head}\n{count:.0f} patches" for head, count in enumerate(spread)]
fig = map_panels([views[photo]] * heads, as_maps(last[:, 1:]), titles, columns=3)
fig.set_size_inches(6.4, 2.2 * -(-heads // 3))
caption(fig, m.provenance.caption)
listing = "; ".join(title.replace("\n", " ") for title in titles)
describe(
    fig,
    f"The photo {shown[photo]} and the class token's attention in each head of the last layer. The "
    f"number of patches that the weights are spread over, as e to their entropy: {listing}.",
)
plt.show()

# %%
# ## How far do patches look?
#
# [`attention_distance`][interpviz.attention.attention_distance] is the mean distance between a
# patch and those it looks at, in patches, here for each head as the mean over the photos. A patch
# that looked at all alike would reach the dotted line. Convolutions begin near and widen layer by
# layer; Dosovitskiy et al. (ICLR 2021) found heads that look far from the first layer on.

distance = attention_distance(weights, grid=(side, side)).mean(1)
even = attention_distance(torch.ones(1, n, n), grid=(side, side)).item()
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for head in range(heads):
    ax.plot(distance[:, head], "o", color="C0", alpha=0.5, label="a head" if head == 0 else None)
ax.plot(distance.mean(1), color="C1", marker="s", label="mean of the heads")
ax.axhline(even, linewidth=1, linestyle=":", color="gray", label="all patches alike")
ax.set(xticks=range(layers), xlabel="layer", ylabel="distance in patches")
ax.set_ylim(bottom=0)
fig.legend(loc="outside upper center", ncols=3)
caption(fig, m.provenance.caption)
listing = ", ".join(f"{value:.1f}" for value in distance.mean(1))
describe(
    fig,
    f"A chart of the distance of each head by layer. The means by layer: {listing}; all patches "
    f"alike: {even:.1f}.",
)
plt.show()

# %%
first, final = distance[0], distance[-1]
print(f"first layer: heads from {first.min():.1f} to {first.max():.1f} patches")
print(f"last layer:  heads from {final.min():.1f} to {final.max():.1f} patches")

# %%
# ## Two patches of one photo
#
# One patch lies on the face, one on the grey background; both are framed. In an early layer a patch
# looks around itself or at patches like it, and later at what belongs to it.
# [`visualize_patch_attention`]
# [interpviz.attention.ViTAttentionVisualizer.visualize_patch_attention] draws one token's attention
# over the photo.

visualizer = ViTAttentionVisualizer(m.model)
places = {"face": (0.28, 0.42), "background": (0.10, 0.62)}
patches = {
    name: 1 + int(row * side) * side + int(column * side) for name, (row, column) in places.items()
}
chosen = [1, layers // 2, layers - 1]
fig, axes = plt.subplots(len(chosen), 2, figsize=(6.4, 2.5 * len(chosen)), layout="constrained")
for row, layer in zip(axes, chosen):
    for ax, (name, patch) in zip(row, patches.items()):
        visualizer.visualize_patch_attention(
            weights[layer, photo], patch, image=views[photo], ax=ax, cmap="inferno"
        )
        ax.set_title(f"layer {layer}, {name}")
caption(fig, m.provenance.caption)


def common(layer):
    """The share of their attention that the two patches have in common."""
    one, other = (weights[layer, photo, :, patch].mean(0) for patch in patches.values())
    return torch.minimum(one, other).sum().item()


listing = "; ".join(f"layer {layer} {common(layer):.0%}" for layer in chosen)
describe(
    fig,
    "What a patch on the face and a patch on the background attend to in three layers. The share "
    f"of their attention that both have in common: {listing}.",
)
plt.show()

# %%

print("attention that both patches have in common, by layer:")
print(" ".join(f"{common(layer):4.0%}" for layer in range(layers)))

# %%
# ## All layers together
#
# [`rollout`][interpviz.attention.rollout] multiplies the layers, and asks for no result.
# [`relevance`][interpviz.attention.relevance] weighs them with the gradient of a score: of the
# predicted class, or of the mean importance where the small network sees an object.

with torch.no_grad():
    output = m.model(x)
objects = output[:, 0] >= 0 if not m.categories else None


def score(output):
    """One number a photo: the class that was predicted, or the importance of the object."""
    if objects is None:
        return output.gather(1, predicted[:, None])[:, 0]
    return (output[:, 0] * objects).sum((1, 2)) / objects.sum((1, 2))


predicted = output.flatten(1).argmax(1)
explained = relevance(m.model, x, score)
# A token's relevance for itself holds a 1 that says nothing about the score.
links = explained.without_itself().tokens
# A classifier's head reads the class token, the small network's all patches.
rows = links[:, 0] if m.categories else links[:, 1:].mean(1)
found = {
    "class token, last layer": weights[-1, :, :, 0, 1:].mean(1),
    "rollout": rollout(weights)[:, 0, 1:],
    "relevance": rows[:, 1:].cpu(),
}
peaks = {name: (v.amax(1) / v.sum(1)).tolist() for name, v in found.items()}
titles, panels = [], []
for index in range(len(shown)):
    for name, values in found.items():
        titles.append(f"{name}\ntop patch {peaks[name][index]:.1%}")
        panels.append(as_maps(values)[index])
fig = map_panels([view for view in views for _ in found], panels, titles, columns=3)
fig.set_size_inches(6.8, 2.35 * len(shown))
caption(fig, m.provenance.caption)
listing = "; ".join(
    f"{name} {', '.join(f'{value:.1%}' for value in values)}" for name, values in peaks.items()
)
describe(
    fig,
    f"Three photos ({', '.join(shown)}) and three maps of each. The share of the map in its "
    f"brightest patch: {listing}; if all were alike {1 / side**2:.1%}.",
)
plt.show()

# %%
# A rollout can hang on one patch. If the tokens of an early layer park their attention there, the
# product carries it to the top, whatever later layers make of it:

parked = weights[:, :, :, :, 1:].mean((2, 3))
top = found["rollout"].argmax(1)
for index, name in enumerate(shown):
    share = parked[:, index, top[index]]
    layer = int(share.argmax())
    print(
        f"{name:<10} top patch of the rollout: {share[layer]:.0%} of all attention in layer {layer}"
        f", median of the other layers {share[torch.arange(layers) != layer].median():.1%}"
    )

# %%
# ## Which map can be believed?
#
# Cover the patches that a map names first with the mean colour, and see what the score loses. A map
# that knows nothing, drawn by lot, is the floor. The score is the one above, of the same class or
# the same pixels.

shares = [0.1, 0.2, 0.4]
generator = torch.Generator().manual_seed(0)
size = x.shape[-1] // side


@torch.no_grad()
def loss(values, share):
    """What the score of each photo loses without its highest patches, mean over the photos."""
    order = values.argsort(-1, descending=True)[:, : round(share * side**2)]
    kept = torch.ones_like(values).scatter(1, order, 0.0).reshape(-1, 1, side, side).to(x)
    # Zero is the mean colour of what the network was trained on.
    covered = x * kept.repeat_interleave(size, 2).repeat_interleave(size, 3)
    return (score(output) - score(m.model(covered))).mean().item()


losses = {name: [loss(values, share) for share in shares] for name, values in found.items()}
draws = [torch.rand(len(shown), side**2, generator=generator) for _ in range(3)]
chance = torch.tensor([[loss(draw, share) for share in shares] for draw in draws])
losses["drawn by lot, mean of 3"] = chance.mean(0).tolist()
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for (name, values), line in zip(losses.items(), ("C0o-", "C1s-", "C3^-", ":")):
    colour = {"color": "gray"} if line == ":" else {}
    ax.plot([100 * share for share in shares], values, line, label=name, **colour)
ax.set(xlabel="patches covered, %", ylabel="loss of the score (logit)", xticks=[10, 20, 40])
fig.legend(loc="outside upper center", ncols=2)
caption(fig, m.provenance.caption)
listing = "; ".join(
    f"{name} {', '.join(f'{value:.2f}' for value in values)}" for name, values in losses.items()
)
describe(fig, f"A line chart: loss of the score with 10, 20 and 40% covered. {listing}.")
plt.show()

# %%

print(f"score of the photos: {', '.join(f'{value:.2f}' for value in score(output).tolist())}")
print(f"{'loss with covered':<24}" + "".join(f"{share:>7.0%}" for share in shares))
for name, values in losses.items():
    print(f"{name:<24}" + "".join(f"{value:7.2f}" for value in values))

# %%
# An attention map of one layer is a picture of one step. For the question what a result rests on,
# take the measure that knows the result, and check it as here.
#
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in shown:
        print(photo)
